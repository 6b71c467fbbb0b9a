package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Change is what a Watch saw since the one before it.
type Change struct {
	At    time.Time // when the first of it was seen
	Paths []string  // what changed, relative to the workspace ("src/config/image.yaml"), sorted; a directory stands for all directly in it
	All   bool      // anything may have changed, Paths is not all of it
	Git   bool      // HEAD or the index of the config's checkout changed
	State WatchState
}

// WatchState is how well a Watch sees.
type WatchState struct {
	Dirs   int    // directories whose changes are told at once
	Polled int    // directories that are looked at every PollInterval
	Notice string // why some are polled; "" when none is
	Remedy string // the command that helps against it; "" when none does
}

// How a Watch waits.
const (
	PollInterval = 2 * time.Second
	restInterval = 10 * time.Second      // where every change is told but that of a link far above a root
	watchSettle  = 75 * time.Millisecond // from the first event of a Change to its end
	maxPaths     = 500                   // of a Change, beyond that it is All
	maxWatchDirs = 50_000                // directories; what lies deeper is not seen
)

// SourceRoots are the directories that a user edits, relative to the workspace.
// Each may be a symbolic link; what is missing may come later.
func SourceRoots() []string { return []string{"src/config", "overrides", "src/yumrepos"} }

// Watch follows what changes in the SourceRoots until ctx ends. The first Change
// comes at once, the others when something happened. It does not follow
// symbolic links but the roots themselves, and looks into no .git but at its HEAD
// and index. Post is called from one goroutine, which is the caller's.
func (w *Workspace) Watch(ctx context.Context, post func(Change)) error {
	n, err := newNotifier()
	watch := newWatcher(w.Dir, n)
	if err != nil {
		watch.full(err)
	}
	if n.close != nil {
		defer n.close()
	}
	tick := time.NewTimer(PollInterval)
	defer tick.Stop()
	watch.tick, watch.later = tick.C, func(d time.Duration) { tick.Reset(d) }
	return watch.run(ctx, post)
}

// notifier is what a watcher needs of fsnotify.
type notifier struct {
	events <-chan fsnotify.Event
	errors <-chan error
	add    func(dir string) error
	remove func(dir string)
	close  func()
	limit  int // of watches; 0 is not known
}

func newNotifier() (notifier, error) {
	fs, err := fsnotify.NewBufferedWatcher(1024)
	if err != nil {
		return notifier{}, fmt.Errorf("watching the workspace: %w", err)
	}
	return notifier{
		events: fs.Events, errors: fs.Errors, add: fs.Add, limit: watchLimit(),
		remove: func(dir string) { _ = fs.Remove(dir) }, // which is gone already as a rule
		close:  func() { _ = fs.Close() },
	}, nil
}

// watcher is a Watch.
type watcher struct {
	dir    string // the workspace
	notify notifier
	tick   <-chan time.Time
	later  func(d time.Duration)  // asks for the next tick
	remote func(path string) bool // changes made elsewhere are not told

	dirs  map[string]*watchedDir // by real path
	roots map[string]rootState   // by logical path
	state WatchState
	over  bool // no further watches are to be had

	since time.Time       // when something of the next Change was first seen
	paths map[string]bool // of it
	all   bool
	git   bool
	told  WatchState
}

func newWatcher(dir string, n notifier) *watcher {
	return &watcher{
		dir: dir, notify: n, later: func(time.Duration) {}, remote: Remote,
		dirs: map[string]*watchedDir{}, roots: map[string]rootState{}, paths: map[string]bool{},
	}
}

func (w *watcher) run(ctx context.Context, post func(Change)) error {
	w.since = time.Now()
	w.checkRoots()
	w.all = true
	post(w.take())
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.notify.events:
			if !ok {
				return errors.New("watching the workspace: the watcher ended")
			}
			w.event(e)
		case err := <-w.notify.errors:
			w.failed(err)
		case <-w.tick:
			w.checkRoots()
			w.pollAll()
			w.later(w.pause())
		case <-settled:
			settled = nil
			post(w.take())
			continue
		}
		if settled == nil && w.pending() {
			w.since = time.Now()
			settled = time.After(watchSettle)
		}
	}
}

// pause is the time to the next look at what is not told.
func (w *watcher) pause() time.Duration {
	if w.polls() {
		return PollInterval
	}
	return restInterval
}

func (w *watcher) pending() bool {
	return w.all || w.git || len(w.paths) > 0 || w.state != w.told
}

// take gives what is to be told.
func (w *watcher) take() Change {
	c := Change{At: w.since, Paths: slices.Sorted(maps.Keys(w.paths)), All: w.all, Git: w.git, State: w.state}
	clear(w.paths)
	w.all, w.git, w.told = false, false, w.state
	return c
}

func (w *watcher) note(shown string) {
	if len(w.paths) >= maxPaths {
		w.all = true
		return
	}
	w.paths[shown] = true
}

// failed is an error of the watcher: events were lost.
func (w *watcher) failed(err error) {
	if err == nil {
		return
	}
	w.rescan()
	w.all = true
}

// event is something that happened in a directory, or to it.
func (w *watcher) event(e fsnotify.Event) {
	if e.Op == fsnotify.Chmod && w.dirs[e.Name] != nil {
		return // told by the directory above, too
	}
	gone := e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)
	if d := w.dirs[e.Name]; d != nil && gone {
		w.replaced(e.Name, d)
	}
	in := w.dirs[filepath.Dir(e.Name)]
	if in == nil {
		return
	}
	base := filepath.Base(e.Name)
	switch in.kind {
	case dirAbove:
		if in.names[base] {
			w.checkRoots()
		}
	case dirGit:
		if isGitState(base) {
			w.git = true
		}
	case dirContent:
		if base == gitDir {
			w.git = true
			w.watchGit()
			return
		}
		shown := filepath.Join(in.shown, base)
		w.note(shown)
		if e.Has(fsnotify.Create) {
			w.addTree(e.Name, shown, w.note)
		}
	}
}

// replaced forgets a directory that was removed or renamed. Another one may have
// taken its place already.
func (w *watcher) replaced(at string, d *watchedDir) {
	w.drop(at)
	if d.kind == dirContent && d.shown != "" {
		w.note(d.shown)
		w.addTree(at, d.shown, w.note)
	}
	w.checkRoots()
}
