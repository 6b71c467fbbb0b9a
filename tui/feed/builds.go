package feed

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nestos/nosa/workspace"
)

// How FollowBuilds waits: pollIdle for what no watch tells, longer where nothing has happened for
// long, and pollBusy while one is held; after a change until settle
// has passed without another, but no longer than settleMost.
const (
	pollIdle   = 5 * time.Second
	pollBusy   = time.Second
	pollMost   = time.Minute // with a hundred builds a look reads a hundred directories
	settle     = 60 * time.Millisecond
	settleMost = 500 * time.Millisecond
	// detailsAtOnce is of how many builds the details are read between two Builds.
	detailsAtOnce = 16
)

// FollowBuilds posts a Builds at once, and another whenever something about the
// builds of the workspace changes, until ctx ends.
func FollowBuilds(ctx context.Context, ws *workspace.Workspace, post func(any)) {
	f := buildsFollower{reader: newBuildsReader(ws), post: post, remote: workspace.Remote(ws.Dir)}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.notice = "changes of builds are seen within 5 s only: " + err.Error()
	} else {
		defer func() { _ = w.Close() }()
		f.watcher, f.watched = w, map[string]bool{}
	}
	for ctx.Err() == nil {
		f.read(ctx)
		f.wait(ctx)
	}
}

type buildsFollower struct {
	reader  *buildsReader
	post    func(any)
	watcher *fsnotify.Watcher // nil: only polling
	watched map[string]bool
	remote  bool // not all changes are told
	quiet   int  // waits in a row to whose end nothing happened
	notice  string
	last    *Builds
}

// read posts what there is, then again with the details that were missing.
func (f *buildsFollower) read(ctx context.Context) {
	now := f.reader.read()
	f.publish(now)
	for f.watch(now) { // what changed before the watch began was not told
		now = f.reader.read()
		f.publish(now)
	}
	for now.Reading > 0 && ctx.Err() == nil {
		f.reader.readDetails(ctx, now.List, detailsAtOnce)
		now = f.reader.read()
		f.publish(now)
	}
}

func (f *buildsFollower) publish(b Builds) {
	b.Notice = f.notice
	if f.last != nil && sameBuilds(*f.last, b) {
		return
	}
	f.last = &b
	f.post(b)
}

func sameBuilds(a, b Builds) bool {
	return slices.Equal(a.List, b.List) && a.Problem == b.Problem && a.Reading == b.Reading && a.Notice == b.Notice && reflect.DeepEqual(a.Deleted, b.Deleted)
}

// watch watches the directories whose changes matter, and says if some are new. What
// cannot be watched is polled.
func (f *buildsFollower) watch(b Builds) (began bool) {
	if f.watcher == nil {
		return false
	}
	builds := f.reader.ws.Builds()
	dirs := []string{builds, filepath.Join(builds, ".trash")}
	for _, build := range b.List {
		if build.Dir != "" {
			dirs = append(dirs, filepath.Dir(build.Dir), build.Dir)
		}
	}
	for _, d := range dirs {
		if f.watched[d] {
			continue
		}
		err := f.watcher.Add(d)
		f.watched[d] = err == nil
		began = began || err == nil
		if errors.Is(err, syscall.ENOSPC) {
			f.notice = "changes of builds are seen within 5 s only: no more directories can be watched (fs.inotify.max_user_watches)"
		}
	}
	for d, on := range f.watched {
		if !on {
			delete(f.watched, d) // to be tried again
			continue
		}
		if !slices.Contains(dirs, d) {
			_ = f.watcher.Remove(d) // gone, mostly
			delete(f.watched, d)
		}
	}
	return began
}

// idle is how long to wait where nobody works on a build.
func (f *buildsFollower) idle() time.Duration {
	if f.watcher == nil || f.remote || f.notice != "" {
		return pollIdle
	}
	return min(pollIdle<<min(f.quiet, 8), pollMost)
}

// wait returns when it is time to look again.
func (f *buildsFollower) wait(ctx context.Context) {
	poll := f.idle()
	if f.last != nil && slices.ContainsFunc(f.last.List, func(b *Build) bool { return len(b.Busy) > 0 }) {
		poll = pollBusy
	}
	timer := time.NewTimer(poll)
	defer timer.Stop()
	var events <-chan fsnotify.Event
	var errs <-chan error
	if f.watcher != nil {
		events, errs = f.watcher.Events, f.watcher.Errors
	}
	var first time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			f.quiet++
			if !first.IsZero() {
				f.quiet = 0
			}
			return
		case <-errs: //nolint:errcheck // an overflow: everything is looked at, as always
			f.quiet = 0
			return
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
				delete(f.watched, e.Name) // a directory of that name that comes again is another
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(settle, max(settleMost-time.Since(first), 0)))
		}
	}
}
