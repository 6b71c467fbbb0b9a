package vm

import (
	"context"
	"fmt"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/nestos/nosa/vm/console"
)

// openSerial makes the pty and starts to read it.
func (m *Machine) openSerial(log string) error {
	var err error
	if m.master, m.slave, err = pty.Open(); err != nil {
		return err
	}
	// Raw: the line discipline must neither echo nor translate.
	if _, err = term.MakeRaw(int(m.slave.Fd())); err != nil {
		return err
	}
	// Fd has made the descriptor a blocking one, which a close would not wake.
	if err := unix.SetNonblock(int(m.master.Fd()), true); err != nil {
		return err
	}
	if log != "" {
		if m.log, err = console.OpenLog(log, console.LogOptions{}); err != nil {
			return err
		}
		m.logging.Go(func() { _ = m.log.Follow(context.Background(), m.ring) }) // to the ring's end
	}
	m.Spec.SerialPath = m.slave.Name()
	return nil
}

// drain reads the serial port until it is closed: into the ring, which never
// waits for a reader, and into the log.
func (m *Machine) drain() {
	defer close(m.drained)
	buf := make([]byte, 32<<10)
	for {
		n, err := m.master.Read(buf)
		_, _ = m.ring.Write(buf[:n])
		if m.tee != nil && n > 0 {
			_, _ = m.tee.Write(buf[:n])
		}
		if err != nil {
			_ = m.ring.Close()
			return
		}
	}
}

// Serial is what the serial port prints, from power-on.
func (m *Machine) Serial() *console.Ring { return m.ring }

// typeWithin bounds how long Write waits for a guest that does not read its
// serial port; a pty takes 4 KiB before that.
const typeWithin = 30 * time.Second

// Write types on the serial port. It waits at most 30 s for the guest to read.
func (m *Machine) Write(p []byte) (int, error) {
	if err := m.master.SetWriteDeadline(time.Now().Add(typeWithin)); err != nil {
		return 0, fmt.Errorf("serial port of the machine: %w", err)
	}
	n, err := m.master.Write(p)
	if err != nil {
		return n, fmt.Errorf("typing on the serial port: %w", err)
	}
	return n, nil
}
