package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/proc"
)

// The hidden first words of the processes behind a job's fence. They get the
// job's directory and, as descriptor lockFD, its lock.
const (
	initCommand   = "job-init"
	workerCommand = "job-worker"
	lockFD        = 3
)

// worker is what a stage function gets: its job and where it says how it goes.
type worker struct {
	app     *app
	info    job.Info
	dir     string // the job's
	journal *job.Journal
	started time.Time
}

// stageFunc does the work of one stage.
type stageFunc func(ctx context.Context, w *worker) error

// isInner says if a command line is that of a process that nosa starts of itself.
func isInner(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{initCommand, workerCommand, probeInitCommand, probeCommand, hubCommand, containerCommand, sandbox.TraceCommand}, args[0])
}

// inner is a process behind a fence: the init of a job or of a probe, or what it starts.
func (a *app) inner(ctx context.Context, args []string) int {
	if len(args) != 2 {
		fmt.Fprintf(a.stderr, "nosa: %s is started by nosa itself\n", args[0])
		return exitUsage
	}
	next, lock := workerCommand, lockFD
	switch args[0] {
	case workerCommand:
		syscall.CloseOnExec(lockFD)
		syscall.Umask(0o022) // the caller's must not reach the tree
		return a.work(ctx, args[1])
	case hubCommand:
		return a.hub(ctx, args[1])
	case containerCommand:
		return a.containerInit(args[1])
	case probeCommand:
		return a.probe(ctx, args[1])
	case probeInitCommand:
		next, lock = probeCommand, -1
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintf(a.stderr, "nosa: %v\n", err)
		return exitFailed
	}
	signal.Reset()
	code, err := proc.Init(proc.InitOptions{
		Argv: []string{self, next, args[1]}, Fence: proc.Fence(os.Getenv("NOSA_FENCE")), Lock: lock, Ready: max(lock, lockFD-1) + 1,
	})
	if err != nil {
		fmt.Fprintf(a.stderr, "nosa: %v\n", err)
	}
	return code
}

// work runs the stage of the job in dir and ends its journal.
func (a *app) work(ctx context.Context, dir string) int {
	info, err := job.Open(dir)
	if err != nil {
		fmt.Fprintf(a.stderr, "nosa: %v\n", err)
		return exitFailed
	}
	journal, err := job.OpenJournal(dir, a.now)
	if err != nil {
		fmt.Fprintf(a.stderr, "nosa: %v\n", err)
		return exitFailed
	}
	defer func() { _ = journal.Close() }()
	w := &worker{app: a, info: info, dir: dir, journal: journal, started: a.now()}
	journal.Emit(event.Event{Kind: event.Start, Title: info.Stage})
	ctx, stop := job.Watch(ctx, dir)
	err = w.run(ctx)
	stop()
	ms := a.now().Sub(w.started).Milliseconds()
	if err == nil {
		journal.Emit(event.Event{Kind: event.Finish, MS: ms})
		return exitOK
	}
	if ended, ok := errors.AsType[programEnded](err); ok {
		journal.Emit(event.Event{Kind: event.Finish, MS: ms, Code: ended.code})
		return ended.code
	}
	fail := failEvent(err, journal, w.workspace())
	fail.MS = ms
	journal.Emit(fail)
	return fail.Code
}

func (w *worker) run(ctx context.Context) (err error) {
	stage, ok := stages()[w.info.Stage]
	if !ok {
		return fmt.Errorf("%s: %w", w.info.Stage, errNoStage)
	}
	return stage(ctx, w)
}

// request decodes what the client asked for.
func (w *worker) request(into any) error {
	if err := json.Unmarshal(w.info.Request, into); err != nil {
		return fmt.Errorf("reading the request of %s: %w", w.info.ID, err)
	}
	return nil
}

// reporter reports on one step of the stage.
func (w *worker) reporter(step string) *event.Reporter {
	return event.NewReporter(step, w.journal, w.journal, w.app.now)
}
