package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/workspace/machine"
)

func newRunCommand(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:     "run [FILE.qcow2] [-- QEMU ARGUMENTS…]",
		Short:   "Boot a build and be in it",
		GroupID: groupVM,
		Long: `Boot an image of a build in QEMU, and be in it: over SSH as user nest, who may
become root with sudo. The image is never written to: what the machine changes
goes away with it, unless --keep NAME keeps it.

  nosa run                   a shell over SSH; leaving it ends the machine
  nosa run -x 'rpm -qa'      one command, with its exit status
  nosa run -c                the serial console from power-on
  nosa run -d                in the background; nosa console, ssh, stop go on
  nosa run --live            the live ISO; live-pxe is its files over the network

On the console Ctrl-] leaves the machine running (nosa console comes back), and
Ctrl-A X ends it. Any number of people can be on the console of one machine.

A config given with -i or -B is merged with a throw-away one: a key made for this
machine, nest logged in on the consoles. A machine that was started with nothing
that the first boot would do differently is resumed where an earlier one of the
same build had its prompt, in about a second; --cold boots.

A live system is told the same by what its ISO has room for, or over HTTP; a config
that the ISO has already is merged where none is given. It gets 4096 MiB: all that
it writes is in memory, and its root filesystem too where that comes over the
network. An ISO without such room is one to look at: -c.

Without KVM QEMU emulates, which is slower: the timeouts know.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitConfig, exitNoWorkspace, exitMissing, exitCancelled) +
			"\n\nWith -x, and at the end of the shell, it is that program's exit status.",
		RunE: func(cmd *cobra.Command, list []string) error {
			words := list
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				words, o.extra = list[:at], list[at:]
			}
			if err := words1(cmd, words, &o); err != nil {
				return err
			}
			if err := o.check(); err != nil {
				return usageError{err}
			}
			return a.run(cmd.Context(), o)
		},
	}
	o.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	completeWith(cmd, "artifact", bootable())
	return cmd
}

// words1 takes the image's file, which may stand alone.
func words1(cmd *cobra.Command, words []string, o *runOptions) error {
	switch {
	case len(words) == 0:
		return nil
	case len(words) > 1:
		return seeHelp(cmd, fmt.Errorf("unexpected word %q", words[1]))
	case o.image != "" || cmd.Flags().Changed("build"):
		return seeHelp(cmd, fmt.Errorf("%s: the image is named already", words[0]))
	}
	o.image = words[0]
	return nil
}

// mode is what nosa run does once the machine runs.
type mode int

const (
	modeSSH mode = iota
	modeExec
	modeConsole
	modeDetach
)

// mode is what the flags ask for; a shell wants a terminal.
func (o *runOptions) mode() (mode, error) {
	switch {
	case o.detach:
		return modeDetach, nil
	case o.console:
		return modeConsole, nil
	case o.exec != "":
		return modeExec, nil
	case !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())):
		return modeSSH, usageError{errors.New("a shell in the machine wants a terminal, and this is none: use -x COMMAND, -c for the console, or -d for the background")}
	}
	return modeSSH, nil
}

// ownVM is a machine that this command started.
type ownVM struct {
	dir   string
	info  machine.Info
	user  string // who logs in
	leash *hubProcess
	left  bool // it lives on without this command
}

// run starts a machine and does with it what the flags say.
func (a *app) run(ctx context.Context, o runOptions) error {
	how, err := o.mode()
	if err != nil {
		return err
	}
	p, err := a.prepareRun(ctx, o)
	if err != nil {
		return err
	}
	s, err := p.start(ctx, how)
	if s != nil {
		defer s.end()
	}
	if err != nil {
		return err
	}
	switch how {
	case modeDetach:
		return a.leave(ctx, s)
	case modeConsole:
		return a.runConsole(ctx, s, o)
	}
	return p.silentKVM(ctx, a.runShellIn(ctx, s, o))
}

// silentKVM makes of a guest under KVM that printed nothing more the next step:
// KVM is not trusted again until this host boots anew.
func (p *runPlan) silentKVM(ctx context.Context, err error) error {
	trouble, ok := errors.AsType[*guest.BootError](err)
	if !ok || trouble.Trouble != guest.Silence || p.choice.Accel != vm.KVM {
		return err
	}
	reason := fmt.Sprintf("a KVM guest printed nothing for %s", guest.PaceOf(vm.KVM).Silence)
	if lost := p.prober.Distrust(ctx, p.req.Spec, reason); lost != nil {
		return errors.Join(err, lost)
	}
	return hinted{err, "nosa run again: it emulates from now on, which is slower and works (until this host boots anew)"}
}

// end ends the machine, unless it was left, and returns when nothing of it runs.
func (s *ownVM) end() {
	if s.left {
		_ = s.leash.Close()
		return
	}
	_ = s.leash.end() // what it was killed for is the error of those who used it
}

// leave lets the machine live on and says how to come back.
func (a *app) leave(ctx context.Context, s *ownVM) error {
	if err := s.disown(ctx); err != nil {
		return err
	}
	e, err := machine.Look(s.dir)
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		return a.answer(e.Info, "")
	}
	fmt.Fprintln(a.stdout, e.ID)
	a.note(fmt.Sprintf("machine %s runs; nosa console, nosa ssh, nosa stop", e.ID))
	return nil
}

// vmsDir is where the machines of the workspace live, or, outside of one, the
// user's own.
func (a *app) vmsDir() (string, error) {
	ws, err := openWorkspace(a.flags.dir)
	if err == nil {
		return ws.VMsDir(), nil
	}
	dir := filepath.Join(looseBase(), "nosa", "vms")
	if _, none := os.Stat(dir); none != nil {
		return "", err
	}
	return dir, ownDir(looseBase())
}

// looseBase is the user's own directory for what goes away with the host's boot.
func looseBase() string {
	if base := os.Getenv("XDG_RUNTIME_DIR"); base != "" {
		return base
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("nosa-%d", os.Getuid()))
}

// looseDir makes the place where machines live that belong to no workspace.
func looseDir() (string, error) {
	base := looseBase()
	err := os.Mkdir(base, 0o700)
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = ownDir(base)
	}
	dir := filepath.Join(base, "nosa", "vms")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("a place for machines: %w", err)
	}
	return dir, nil
}

// ownDir refuses a directory, as one in /tmp, that another user made or can
// write to: keys lie below it.
func ownDir(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if int(st.Uid) != os.Getuid() || st.Mode&(unix.S_IFMT|0o022) != unix.S_IFDIR {
		return fmt.Errorf("%s belongs to another user or can be written to by others", dir)
	}
	return nil
}

// note tells a person something beside the result.
func (a *app) note(text string) {
	if !a.flags.quiet {
		fmt.Fprintln(a.stderr, strings.TrimRight(text, "\n"))
	}
}
