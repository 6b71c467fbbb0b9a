package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/loop"
	"github.com/nestos/nosa/workspace/person"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// killAfter is how long a cancelled job may take to end by itself before it is
// killed: its programs have proc.Grace, and some bookkeeping comes after them.
const killAfter = proc.Grace + 5*time.Second

// tokenKey is the variable by which whoever starts nosa marks the job that comes of it.
const tokenKey = "NOSA_TOKEN"

// stageFailed is a job that ended with a fail event, which was printed already.
type stageFailed struct{ event event.Event }

func (e stageFailed) Error() string { return e.event.Text }

// stageRun is one run of a stage.
type stageRun struct {
	jobs    string // the workspace's jobs directory
	name    string
	request any          // what the worker gets, as JSON
	fences  []proc.Fence // none: the strongest that can be had
	history workspace.History
	console *console          // of a program that talks to the person; nil is none
	binds   []backend.Mount   // what a container needs beside the workspace
	seen    func(event.Event) // gets each event, too; nil is nobody
}

// runStage runs one stage as a job: it starts the worker behind a fence, shows
// its events until it has ended, and passes Ctrl-C on as a cancel file.
func (a *app) runStage(ctx context.Context, s stageRun) error {
	data, err := json.Marshal(s.request)
	if err != nil {
		return fmt.Errorf("starting %s: %w", s.name, err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	where, err := a.where(ctx, s.name)
	if err != nil {
		return err
	}
	if _, err := job.Expire(s.jobs, a.now().Add(-job.KeepRecords)); err != nil {
		return err
	}
	info := job.Info{
		Stage: s.name, Argv: os.Args, Request: data, Backend: where.choice.Backend, Host: host,
		User: a.userName(ctx), Version: buildVersion(), Created: a.now(), Token: os.Getenv(tokenKey),
	}
	if where.inContainer != nil {
		if info.Container, err = containerName(); err != nil {
			return err
		}
	}
	j, err := job.Create(s.jobs, info)
	if err != nil {
		return err
	}
	defer func() { _ = j.Close() }()
	runtime.LockOSThread() // the worker's parent-death signal is tied to this thread
	defer runtime.UnlockOSThread()
	w := follower{app: a, job: j, exited: make(chan struct{}), console: s.console, seen: s.seen}
	fence, err := w.start(where, s)
	if err != nil {
		return err
	}
	r := newRenderer(a, s.name)
	r.watchLog(j.Dir)
	r.history = s.history
	if fence != "" && (len(s.fences) == 0 || fence != s.fences[0]) {
		r.fence(fence)
	}
	last, err := w.follow(ctx, r)
	r.close()
	if err != nil {
		return err
	}
	if last.Kind == event.Fail || last.Code != exitOK {
		return stageFailed{last}
	}
	return nil
}

// start starts the worker, here behind a fence or in a container, where the fence is made inside.
func (f *follower) start(where place, s stageRun) (fence proc.Fence, err error) {
	if where.inContainer == nil {
		if f.init, fence, err = f.startWorker(f.job, s); err != nil {
			return "", err
		}
		f.kill = func() { _ = f.init.Process.Kill() }
		go func() { _ = f.init.Wait(); close(f.exited) }()
		return fence, nil
	}
	r := containerRun{
		name: f.job.Info.Container, root: filepath.Dir(filepath.Dir(s.jobs)), dir: f.job.Dir,
		request: containerRequest{Fences: s.fences}, binds: s.binds, pass: f.flags.pass, xfs: len(s.fences) > 0,
		stdin: s.console != nil && s.console.mayRead(), tty: s.console != nil && s.console.hasTerminal(),
		env: []string{"NOSA_JOB=" + string(f.job.Info.ID), "NOSA_USER=" + f.job.Info.User},
	}
	if f.init, err = f.startContainer(*where.inContainer, r, s.console); err != nil {
		return "", err
	}
	f.kill = func() { _ = errors.Join(where.kill(r), f.init.Process.Kill()) }
	go func() {
		_ = f.init.Wait()
		if r.orphaned(f.init.ProcessState) {
			_ = where.kill(r)
		}
		close(f.exited)
	}()
	where.reapSoon(r.root)
	return "", nil
}

// startContainer starts the engine's client, whose own words go to the job's log.
func (f *follower) startContainer(c inContainer, r containerRun, console *console) (*exec.Cmd, error) {
	log, err := share.Open(filepath.Join(r.dir, "log"), os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return nil, fmt.Errorf("starting worker: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd, err := c.command(r)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroupOnly()
	if console != nil {
		console.give(cmd)
	}
	if !r.stdin {
		cmd.Stdin = nil
	}
	if r.tty {
		cmd.Stderr = log // the program's comes with its output, and the terminal shows nothing before it begins
		// The client learns of a new size by SIGWINCH, which is its controlling terminal's to send.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGTERM}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.engine.Kind, err)
	}
	return cmd, nil
}

func (a *app) startWorker(j *job.Job, s stageRun) (*exec.Cmd, proc.Fence, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("finding nosa's own executable: %w", err)
	}
	log, err := share.Open(filepath.Join(j.Dir, "log"), os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return nil, "", fmt.Errorf("starting worker: %w", err)
	}
	defer func() { _ = log.Close() }()
	return proc.StartFenced(func() *exec.Cmd {
		cmd := exec.Command(self, initCommand, j.Dir) //nolint:noctx // its end is the cancel file's, then SIGKILL
		cmd.Env = append(os.Environ(), "NOSA_JOB="+string(j.Info.ID))
		cmd.Stdout, cmd.Stderr = log, log // a panic must not be lost
		if s.console != nil {
			s.console.give(cmd)
		}
		cmd.ExtraFiles = []*os.File{j.LockFile()}
		return cmd
	}, s.fences...)
}

// follower is the client's side of a running job.
type follower struct {
	*app
	job    *job.Job
	init   *exec.Cmd     // the worker's, or the client of its container
	kill   func()        // everything ends by it
	exited chan struct{} // closed when init has ended

	console *console // of a job that has one
	seen    func(event.Event)
}

// show shows an event. When the program of a job with a console begins, the terminal is the program's,
// and of the job nothing is said any more but that it failed.
func (f follower) show(r *renderer, e event.Event) {
	if f.seen != nil {
		f.seen(e)
	}
	switch {
	case f.console == nil, e.Kind == event.Fail, e.Kind == event.Log:
		if e.Kind == event.Fail && f.console != nil {
			f.console.close()
		}
		r.show(e)
	case e.Kind == event.Step && e.Step == builder.ShellStep:
		r.erase()
		f.console.begin()
	}
}

// follow shows events until the worker has ended. The last event is the
// journal's, or one made up here for a worker that died without a word.
func (f follower) follow(ctx context.Context, r *renderer) (event.Event, error) {
	events := make(chan event.Event, 64)
	followed := make(chan error, 1)
	stop, cancelFollow := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelFollow()
	go func() {
		_, err := job.Follow(stop, f.job.Dir, func(e event.Event) { events <- e })
		close(events)
		followed <- err
	}()
	var last event.Event
	var deadline <-chan time.Time
	done, gone := ctx.Done(), f.exited
	for {
		select {
		case e, ok := <-events:
			if !ok {
				<-f.exited
				return last, <-followed
			}
			last = e
			f.show(r, e)
		case <-r.tick():
			r.redraw()
		case <-done:
			done = nil
			r.note(stopping(ctx))
			if err := job.Cancel(f.job.Dir); err != nil {
				f.kill()
			}
			deadline = time.After(killAfter)
		case <-f.again:
			f.kill()
		case <-deadline:
			f.kill()
		case <-gone:
			gone = nil
			e, err := f.sayLost(ctx)
			if err != nil {
				return last, err
			}
			if e.Kind != "" { // not in the journal, so that the rest of it is all that comes
				cancelFollow()
				for e := range events {
					r.show(e)
				}
				r.show(e)
				return e, nil
			}
		}
	}
}

// stopping says why a job is being ended.
func stopping(ctx context.Context) string {
	if errors.Is(context.Cause(ctx), loop.ErrSaved) {
		return "stopping: something was saved"
	}
	return "stopping (Ctrl-C again kills)"
}

// sayLost ends the journal of a worker that is gone, if it did not do so itself,
// and removes what it has left. An end that the journal cannot take, as on a
// full disk, is returned.
func (f follower) sayLost(ctx context.Context) (event.Event, error) {
	dir := f.job.Dir
	st, err := job.Look(dir)
	if err != nil || st.Last.Kind == event.Finish || st.Last.Kind == event.Fail {
		return event.Event{}, err
	}
	_ = builder.RemoveScratch(filepath.Dir(filepath.Dir(dir)), string(f.job.Info.ID)) // else the next job does it
	e := f.verdict(ctx, st.Last)
	journal, err := job.OpenJournal(dir, f.now)
	if err != nil {
		return e, nil //nolint:nilerr // the verdict counts
	}
	journal.Emit(e)
	if err := journal.Close(); err != nil {
		return e, nil //nolint:nilerr // the same
	}
	if st, err := job.Look(dir); err != nil || st.Last.Kind != e.Kind {
		return e, nil //nolint:nilerr // the same
	}
	return event.Event{}, nil
}

// verdict is the end of a worker that did not write one, by its exit status and what it wrote last.
func (f follower) verdict(ctx context.Context, last event.Event) event.Event {
	look := "look at its last output in " + filepath.Join(f.job.Dir, "log")
	switch code := f.init.ProcessState.ExitCode(); {
	case ctx.Err() != nil:
		return event.Event{Kind: event.Fail, Code: exitCancelled, Text: "cancelled"}
	case code == exitOK:
		return event.Event{Kind: event.Finish}
	case code == exitNoSpace:
		return event.Event{Kind: event.Fail, Code: code, Text: "no space left, not even to write down where", Hint: hintOf(syscall.ENOSPC)}
	case code >= 125 && code <= 127 && f.job.Info.Container != "" && last.Kind == "":
		return event.Event{Kind: event.Fail, Code: exitMissing, Text: f.refusal()}
	case code > 0 && code < 128:
		return event.Event{Kind: event.Fail, Code: code, Text: "the worker could not write down why it failed", Hint: look}
	}
	return event.Event{Kind: event.Fail, Code: exitFailed, Text: "the worker was killed", Hint: look}
}

// refusal says that an engine did not start the job's container, and what it said of it, where that is in the log.
func (f follower) refusal() string {
	text := f.job.Info.Backend + " did not start the container"
	words, _ := os.ReadFile(filepath.Join(f.job.Dir, "log"))
	if why := proc.FirstError(strings.Split(string(words), "\n")); why != "" {
		text += ": " + event.Clean(why)
	}
	return text
}

// userName is who runs this command, for others to see.
func (a *app) userName(ctx context.Context) string { return person.Name(ctx, a.flags.dir) }

var errNoStage = errors.New("no such stage")

// explain shows why a command without a job failed over the configuration.
func (r *renderer) explain(err error) error {
	if _, ok := errors.AsType[doc.Diagnostics](err); !ok {
		return err
	}
	fail := failEvent(err, showSink{r}, r.dir)
	r.show(fail)
	return stageFailed{fail}
}

// showSink shows events of this process.
type showSink struct{ r *renderer }

// Emit implements event.Sink.
func (s showSink) Emit(e event.Event) { s.r.show(e) }
