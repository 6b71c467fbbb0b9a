package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// swtpm is the program that emulates a TPM.
const swtpm = "swtpm"

// tpmSocket is in the machine's directory.
const tpmSocket = "tpm.sock"

// helper is a program that serves a machine over a socket and dies with it.
type helper struct {
	name   string // for people
	socket string // in the machine's directory; the program gets it listening, as descriptor 3
	args   []string
}

// helpers are the programs that the machine needs beside QEMU.
func (s Spec) helpers() []helper {
	var list []helper
	if s.TPM {
		list = append(list, helper{
			name: "TPM", socket: tpmSocket,
			args: []string{swtpm, "socket", "--tpm2", "--terminate", "--tpmstate", "dir=" + s.TPMState + ",mode=0600", "--ctrl", "type=unixio,fd=3"},
		})
	}
	for i, sh := range s.Shares {
		if sh.Type == Virtiofs {
			list = append(list, helper{name: "sharing " + sh.Source, socket: shareSocket(i), args: append(sh.Daemon.args(sh.Bind), sh.Daemon.quiet()...)})
		}
	}
	return list
}

// helpers are the running programs of a machine.
type helpers struct {
	cancel context.CancelFunc // nil before the start
	all    sync.WaitGroup
	mu     sync.Mutex
	failed error // of those that failed before the machine ended
}

// checkHelpers refuses what the helpers would only fail at.
func (s Spec) checkHelpers() error {
	if s.TPM {
		if err := find(swtpm, "swtpm"); err != nil {
			return fmt.Errorf("TPM: %w", err)
		}
	}
	for _, sh := range s.Shares {
		info, err := os.Stat(sh.Source)
		if err != nil {
			return fmt.Errorf("sharing %s: %w", sh.Source, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("sharing %s: not a directory", sh.Source)
		}
	}
	return nil
}

// startHelpers starts the programs that the machine needs beside QEMU. Their
// sockets take connections when it returns; stopHelpers ends them.
func (m *Machine) startHelpers(ctx context.Context, line func(string)) error {
	if err := m.Spec.checkHelpers(); err != nil {
		return err
	}
	if m.Spec.TPM && m.Spec.TPMState == "" {
		m.Spec.TPMState = filepath.Join(m.files, "tpm")
		if err := os.Mkdir(m.Spec.TPMState, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	ctx, m.helpers.cancel = context.WithCancel(ctx)
	for _, h := range m.Spec.helpers() {
		l, err := listenIn(m.dir, h.socket)
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		m.helpers.all.Go(func() { m.runHelper(ctx, h, l, line) })
	}
	return nil
}

// endsTogether is how long QEMU may take to be seen ended after its helpers.
const endsTogether = time.Second

// runHelper runs one to its end. The socket is closed then, so that QEMU, should
// it only be about to connect, is refused and does not wait for ever.
func (m *Machine) runHelper(ctx context.Context, h helper, l *os.File, line func(string)) {
	err := proc.Run(ctx, proc.Cmd{Args: h.args, Dir: m.dir, ExtraFiles: []*os.File{l}, Line: func(text string) {
		if line != nil {
			line(h.name + ": " + text)
		}
	}})
	l.Close()
	if ctx.Err() != nil {
		return
	}
	if err == nil { // as it does when QEMU has ended
		err = fmt.Errorf("%s ended", h.args[0])
	} else {
		m.helpers.mu.Lock()
		m.helpers.failed = errors.Join(m.helpers.failed, fmt.Errorf("%s: %w", h.name, err))
		m.helpers.mu.Unlock()
	}
	select {
	case <-m.exited: // the machine's end was theirs
	case <-ctx.Done():
	case <-time.After(endsTogether):
		if line != nil {
			line(fmt.Sprintf("%s: %v; the guest runs on without it", h.name, err))
		}
	}
}

// blame puts before the error of a start what the helpers failed of.
func (m *Machine) blame(err error) error {
	m.helpers.mu.Lock()
	defer m.helpers.mu.Unlock()
	if m.helpers.failed == nil {
		return err
	}
	return fmt.Errorf("%w; %w", m.helpers.failed, err)
}

// stopHelpers ends them and waits.
func (m *Machine) stopHelpers() {
	if m.helpers.cancel != nil {
		m.helpers.cancel()
	}
	m.helpers.all.Wait()
}

// inTurn makes a line function that is called by one program at a time.
func inTurn(line func(string)) func(string) {
	if line == nil {
		return nil
	}
	var mu sync.Mutex
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		line(text)
	}
}
