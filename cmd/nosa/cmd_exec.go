package main

import (
	"cmp"
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/proc"
)

// execStep is the one step of a job of nosa exec.
const execStep = "exec"

// execRequest is what nosa exec asks of its job.
type execRequest struct {
	Title string   `json:"title,omitempty"` // for people; "" is the command line
	Argv  []string `json:"argv"`
}

func newExecCommand(a *app) *cobra.Command {
	var req execRequest
	cmd := &cobra.Command{
		Use:     "exec [--title TEXT] [--] PROGRAM [ARG…]",
		Short:   "Run a program of your own as a job",
		GroupID: groupWork,
		Args:    words(1, math.MaxInt),
		Long: `Run a program as a job of this workspace: nosa jobs lists it, its output is the
job's log, it can be followed and cancelled from elsewhere, by the workbench too.

  nosa exec --title "Copy to the mirror" -- rsync -a builds/ mirror:/srv/builds/

The program is no part of nosa and is kept away from nothing: it runs as you, in
the workspace's directory, with your environment and NOSA_WORKSPACE (that
directory), NOSA_JOB (the job) and umask 022, in the machine's own namespaces, so
that podman or rsync work as elsewhere. There is no terminal and nothing to read.
It takes none of nosa's locks. No shell reads the words.

The job ends with the program. What it has left in the background is killed
then; what it has others start, as systemd or a container daemon, is not the
job's. When the job is cancelled the program and its process group get SIGTERM,
after 10 s SIGKILL. A kill -9 of nosa itself kills the program, but not what that
has started.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitCancelled),
		RunE: func(cmd *cobra.Command, list []string) error {
			req.Argv = list
			return a.runExec(cmd.Context(), req)
		},
	}
	cmd.Flags().SetInterspersed(false) // the flags behind the program are its own
	cmd.Flags().StringVar(&req.Title, "title", "", "call it `TEXT` where the job is shown")
	return cmd
}

func (a *app) runExec(ctx context.Context, req execRequest) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	// The weakest fence: in namespaces of its own a container or a mount of the program's would be lost.
	return a.runStage(ctx, stageRun{jobs: ws.JobsDir(), name: "exec", request: req, fences: []proc.Fence{proc.FenceReaper}})
}

// stageExec is the job of nosa exec.
func stageExec(ctx context.Context, w *worker) error {
	var req execRequest
	if err := w.request(&req); err != nil {
		return err
	}
	title := cmp.Or(req.Title, strings.Join(req.Argv, " "))
	w.journal.Emit(event.Event{Kind: event.Plan, Step: execStep, Title: event.Clean(title)})
	w.journal.Emit(event.Event{Kind: event.Step, Step: execStep, State: event.Run})
	err := proc.Run(ctx, proc.Cmd{
		Args: req.Argv, Dir: w.workspace(), Whole: execEnv(os.Environ(), w.workspace(), w.info.ID),
		Line: w.reporter(execStep).Line, Linger: time.Second,
	})
	if err != nil {
		return &builder.StepError{Step: execStep, Err: err}
	}
	w.journal.Emit(event.Event{Kind: event.Step, Step: execStep, State: event.Done, MS: w.app.now().Sub(w.started).Milliseconds()})
	return nil
}

// execEnv is the environment of a user's program: the user's, without what is between nosa and its worker.
func execEnv(environ []string, workspace string, id job.ID) []string {
	env := slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		key, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{tokenKey, "NOSA_FENCE", "NOSA_JOB", "PWD"}, key)
	})
	return append(env, "NOSA_WORKSPACE="+workspace, "NOSA_JOB="+string(id), "PWD="+workspace)
}
