package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/vm"
	serial "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

func newConsoleCommand(a *app) *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:     "console [ID]",
		Short:   "Attach to a machine's serial console",
		GroupID: groupVM,
		Args:    words(0, 1),
		Long: `Attach to the serial console of a machine that nosa run started. ID is what nosa
vms prints, the beginning or end of it, or the name of a kept disk; it can be left
out when only one machine runs. Others may be attached at the same time.

  Ctrl-]         leave; the machine runs on (Ctrl-5 is the same byte)
  Ctrl-A X       end the machine
  Ctrl-A B       send a break          Ctrl-A Ctrl-A   send Ctrl-A
  Ctrl-A H       these keys

What the guest prints is not trusted: only colours, cursor movements and the like
reach the terminal. --raw lets everything through.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace),
		ValidArgsFunction: a.completeVMs,
		RunE: func(cmd *cobra.Command, list []string) error {
			e, err := a.findVM(strings.Join(list, ""))
			if err != nil {
				return err
			}
			_, err = a.attach(cmd.Context(), e, attachment{from: -serial.History, raw: raw})
			return err
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "let the guest's terminal sequences through unfiltered")
	return cmd
}

// attachment is how one is on a console.
type attachment struct {
	from int64 // as serial.Dial has it
	raw  bool
}

// attach puts this terminal onto a machine's console. It gives how it ended.
func (a *app) attach(ctx context.Context, e machine.Entry, at attachment) (serial.End, error) {
	client, err := dialVM(ctx, e, "nosa console", at.from)
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }()
	end, err := serial.Attach(ctx, client, serial.AttachOptions{In: os.Stdin, Out: os.Stdout, Raw: at.raw, Name: string(e.ID)})
	if err != nil {
		return end, fmt.Errorf("machine %s: %w", e.ID, err)
	}
	switch end {
	case serial.Quit:
		if err := errors.Join(a.endMachine(ctx, e.ID, client), awaitEnd(ctx, e.Dir)); err != nil {
			return end, err
		}
		a.note(fmt.Sprintf("machine %s ended", e.ID))
	case serial.GuestGone:
		return end, a.sayEnd(e, client)
	}
	return end, nil
}

// sayEnd tells how a machine ended; one whose hub or QEMU died is an error.
func (a *app) sayEnd(e machine.Entry, client *serial.Client) error {
	text, err := client.End()
	var how vm.HubEnd
	if err == nil {
		err = json.Unmarshal(text, &how)
	}
	if err != nil || how.Why == "" {
		return fmt.Errorf("machine %s is gone: its hub or QEMU was killed", e.ID)
	}
	if how.Failed {
		return fmt.Errorf("machine %s ended: %s", e.ID, how.Why)
	}
	a.note(fmt.Sprintf("machine %s ended: %s", e.ID, how.Why))
	return nil
}

// runConsole is nosa run -c: on the console from power-on.
func (a *app) runConsole(ctx context.Context, s *ownVM, o runOptions) error {
	e, err := machine.Look(s.dir)
	if err != nil {
		return err
	}
	end, err := a.attach(ctx, e, attachment{raw: o.raw})
	if err == nil && end == serial.Detached {
		return s.disown(context.WithoutCancel(ctx))
	}
	return err
}

// disownWithin is how long a hub may take to let a machine live on.
const disownWithin = 10 * time.Second

// disown lets the machine live on without this command.
func (s *ownVM) disown(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, disownWithin, errors.New("its hub does not answer"))
	defer cancel()
	client, err := serial.Dial(ctx, s.dir, "nosa", -1)
	if err == nil {
		err = errors.Join(client.Do(ctx, serialRequest(vm.OpDisown, nil), nil), client.Close())
	}
	if err != nil {
		return fmt.Errorf("leaving machine %s alone: %w", s.info.ID, err)
	}
	s.left = true
	return nil
}
