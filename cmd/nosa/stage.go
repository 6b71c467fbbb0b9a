package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/proc"
)

// killAfter is how long a cancelled job may take to end by itself before it is
// killed: its programs have proc.Grace, and some bookkeeping comes after them.
const killAfter = proc.Grace + 5*time.Second

// stageFailed is a job that ended with a fail event, which was printed already.
type stageFailed struct{ event event.Event }

func (e stageFailed) Error() string { return e.event.Text }

// runStage runs one stage as a job of the workspace whose jobs directory is
// given: it starts the worker behind a fence, shows its events until it has
// ended, and passes Ctrl-C on as a cancel file. request is what the worker gets.
// The fence is the strongest that can be had, or one of those given.
func (a *app) runStage(ctx context.Context, jobs, stage string, request any, fences ...proc.Fence) error {
	data, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("starting %s: %w", stage, err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	j, err := job.Create(jobs, job.Info{
		Stage: stage, Argv: os.Args, Request: data, Backend: "local", Host: host,
		User: userName(), Version: buildVersion(), Created: a.now(),
	})
	if err != nil {
		return err
	}
	defer func() { _ = j.Close() }()
	runtime.LockOSThread() // the worker's parent-death signal is tied to this thread
	defer runtime.UnlockOSThread()
	cmd, fence, err := a.startWorker(j, fences)
	if err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	r := newRenderer(a, stage)
	r.fence(fence)
	last, err := a.followWorker(ctx, j, cmd, exited, r)
	r.close()
	if err != nil {
		return err
	}
	if last.Kind == event.Fail {
		return stageFailed{last}
	}
	return nil
}

func (a *app) startWorker(j *job.Job, fences []proc.Fence) (*exec.Cmd, proc.Fence, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("finding nosa's own executable: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(j.Dir, "log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, "", fmt.Errorf("starting worker: %w", err)
	}
	defer func() { _ = log.Close() }()
	return proc.StartFenced(func() *exec.Cmd {
		cmd := exec.Command(self, initCommand, j.Dir) //nolint:noctx // its end is the cancel file's, then SIGKILL
		cmd.Env = append(os.Environ(), "NOSA_JOB="+string(j.Info.ID))
		cmd.Stdout, cmd.Stderr = log, log // a panic must not be lost
		cmd.ExtraFiles = []*os.File{j.LockFile()}
		return cmd
	}, fences...)
}

// followWorker shows events until the worker has ended. The last event is the
// journal's, or one made up here for a worker that died without a word.
func (a *app) followWorker(ctx context.Context, j *job.Job, cmd *exec.Cmd, exited <-chan error, r *renderer) (event.Event, error) {
	events := make(chan event.Event, 64)
	followed := make(chan error, 1)
	stop, cancelFollow := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelFollow()
	go func() {
		_, err := job.Follow(stop, j.Dir, func(e event.Event) { events <- e })
		close(events)
		followed <- err
	}()
	kill := func() { _ = cmd.Process.Signal(syscall.SIGKILL) }
	var last event.Event
	var deadline <-chan time.Time
	done, gone := ctx.Done(), exited
	for {
		select {
		case e, ok := <-events:
			if !ok {
				<-exited
				return last, <-followed
			}
			last = e
			r.show(e)
		case <-r.tick():
			r.redraw()
		case <-done:
			done = nil
			r.note("stopping (Ctrl-C again kills)")
			if err := job.Cancel(j.Dir); err != nil {
				kill()
			}
			deadline = time.After(killAfter)
		case <-a.again:
			kill()
		case <-deadline:
			kill()
		case <-gone:
			gone = nil
			if err := a.sayLost(ctx, j); err != nil {
				return last, err
			}
			exited = closed(exited)
		}
	}
}

// closed gives a channel in place of one whose only value has been taken.
func closed(<-chan error) <-chan error {
	c := make(chan error)
	close(c)
	return c
}

// sayLost ends the journal of a worker that is gone, if it did not do so itself.
func (a *app) sayLost(ctx context.Context, j *job.Job) error {
	st, err := job.Look(j.Dir)
	if err != nil {
		return err
	}
	if st.Last.Kind == event.Finish || st.Last.Kind == event.Fail {
		return nil
	}
	journal, err := job.OpenJournal(j.Dir, a.now)
	if err != nil {
		return err
	}
	e := event.Event{Kind: event.Fail, Code: exitFailed, Text: "the worker was killed", Hint: "its last output: " + filepath.Join(j.Dir, "log")}
	if ctx.Err() != nil {
		e = event.Event{Kind: event.Fail, Code: exitCancelled, Text: "cancelled"}
	}
	journal.Emit(e)
	return journal.Close()
}

func userName() string {
	if name := os.Getenv("NOSA_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

var errNoStage = errors.New("no such stage")

// inWorkspace runs a stage of the workspace that -C names.
func (a *app) inWorkspace(ctx context.Context, stage string, request any) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	return a.runStage(ctx, ws.JobsDir(), stage, request, fencesFor(ws, request)...)
}

// fencesFor gives the fences that a stage can work behind: an xfs can be
// mounted in no user namespace, so its images need a real root outside one.
func fencesFor(ws *workspace.Workspace, request any) []proc.Fence {
	rootfs := ""
	switch req := request.(type) {
	case builder.BuildRequest:
		image, _ := workspace.LoadImage(ws.Image()) // what is wrong with it the worker says
		rootfs = image.RootFS
	case builder.ImageRequest:
		if arch, err := workspace.HostArch(); err == nil {
			if id, err := ws.Resolve(req.Build, arch.Name); err == nil {
				meta, _ := workspace.ReadMeta(ws.BuildDir(id, arch.Name))
				rootfs = meta.Rootfs
			}
		}
	}
	if rootfs == "xfs" {
		return []proc.Fence{proc.FencePID, proc.FenceUser, proc.FenceMounts}
	}
	return nil
}

func openWorkspace(dir string) (*workspace.Workspace, error) { return workspace.Open(dir) }

// explain prints the diagnostics of a configuration error that no job printed.
func (a *app) explain(err error) error {
	var problems doc.Diagnostics
	if !errors.As(err, &problems) {
		return err
	}
	r := newRenderer(a, "")
	defer r.close()
	n := sayDiagnostics(problems, showSink{r})
	return stageFailed{event.Event{Kind: event.Fail, Code: exitConfig, Text: fmt.Sprintf("%d problems in the configuration", n)}}
}

// showSink shows events of this process.
type showSink struct{ r *renderer }

// Emit implements event.Sink.
func (s showSink) Emit(e event.Event) { s.r.show(e) }
