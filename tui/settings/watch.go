package settings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
)

// Changed is a file that has changed. Where it has errors the settings are those of the rest of it.
type Changed struct {
	Settings Settings
	Diags    doc.Diagnostics
}

// How a file is watched.
const (
	settle  = 100 * time.Millisecond // after an event: editors write in several steps
	lookFor = 3 * time.Second        // where no event comes: another machine, a link to elsewhere, no directory yet
	restFor = 5                      // times lookFor: where events do come
)

// Stamp is another text whenever the file's is; of a file that is not there "".
func Stamp(path string) string {
	data, err := doc.ReadBytes(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return fmt.Sprint(err) + string(data)
}

// Watch posts a Changed each time the text of the file at path has changed, until
// ctx ends, and gives the cause of that. last is the file's Stamp of before it was loaded, so
// that no change is lost between. The file, and its directory, may come and go.
func Watch(ctx context.Context, path, last string, post func(any)) error {
	return watching{path: path, last: last, every: lookFor}.run(ctx, post)
}

// watching is a Watch.
type watching struct {
	path, last string
	every      time.Duration
}

// pause is the time to the next look; untold is why no events come, nil that they do.
func (f watching) pause(untold error) time.Duration {
	info, err := os.Lstat(f.path)
	if untold != nil || err == nil && !info.Mode().IsRegular() || workspace.Remote(filepath.Dir(f.path)) {
		return f.every
	}
	return restFor * f.every
}

func (f watching) run(ctx context.Context, post func(any)) error {
	path, last := f.path, f.last
	if path == "" {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		w = &fsnotify.Watcher{} // without events the looking must do
	} else {
		defer func() { _ = w.Close() }()
	}
	look := time.NewTimer(f.every)
	defer look.Stop()
	later := time.After(0)
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("watching the settings: %w", context.Cause(ctx))
		case e := <-w.Events:
			if later == nil && filepath.Base(e.Name) == filepath.Base(path) {
				later = time.After(settle)
			}
			continue
		case lost := <-w.Errors:
			if later == nil && errors.Is(lost, fsnotify.ErrEventOverflow) {
				later = time.After(settle)
			}
			continue
		case <-look.C:
		case <-later:
			later = nil
		}
		untold := err
		if err == nil {
			untold = w.Add(filepath.Dir(path)) // again, should it have been made anew
		}
		look.Reset(f.pause(untold))
		if now := Stamp(path); now != last {
			last = now
			s, diags := Load(path)
			post(Changed{Settings: s, Diags: diags})
		}
	}
}
