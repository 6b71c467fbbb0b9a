package feed

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

// How FollowJobs waits: jobsIdle and, in peace, longer for what no watch tells, jobsBusy while a job runs, as a lock
// that goes free makes no event; after an event until jobsSettle is over, so that a burst is one snapshot.
const (
	jobsIdle   = 2 * time.Second
	jobsBusy   = time.Second
	jobsBlind  = 500 * time.Millisecond // without watches
	jobsSettle = 40 * time.Millisecond
)

// FollowJobs posts a Jobs at once, and another whenever something about the jobs of the workspace
// changes, until ctx ends.
func FollowJobs(ctx context.Context, ws *workspace.Workspace, post func(any)) {
	f := jobsFollower{reader: newJobsReader(ws), post: post}
	var err error
	if f.watching, err = watch(ws.Dir); err != nil {
		f.notice = "changes of jobs are seen late: " + err.Error()
	}
	defer f.watching.close()
	for ctx.Err() == nil {
		f.publish(f.reader.read())
		if f.watch() {
			continue // what happened before the watch made no event
		}
		f.wait(ctx)
	}
}

type jobsFollower struct {
	reader   *jobsReader
	post     func(any)
	watching watching
	notice   string
	last     *Jobs
	seen     int // changes that were posted
}

func (f *jobsFollower) publish(now Jobs) {
	now.Notice = f.notice
	if f.last == nil || f.seen != f.reader.changes || now.Problem != f.last.Problem {
		f.post(now)
	}
	f.last, f.seen = &now, f.reader.changes
}

// watch watches the directory of the jobs, or the nearest above it that there is, and the journals
// of those that run: not their directories, where the log grows line by line. It says if any is new.
func (f *jobsFollower) watch() (added bool) {
	want := map[string]bool{there(f.reader.ws.JobsDir(), f.reader.ws.Dir): true}
	for _, j := range f.last.Running() {
		want[job.EventsPath(j.Dir)] = true
	}
	return f.watching.set(want)
}

// there is a directory, or the nearest above it that there is, root at the top.
func there(dir, root string) string {
	for ; dir != root && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
	}
	return dir
}

// wait returns when it is time to look again.
func (f *jobsFollower) wait(ctx context.Context) {
	poll := f.watching.idle(jobsIdle)
	switch {
	case f.watching.watcher == nil:
		poll = jobsBlind
	case len(f.last.Running()) > 0:
		poll = jobsBusy
	}
	f.watching.wait(ctx, poll, jobsSettle)
}
