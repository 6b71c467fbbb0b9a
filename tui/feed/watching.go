package feed

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nestos/nosa/workspace"
)

// restMost is the most time between two looks where every change makes an event: a net for what was missed.
const restMost = 15 * time.Second

// watching is a set of files and directories that are watched for changes.
type watching struct {
	watcher *fsnotify.Watcher // nil: only polling
	on      map[string]bool
	remote  bool // not all changes are told
	quiet   int  // waits in a row to whose end nothing happened
}

// watch begins with nothing, in a workspace; err is why only polling is left.
func watch(dir string) (w watching, err error) {
	w.on, w.remote = map[string]bool{}, workspace.Remote(dir)
	w.watcher, err = fsnotify.NewWatcher()
	return w, err
}

// idle is how long to wait where nothing lives: least, and the longer the longer nothing has happened, as what
// was half done at an event may be whole without another.
func (w *watching) idle(least time.Duration) time.Duration {
	if w.watcher == nil || w.remote {
		return least
	}
	return min(least<<min(w.quiet, 8), max(least, restMost))
}

func (w *watching) close() {
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
}

// set watches these and no others. It says if any is new: what happened to it before made no event.
func (w *watching) set(want map[string]bool) (added bool) {
	if w.watcher == nil {
		return false
	}
	for name := range w.on {
		if !want[name] {
			_ = w.watcher.Remove(name) // gone, mostly
			delete(w.on, name)
		}
	}
	for name := range want {
		if !w.on[name] && w.watcher.Add(name) == nil {
			w.on[name], added = true, true
		}
	}
	return added
}

// wait returns when it is time to look again: settle after a change, poll at the latest.
func (w *watching) wait(ctx context.Context, poll, settle time.Duration) {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.watcher != nil {
		events, errs = w.watcher.Events, w.watcher.Errors
	}
	settling := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			w.quiet++
			if settling {
				w.quiet = 0
			}
			return
		case <-errs: //nolint:errcheck // an overflow: look at everything, as always
			w.quiet = 0
			return
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
				delete(w.on, e.Name) // one of that name that comes again is another
			}
			if !settling {
				settling = true
				timer.Reset(settle)
			}
		}
	}
}
