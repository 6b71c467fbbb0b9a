package logview

import (
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nestos/nosa/workspace"
)

// doze is the watch on a file that has not grown for a while.
type doze struct {
	path    string
	watcher *fsnotify.Watcher // nil: awake, or it cannot be watched
	tried   bool
}

// begin begins to watch, and says if it has begun just now.
func (d *doze) begin() bool {
	if d.tried {
		return false
	}
	d.tried = true
	if workspace.Remote(d.path) {
		return false
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return false
	}
	if w.Add(d.path) != nil { // it is not there yet
		_ = w.Close()
		return false
	}
	d.watcher = w
	return true
}

// end ends it, until the next begin.
func (d *doze) end() {
	if d.watcher != nil {
		_ = d.watcher.Close()
	}
	d.watcher, d.tried = nil, false
}

// events is what tells of changes; nil where nothing does.
func (d *doze) events() <-chan fsnotify.Event {
	if d.watcher == nil {
		return nil
	}
	return d.watcher.Events
}

// every is how long nothing need be looked at.
func (d *doze) every() time.Duration {
	if d.watcher == nil {
		return restEvery
	}
	return dozeEvery
}
