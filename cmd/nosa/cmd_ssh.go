package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/vm"
	serial "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// guestOptions is how one gets into a running machine.
type guestOptions struct {
	tty, raw bool
	timeout  time.Duration
}

func newSSHCommand(a *app) *cobra.Command {
	var o guestOptions
	cmd := &cobra.Command{
		Use:     "ssh [ID] [-- COMMAND…]",
		Short:   "Open a shell in a machine, or run a command there",
		GroupID: groupVM,
		Long: `Log into a machine that nosa run started, with the key that was made for it. ID is
what nosa vms prints, the beginning or end of it, or the name of a kept disk; it
can be left out when only one machine runs. A machine that still boots is waited
for, and one that reboots too.

  nosa ssh                         a shell
  nosa ssh -- uptime               a command, with its exit code
  nosa ssh -- 'journalctl | tail'  one word is read by the guest's shell,
  nosa ssh -- touch 'a b'          several are the words of the command as they are
  nosa ssh -- tar c /etc >etc.tar  its input and output are the caller's

In a shell ~. at the beginning of a line cuts the connection. What the guest
prints is not trusted: only colours, cursor movements and the like reach the
terminal; --raw lets everything through.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitMissing, exitCancelled) +
			"\n\nElse it is the code of the program that ran; 255 when a signal ended it.",
		ValidArgsFunction: a.completeVMs,
		RunE: func(cmd *cobra.Command, list []string) error {
			if err := a.refuseJSON(); err != nil {
				return err
			}
			id, argv, err := sshWords(cmd, list)
			if err != nil {
				return err
			}
			return a.ssh(cmd.Context(), id, sshCommand(argv), o)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // the flags behind the first word are the command's
	f.BoolVarP(&o.tty, "tty", "t", false, "give a command a terminal, as a shell has one")
	o.add(cmd)
	return cmd
}

func (o *guestOptions) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.raw, "raw", false, "let the guest's terminal sequences through unfiltered")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "give up when the guest does not answer in `TIME` (default: by the accelerator)")
}

// sshWords tells the machine from the command.
func sshWords(cmd *cobra.Command, list []string) (id string, argv []string, err error) {
	if cmd.ArgsLenAtDash() == 0 || len(list) == 0 {
		return "", list, nil
	}
	id, argv = list[0], list[1:]
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if strings.HasPrefix(id, "-") || id == "" {
		return "", nil, seeHelp(cmd, fmt.Errorf("%q: want a machine's ID", id))
	}
	return id, argv, nil
}

// sshCommand is what the guest's shell gets: one word as it is, several so that
// they stay what they are.
func sshCommand(argv []string) string {
	if len(argv) == 1 {
		return argv[0]
	}
	return guest.CommandLine(argv)
}

// ssh is a shell or a command in a machine.
func (a *app) ssh(ctx context.Context, id, command string, o guestOptions) error {
	g, err := a.openGuest(ctx, id, o)
	if err != nil {
		if command == "" && errors.Is(err, machine.ErrNotFound) {
			err = hinted{err, "nosa vms lists them; for a command in the only machine: nosa ssh -- " + id}
		}
		return err
	}
	defer g.close()
	session := g.session(command)
	if o.tty {
		session.TTY = guest.WithTTY
	}
	end, err := session.Run(ctx)
	g.line.clear()
	switch {
	case err != nil:
		return g.explain(err)
	case end.How == guest.MachineGone:
		a.note(fmt.Sprintf("machine %s ended", g.entry.ID))
		return nil
	case end.How == guest.Left || end.Code == 0:
		return nil
	}
	return guestEnded{end.Code}
}

// inGuest is a running machine that one wants to get into.
type inGuest struct {
	entry  machine.Entry
	client *serial.Client // nil when its hub does not answer
	ssh    guest.SSH
	wait   guest.WaitOptions
	line   *bootLine
	raw    bool
}

// openGuest finds the machine that a word means and the ways into it.
func (a *app) openGuest(ctx context.Context, id string, o guestOptions) (*inGuest, error) {
	e, err := a.findVM(id)
	if err != nil {
		return nil, err
	}
	if e.SSH == nil || e.SSH.Port == 0 {
		return nil, hinted{fmt.Errorf("machine %s has no network that leads into it", e.ID), "nosa console " + string(e.ID)}
	}
	pace := guest.PaceOf(vm.Accel(e.Accel))
	if o.timeout > 0 {
		pace.Boot, pace.Shell, pace.Settle = o.timeout, o.timeout, o.timeout
	}
	g := &inGuest{entry: e, ssh: sshOf(e), line: &bootLine{app: a}, raw: o.raw}
	if g.ssh.Key == "" {
		g.ssh.Agent = os.Getenv("SSH_AUTH_SOCK")
	}
	g.wait = guest.WaitOptions{
		Pace: pace, Progress: g.show,
		Up: e.Resumed || e.Reached == "login" || e.Reached == "multi-user",
	}
	// From power-on, so that it is known how far it is. A hub that does not answer
	// is no reason not to try.
	if g.client, err = serial.Dial(ctx, e.Dir, "nosa", 0); err == nil {
		g.wait.Console = guest.NewConsole(g.client, g.client.Ring(), pace)
	}
	return g, nil
}

// show tells how far the wait is, until there is something else to see. Of a guest
// that is up only a person who waits is told: the error output is the command's.
func (g *inGuest) show(p guest.Progress) {
	if p.Phase != guest.Inside && (p.Phase == guest.Connecting && !g.line.on || g.wait.Up && (p.Since < time.Second || !g.line.app.tty)) {
		return
	}
	g.line.show(p)
}

// session is a shell or a command in the machine.
func (g *inGuest) session(command string) guest.Session {
	s := guest.Session{WaitOptions: g.wait, SSH: g.ssh, Command: command, Terminal: g.terminal()}
	if g.client == nil {
		return s
	}
	resets := make(chan struct{}, 1)
	go func() { // until the client is closed
		for raw := range g.client.Events() {
			if e, err := event.Parse(raw); err == nil && vm.ResetOutside(e) {
				select {
				case resets <- struct{}{}:
				default:
				}
			}
		}
	}()
	s.Reset = resets
	return s
}

func (g *inGuest) terminal() guest.Terminal {
	return guest.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Term: os.Getenv("TERM"), Raw: g.raw}
}

func (g *inGuest) close() {
	if g.client != nil {
		_ = g.client.Close()
	}
}

// explain adds the next step to a guest that one cannot get into.
func (g *inGuest) explain(err error) error {
	id := string(g.entry.ID)
	failure, ok := errors.AsType[*guest.SSHError](err)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, errInterrupted):
		return err
	case ok && failure.Failure == guest.HostKey:
		return hinted{err, "if the guest made its host keys anew, remove " + g.ssh.KnownHosts}
	case ok && failure.Failure == guest.Broken:
		return hinted{err, "nosa console " + id + " shows what the guest does"}
	}
	return hinted{err, "nosa console " + id + " leads in without a network; nosa run --devshell-console is there from power-on"}
}

func newCopyCommand(a *app) *cobra.Command {
	var o guestOptions
	var recursive bool
	cmd := &cobra.Command{
		Use:     "cp [-r] SOURCE… TARGET",
		Short:   "Copy files to or from a running machine",
		GroupID: groupVM,
		Args:    words(2, 1000),
		Long: `Copy files between here and a machine that nosa run started. ID:PATH is a file in
the machine, :PATH in the only one that runs; a PATH without / in front is one of
the user's home directory, and so is ~/PATH. A file here whose name has a colon is
written ./NAME.

  nosa cp build.log :            to the home directory
  nosa cp -r :/etc 'my copy'     a directory from there

The user is nest, who may not write everywhere; nosa ssh -- sudo … can.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitMissing, exitCancelled) +
			"\n\nElse it is the code of scp.",
		RunE: func(cmd *cobra.Command, list []string) error {
			id, files, err := copyWords(list)
			if err != nil {
				return seeHelp(cmd, err)
			}
			last := len(files) - 1
			return a.copy(cmd.Context(), id, guest.Copy{Recursive: recursive, Sources: files[:last], Target: files[last]}, o)
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "copy directories with what is in them")
	o.add(cmd)
	return cmd
}

// copyWords reads the files of nosa cp; they are of one machine.
func copyWords(list []string) (id string, files []guest.File, err error) {
	var ids []string
	for _, word := range list {
		colon, slash := strings.IndexByte(word, ':'), strings.IndexByte(word, '/')
		if colon < 0 || slash >= 0 && slash < colon {
			if word == "" {
				return "", nil, errors.New("want the name of a file, not an empty word")
			}
			files = append(files, guest.File{Path: word})
			continue
		}
		ids = append(ids, word[:colon])
		files = append(files, guest.File{Remote: true, Path: word[colon+1:]})
	}
	last := files[len(files)-1]
	switch {
	case len(ids) == 0:
		return "", nil, errors.New("none of these is in a machine: write ID:PATH, or :PATH for the only one")
	case last.Remote && len(ids) > 1 || !last.Remote && len(ids) < len(files)-1:
		return "", nil, errors.New("want files of one machine on one side, and of this one on the other")
	}
	for _, other := range ids[1:] {
		if other != ids[0] {
			return "", nil, fmt.Errorf("want files of one machine, not of %s and %s", ids[0], other)
		}
	}
	return ids[0], files, nil
}

// copy runs scp.
func (a *app) copy(ctx context.Context, id string, c guest.Copy, o guestOptions) error {
	g, err := a.openGuest(ctx, id, o)
	if err != nil {
		return err
	}
	defer g.close()
	err = g.ssh.Wait(ctx, g.wait)
	g.line.clear()
	if err != nil {
		return g.explain(err)
	}
	t := g.terminal()
	if a.flags.quiet || a.flags.output == "json" {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("copying: %w", err)
		}
		defer null.Close()
		t.Out = null
	}
	code, err := g.ssh.Copy(ctx, c, t)
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	if code != 0 {
		return guestEnded{code}
	}
	return nil
}
