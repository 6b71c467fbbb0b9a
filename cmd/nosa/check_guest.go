package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/kola"
)

// testMachine is a machine that tests run on.
type testMachine struct {
	vm   *vm.Machine
	ssh  guest.SSH
	pace guest.Pace
	log  string // what its console prints
}

func (m *testMachine) console() *guest.Console { return guest.NewConsole(m.vm, m.vm.Serial(), m.pace) }

// up waits until one gets in; a machine into which nobody does is ended.
func (m *testMachine) up(ctx context.Context, resumed bool) (*testMachine, error) { //nolint:revive // resumed is a fact of the machine
	if err := m.wait(ctx, guest.WaitOptions{Up: resumed}); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Wait waits until the guest lets us in again.
func (m *testMachine) Wait(ctx context.Context) error { return m.wait(ctx, guest.WaitOptions{}) }

// wait waits for sshd, and then until it lets somebody in who is not root: not
// before the system is up.
func (m *testMachine) wait(ctx context.Context, o guest.WaitOptions) error {
	o.Pace, o.Console = m.pace, m.console()
	for start := time.Now(); ; {
		if err := m.ssh.Wait(ctx, o); err != nil {
			return err
		}
		_, err := m.ssh.Run(ctx, "true")
		if err == nil {
			return nil
		}
		if _, refused := errors.AsType[*guest.SSHError](err); !refused || time.Since(start) > m.pace.Settle {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// Run runs a script as root.
func (m *testMachine) Run(ctx context.Context, script string) (guest.Output, error) {
	return kola.Root(m.ssh).Run(ctx, script)
}

// Console gives what the console printed.
func (m *testMachine) Console() []byte {
	data, err := os.ReadFile(m.log)
	if err != nil {
		return nil // then there is nothing to be seen on it
	}
	return data
}

// Close ends the machine.
func (m *testMachine) Close() error { return m.vm.Stop() }
