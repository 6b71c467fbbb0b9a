package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// StopGrace is how long Stop waits for QEMU to quit before its group is killed.
const StopGrace = 5 * time.Second

// Exited is closed when QEMU has ended.
func (m *Machine) Exited() <-chan struct{} { return m.exited }

// Wait waits until QEMU has ended by itself and frees what the machine held.
// An end that the guest or Stop asked for is nil.
func (m *Machine) Wait() error {
	<-m.exited
	m.finish()
	return m.err
}

// Stop ends the machine at once, as pulling the plug does, and frees what it
// held. It may be called more than once.
func (m *Machine) Stop() error {
	select {
	case <-m.exited:
	default:
		ctx, cancel := context.WithTimeout(context.Background(), StopGrace)
		_, _ = m.qmp.Do(ctx, "quit", nil) // the answer may be cut off by the end itself
		select {
		case <-m.exited:
		case <-ctx.Done():
		}
		cancel()
		m.cancel()
		<-m.exited
		if errors.Is(m.err, context.Canceled) {
			m.err = nil
		}
	}
	m.finish()
	return m.err
}

// finish frees everything after QEMU has ended.
func (m *Machine) finish() {
	m.once.Do(func() {
		m.cancel()
		if m.qmp != nil {
			m.qmp.Close()
		}
		// QEMU's end is closed: once ours is too, the reader gets what is left and
		// the end. Should someone else still hold the terminal, it is cut off.
		m.slave.Close()
		m.slave = nil
		select {
		case <-m.drained:
		case <-time.After(time.Second):
			m.master.Close()
			<-m.drained
		}
		m.release()
	})
}

// release frees what was made before QEMU was started.
func (m *Machine) release() {
	m.cancel()
	m.stopHelpers()
	if m.slave != nil {
		m.slave.Close()
	}
	if m.master != nil {
		m.master.Close()
	}
	if m.web != nil {
		_ = m.web.Close()
		m.serving.Wait()
	}
	if m.log != nil {
		_ = m.ring.Close() // a machine that did not start has no drain to do so
		m.logging.Wait()
		_ = m.log.Close()
	}
	if m.own {
		return
	}
	if err := os.RemoveAll(m.dir); err != nil && m.err == nil {
		m.err = fmt.Errorf("removing the machine's files: %w", err)
	}
}
