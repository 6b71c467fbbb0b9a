package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

// shellStage is what nosa shell is as a stage.
const shellStage = "shell"

func newShellCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "shell [BUILD] [-- COMMAND…]",
		Short:   "Open a shell in the tree of a build, or where nosa runs",
		GroupID: groupLook,
		Long: `With BUILD, an ID or a tag or "latest": a shell in the tree of that build's
commit, as a system that runs it would have it: /etc in its place, owners and
modes right, nothing to be changed, /var and /tmp empty and lost at the end, no
network. Builds can go on beside it.

Without BUILD: a shell with nosa's own surroundings (in the container, where nosa
runs in one).

COMMAND runs instead of a shell and gives its exit code; its input and output may
be pipes:

  nosa shell latest -- rpm -qa | wc -l
  nosa shell latest -- cat /etc/os-release

The first word that names no build is a command too, as with the original.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitLocked, exitMissing) +
			"\n\nElse it is the code of the program that ran.",
		RunE: func(cmd *cobra.Command, list []string) error { return a.runShell(cmd.Context(), shellWords(cmd, list)) },
	}
	cmd.Flags().SetInterspersed(false) // the flags behind the first word are the command's
	cmd.ValidArgsFunction = func(cmd *cobra.Command, list []string, start string) ([]string, cobra.ShellCompDirective) {
		if len(list) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return a.completeBuilds(cmd, list, start)
	}
	return cmd
}

// shellLine is what the words of nosa shell ask for.
type shellLine struct {
	build string   // "" is none
	argv  []string // none is a shell
	sure  bool     // build cannot be the start of a command
}

// shellWords tells the build from the command.
func shellWords(cmd *cobra.Command, list []string) shellLine {
	if cmd.ArgsLenAtDash() == 0 || len(list) == 0 {
		return shellLine{argv: list}
	}
	line := shellLine{build: list[0], argv: list[1:]}
	if len(line.argv) > 0 && line.argv[0] == "--" {
		line.argv, line.sure = line.argv[1:], true
	}
	return line
}

func (a *app) runShell(ctx context.Context, line shellLine) error {
	if err := a.refuseJSON(); err != nil {
		return err
	}
	if line.build == "" {
		return a.plainShell(ctx, line.argv)
	}
	req, err := a.shellRequest(line)
	if err == nil {
		return a.inTree(ctx, req)
	}
	if _, missing := exec.LookPath(line.build); line.sure || missing != nil || !errors.Is(err, workspace.ErrNoBuild) && !errors.Is(err, workspace.ErrNoWorkspace) {
		return err
	}
	return a.plainShell(ctx, append([]string{line.build}, line.argv...))
}

func (a *app) refuseJSON() error {
	if a.flags.output != "json" {
		return nil
	}
	return usageError{errors.New("--output json: what a shell or a program prints is not nosa's")}
}

// shellOfJob runs a program in the tree that a failed build has left.
func (a *app) shellOfJob(ctx context.Context, id string, argv []string) error {
	if err := a.refuseJSON(); err != nil {
		return err
	}
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	st, err := job.Find(ws.JobsDir(), id)
	if err != nil {
		return err
	}
	return a.inTree(ctx, builder.ShellRequest{Failed: string(st.Info.ID), Argv: argv})
}

func (a *app) shellRequest(line shellLine) (builder.ShellRequest, error) {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return builder.ShellRequest{}, err
	}
	arch, err := workspace.HostArch()
	if err != nil {
		return builder.ShellRequest{}, err
	}
	id, err := ws.Resolve(line.build, arch.Name)
	return builder.ShellRequest{Build: id, Argv: line.argv}, err
}

// inTree runs a program in a tree, as a job of which this process is the terminal.
func (a *app) inTree(ctx context.Context, req builder.ShellRequest) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	c, err := openConsole()
	if err != nil {
		return err
	}
	defer c.close()
	req.Terminal, req.NoWait = c.hasTerminal(), a.flags.noWait
	return a.runStage(ctx, stageRun{jobs: ws.JobsDir(), name: shellStage, request: req, console: c})
}

// stageShell is the job of nosa shell and of nosa jobs --shell.
func stageShell(ctx context.Context, w *worker) error {
	var req builder.ShellRequest
	if err := w.request(&req); err != nil {
		return err
	}
	env, err := w.env()
	if err != nil {
		return err
	}
	code, err := builder.Shell(ctx, env, req, builder.ShellFiles{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Term: os.Getenv("TERM")})
	if err == nil && code != 0 {
		return programEnded{code}
	}
	return err
}

// programEnded is a job that did what it was asked for, which was to run a program: its exit code is
// that of the program.
type programEnded struct{ code int }

func (e programEnded) Error() string { return fmt.Sprintf("the program ended with code %d", e.code) }

// plainShell becomes a shell, or a command, in the workspace's directory with the surroundings in which builds run.
func (a *app) plainShell(ctx context.Context, argv []string) error {
	where, err := a.where(ctx, shellStage)
	if err != nil {
		return err
	}
	if where.inContainer != nil {
		return a.relay(ctx, *where.inContainer, relayed{talks: true}, nil)
	}
	env := os.Environ()
	if len(argv) == 0 {
		argv = []string{"bash", "--norc"}
		if _, err := exec.LookPath(argv[0]); err != nil {
			argv = []string{"sh"}
		}
		env = append(env, "PS1=[nosa]$ ")
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return hinted{fmt.Errorf("neither a build nor a program: %w", err), "nosa list names the builds"}
	}
	if err := os.Chdir(a.flags.dir); err != nil {
		return fmt.Errorf("going to the workspace: %w", err)
	}
	return fmt.Errorf("starting %s: %w", argv[0], syscall.Exec(path, argv, env))
}
