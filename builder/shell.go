package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/proc"
)

// ShellStep is the step of a shell's job whose beginning says that the terminal is the program's.
const ShellStep = "shell"

// ShellRequest asks for a program in a tree: of a build, or of one that failed.
type ShellRequest struct {
	Build  string   `json:"build,omitempty"`  // id
	Failed string   `json:"failed,omitempty"` // id of the job
	Argv   []string `json:"argv,omitempty"`   // none is a shell
	// Terminal says that the program's input and output is a pseudoterminal of its own.
	Terminal bool `json:"terminal,omitempty"`
	NoWait   bool `json:"no_wait,omitempty"`
}

// ShellFiles are the files of the program that Shell runs, and its TERM.
type ShellFiles struct {
	In, Out, Err *os.File
	Term         string
}

// Shell runs a program in the tree of a build, which cannot be changed, or in that of a failed build,
// where changes are lost at the end. There is no network. It gives the program's exit status; an error
// is a program that could not be run.
//
// Locks are held only while the tree is made, so that builds can go on beside a shell.
func Shell(ctx context.Context, env *Env, req ShellRequest, files ShellFiles) (int, error) {
	env.NoWait = req.NoWait
	if err := tool.Require("bwrap", "ostree"); err != nil {
		return 0, err
	}
	if err := env.probe(ctx); err != nil {
		return 0, err
	}
	release, err := env.Open(ctx)
	if err != nil {
		return 0, err
	}
	code, err := runShell(ctx, env, req, files)
	return code, errors.Join(err, release())
}

func runShell(ctx context.Context, env *Env, req ShellRequest, files ShellFiles) (int, error) {
	open := openBuildTree
	if req.Failed != "" {
		open = openFailedTree
	}
	box, err := open(ctx, env, req)
	if err != nil {
		return 0, err
	}
	box.Shim = env.Shim
	a := proc.Attached{Args: req.Argv, In: files.In, Out: files.Out, Err: files.Err, Env: []string{"TERM=" + cmp.Or(files.Term, "dumb")}}
	if len(a.Args) == 0 {
		name := cmp.Or(req.Build, "failed")
		a.Args = shellIn(box.Root)
		a.Env = append(a.Env, "PS1=[nosa "+name+"]$ ", "HISTFILE=")
	}
	env.Sink.Emit(event.Event{Kind: event.Step, Step: ShellStep, State: event.Run})
	if req.Terminal {
		err = box.AttachTerminal(ctx, a)
	} else {
		err = box.Attach(ctx, a)
	}
	if exit, ok := errors.AsType[*proc.ExitError](err); ok {
		if exit.Signal != 0 {
			return 128 + int(exit.Signal), nil
		}
		return exit.Code, nil
	}
	return 0, err
}

// shellIn gives the shell of a tree: bash without files of the user, or what /bin/sh is.
func shellIn(root string) []string {
	if info, err := os.Stat(filepath.Join(root, "usr/bin/bash")); err == nil && info.Mode().IsRegular() {
		return []string{"bash", "--noprofile", "--norc"}
	}
	return []string{"sh"}
}

// openBuildTree shows the tree of a build's commit as a running system has it, read-only, with /var
// and root's home empty.
//
// The files are hard links to the cache's objects: a view of the packages' tree would not be the
// commit, and copies would cost as much space and time as the system has.
func openBuildTree(ctx context.Context, env *Env, req ShellRequest) (sandbox.Sandbox, error) {
	builds, err := UseBuilds(ctx, env)
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	defer func() { _ = builds.Close() }()
	meta, err := workspace.ReadMeta(env.WS.BuildDir(req.Build, env.Arch.Name))
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	t, repo, err := env.commitTree(ctx, meta)
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	root, home := env.Work("tree"), env.Work("home")
	done, err := repo.Export(ctx, t, root)
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	if done.Foreign > 0 {
		env.Reporter(ShellStep).Info(fmt.Sprintf("%s with owners that cannot be had here are shown as the caller's", count(done.Foreign, "file", "files")))
	}
	box := sandbox.Sandbox{Root: root, Mode: sandbox.ReadOnly, Tmpfs: []string{"/var", "/var/tmp"}, Proc: env.Proc}
	if e, ok := t.Lookup("/root"); ok && e.IsSymlink() {
		if err := os.Mkdir(home, 0o700); err != nil {
			return box, fmt.Errorf("making root's home: %w", err)
		}
		box.Binds = append(box.Binds, sandbox.Bind{Source: home, Target: filepath.Join("/", e.Target), Writable: true})
	}
	return box, nil
}

// openFailedTree shows the tree that a build has left as the programs of the failed step saw it, with
// the script that failed in its place. What is changed there is not kept: the evidence stays.
func openFailedTree(_ context.Context, env *Env, req ShellRequest) (sandbox.Sandbox, error) {
	record, err := readFailed(env.WS, req.Failed)
	if err != nil {
		return sandbox.Sandbox{}, err
	}
	if err := env.holdFailed(req.Failed); err != nil {
		return sandbox.Sandbox{}, err
	}
	kept := failedDir(env.WS, req.Failed, record.part())
	lowers := []string{kept}
	if !record.Copied {
		c := treeOf(env, record.Tree)
		if _, ok := c.record(); !ok {
			return sandbox.Sandbox{}, hint(fmt.Errorf("the packages' tree that %s worked on is no longer in the cache", req.Failed), "build again")
		}
		c.use(env.Now())
		lowers = append(lowers, c.dir)
	}
	if env.Fence == proc.FenceReaper {
		return sandbox.Sandbox{}, fmt.Errorf("viewing the failed tree: %w", errNoMounts)
	}
	view, err := sandbox.OpenLayers(env.Work("view"), lowers...)
	if err == nil {
		err = view.Copied
	}
	if err != nil {
		return sandbox.Sandbox{}, fmt.Errorf("viewing the failed tree: %w", err)
	}
	env.closing = append(env.closing, view.Close)
	box, what, err := record.sandbox(env, view.Root)
	if err == nil && len(req.Argv) == 0 {
		r := env.Reporter(ShellStep)
		r.Info(record.Step + " failed here: " + record.Error)
		r.Info(what)
	}
	return box, err
}

// holdFailed keeps the tree of a failed job from being removed until the stage ends.
func (e *Env) holdFailed(job string) error {
	l, err := lock.Open(failedDir(e.WS, job, failedLockFile))
	if err != nil {
		return err
	}
	e.closing = append(e.closing, l.Close)
	return l.Try(lock.Shared, 0)
}

// sandbox is the one of the failed step's programs, in a view of its tree, with a word on what is there.
func (f FailedTree) sandbox(env *Env, root string) (sandbox.Sandbox, string, error) {
	t := tree.Tree{Root: root, Epoch: f.Epoch, Proc: env.Proc}
	const lost = "what is changed here is lost at the end"
	if f.Script == nil {
		return t.Sandbox(), lost, nil
	}
	dir := env.Work("script")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return sandbox.Sandbox{}, "", fmt.Errorf("preparing the script: %w", err)
	}
	name, box, err := t.Stage(*f.Script, dir)
	return box, f.Script.Title + " is " + name + "; " + lost, err
}
