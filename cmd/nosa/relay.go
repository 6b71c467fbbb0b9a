package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// relayed is a command that is no job, or more than one, and needs programs: where those are in a container, the
// whole command line is called there.
type relayed struct {
	stage string // whose programs it needs
	// when says if this command line is one to be relayed; nil is always.
	when func(cmd *cobra.Command) bool
	// reads and writes are the flags that name files.
	reads, writes []string
	words         bool // its words name files to read, too
	mapped        bool // only where files can have mapped ids: with a rootless engine
	talks         bool // with a person: it gets the terminal
}

// relays are the relayed commands by name.
func relays() map[string]relayed {
	return map[string]relayed{
		"run": {
			stage: "run", talks: true, words: true,
			reads:  []string{"bind-ro", "butane", "ignition", "netboot", "netboot-dir", "qemu-image", "qemu-iso"},
			writes: []string{"bind-rw", "console-to-file"},
		},
		"watch": {
			stage: "run", reads: []string{"butane", "ignition"},
			when: func(cmd *cobra.Command) bool { return cmd.Flags().Changed("boot") },
		},
		"blame": {stage: "build"},
		"clean": {stage: "clean", mapped: true},
		"prune": {stage: "prune", mapped: true},
	}
}

// takeRelays makes the relayed commands of root go to the container where programs are there.
func (a *app) takeRelays(root *cobra.Command) {
	for name, r := range relays() {
		cmd, _, err := root.Find([]string{name})
		if err != nil {
			continue
		}
		here := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, words []string) error {
			if insideContainer() || r.when != nil && !r.when(cmd) {
				return here(cmd, words)
			}
			where, err := a.where(cmd.Context(), r.stage)
			if err != nil {
				return err
			}
			if where.inContainer == nil || r.mapped && !where.engine.Rootless {
				return here(cmd, words)
			}
			binds, err := r.binds(cmd, words)
			if err != nil {
				return err
			}
			return a.relay(cmd.Context(), *where.inContainer, r, binds)
		}
	}
}

// binds are the files that a command line names.
func (r relayed) binds(cmd *cobra.Command, words []string) ([]backend.Mount, error) {
	var binds []backend.Mount
	add := func(path string, write bool) error {
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("finding %s: %w", path, err)
		}
		if _, err := os.Stat(abs); errors.Is(err, fs.ErrNotExist) && write {
			abs = filepath.Dir(abs) // it is made
		}
		if !isThere(abs) {
			return nil // the command says what it misses
		}
		binds = append(binds, backend.Mount{Source: abs, Target: abs, ReadOnly: !write})
		return nil
	}
	var err error
	for write, names := range map[bool][]string{false: r.reads, true: r.writes} {
		for _, name := range names {
			for _, path := range flagPaths(cmd, name) {
				err = errors.Join(err, add(path, write))
			}
		}
	}
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		words = words[:at]
	}
	if r.words {
		for _, path := range words {
			err = errors.Join(err, add(path, false))
		}
	}
	return binds, err
}

// relay calls this process's command line in a container, with its input, output and terminal, and ends with its code.
func (a *app) relay(ctx context.Context, c inContainer, r relayed, binds []backend.Mount) error {
	run, held, err := a.newRelay(ctx, binds)
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	in := int(os.Stdin.Fd())
	onTerminal := term.IsTerminal(in)
	run.tty = r.talks && onTerminal && term.IsTerminal(int(os.Stdout.Fd()))
	// A terminal that is not the command's own is left alone: who reads it in the background is stopped.
	run.stdin = run.tty || r.talks && !onTerminal
	cmd, err := c.command(run)
	if err != nil {
		return errors.Join(err, os.RemoveAll(run.dir))
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if run.stdin {
		cmd.Stdin = os.Stdin
	}
	if !run.tty {
		cmd.SysProcAttr = ownGroupOnly()
	} else if before, err := term.GetState(in); err == nil {
		defer func() { _ = term.Restore(in, before) }() // a client that is killed leaves it raw
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting %s: %w", c.engine.Kind, err), os.RemoveAll(run.dir))
	}
	c.reapSoon(run.root)
	code := a.awaitRelay(ctx, c, run, cmd)
	if code == exitOK {
		return nil
	}
	return toldAlready{code}
}

// relayPoll is how often it is looked if a command ended whose container goes on.
const relayPoll = 50 * time.Millisecond

// relayDrain is how long the last words of such a command may take through the engine.
const relayDrain = 300 * time.Millisecond

// awaitRelay waits for the end of the command, not of what it left, and gives its code.
func (a *app) awaitRelay(ctx context.Context, c inContainer, r containerRun, cmd *exec.Cmd) int {
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	poll := time.NewTicker(relayPoll)
	defer poll.Stop()
	done := ctx.Done()
	for {
		select {
		case <-exited:
			if code, left := r.ended(); left && r.alive() {
				return code
			}
			if r.orphaned(cmd.ProcessState) {
				_ = c.kill(r)
			}
			_ = os.RemoveAll(r.dir)
			if code := cmd.ProcessState.ExitCode(); code >= 0 {
				return code
			}
			return exitFailed
		case <-done:
			done = nil
			_ = cmd.Process.Signal(terminate) // which the client passes on
		case <-a.again:
			_ = c.kill(r)
		case <-poll.C:
			if code, left := r.ended(); left {
				select {
				case <-exited:
				case <-time.After(relayDrain):
				}
				_ = cmd.Process.Kill() // the client alone: machines live on in the container
				<-exited
				return code
			}
		}
	}
}

// ended reads how the command ended, if it left machines.
func (r containerRun) ended() (int, bool) {
	data, err := os.ReadFile(filepath.Join(r.dir, containerEndedFile))
	if err != nil {
		return 0, false
	}
	var e commandEnded
	if json.Unmarshal(data, &e) != nil {
		return exitFailed, true
	}
	return e.Code, true
}

// newRelay makes the directory of a relay, with its lock held.
func (a *app) newRelay(ctx context.Context, binds []backend.Mount) (containerRun, *lock.File, error) {
	name, err := containerName()
	if err != nil {
		return containerRun{}, nil, err
	}
	r := containerRun{name: name, pass: a.flags.pass, binds: binds}
	r.env = []string{"NOSA_USER=" + a.userName(ctx)}
	var base string
	ws, err := openWorkspace(a.flags.dir)
	if err == nil {
		if r.root, err = filepath.Abs(a.flags.dir); err != nil {
			return r, nil, fmt.Errorf("finding the workspace: %w", err)
		}
		base = ws.RelayDir()
	} else { // machines that belong to no workspace
		vms, loose := looseDir()
		if loose != nil {
			return r, nil, loose
		}
		r.root = filepath.Dir(vms)
		base = filepath.Join(r.root, "relay")
		r.env = append(r.env, "XDG_RUNTIME_DIR="+filepath.Dir(r.root))
	}
	if base, err = filepath.Abs(base); err != nil {
		return r, nil, fmt.Errorf("finding the workspace: %w", err)
	}
	if err := share.MkdirAll(base); err != nil {
		return r, nil, fmt.Errorf("starting a container: %w", err)
	}
	sweepRelays(base)
	r.dir = filepath.Join(base, r.name)
	if err := share.MkdirKept(r.dir); err != nil {
		return r, nil, fmt.Errorf("starting a container: %w", err)
	}
	l, err := lock.Open(filepath.Join(r.dir, "lock"))
	if err == nil {
		err = l.Try(lock.Exclusive, job.HostByte)
	}
	if err != nil {
		return r, nil, fmt.Errorf("starting a container: %w", err)
	}
	if r.request.Dir, err = os.Getwd(); err != nil {
		return r, nil, fmt.Errorf("finding the working directory: %w", err)
	}
	r.request.Argv = os.Args[1:]
	return r, l, nil
}

// sweepRelays removes the directories of relays that are over.
func sweepRelays(base string) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		dir := filepath.Join(base, e.Name())
		if info, err := e.Info(); err != nil || time.Since(info.ModTime()) < relayYoung || neededLock(filepath.Join(dir, "lock")) {
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

// relayYoung is the age in which a directory may be without its lock yet.
const relayYoung = time.Minute

// terminate asks a command to end.
const terminate = syscall.SIGTERM

// flagPaths are the files that a flag names: its values, without what SRC,DEST says about the guest.
func flagPaths(cmd *cobra.Command, name string) []string {
	flag := cmd.Flags().Lookup(name)
	if flag == nil || !flag.Changed {
		return nil
	}
	values := []string{flag.Value.String()}
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		values = list.GetSlice()
	}
	for i, v := range values {
		if name == "bind-ro" || name == "bind-rw" {
			values[i], _, _ = strings.Cut(v, ",")
		}
	}
	return values
}
