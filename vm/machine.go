package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/proc"
)

// StopGrace is how long Stop waits for QEMU to quit before its group is killed.
const StopGrace = 5 * time.Second

// StartOptions is what Start needs beside the machine itself.
type StartOptions struct {
	// Dir is where the machine makes a directory for its own files (overlays, a
	// copy of the firmware's variables), which goes away with it. "" is os.TempDir.
	Dir string
	// Own is a directory that the machine uses instead of one below Dir. What it
	// put there is left to whoever owns it.
	Own string
	// Keep is a directory for what the guest changes: overlays, the firmware's
	// variables, the TPM. What is there already is used, and it stays. "" is the
	// machine's own directory, and then every start is from the images alone.
	Keep string
	// Log is a file that gets what the serial port prints, from power-on, bounded
	// as console.Log is; it stays. "" is none.
	Log string
	// Tee gets the same; it must not block. nil is none.
	Tee io.Writer
	// Event is called for each event of QMP; it must not block. nil ignores them.
	Event func(name string, data json.RawMessage)
	// Line gets QEMU's own messages; nil discards them.
	Line func(string)
}

// Machine is a running QEMU. Stop or Wait must be called, else its files stay.
type Machine struct {
	Spec Spec // as it runs, with all defaults filled in

	dir     string
	files   string // where what the guest changes lies: dir, or what is kept
	own     bool   // dir is somebody else's
	tee     io.Writer
	master  *os.File     // the serial port's other end
	slave   *os.File     // kept open so that the master lives as long as we do
	log     *console.Log // nil is none; written from the ring, so that no disk holds the guest up
	logging sync.WaitGroup
	ring    *console.Ring
	qmp     *qmp

	helpers helpers
	cancel  context.CancelFunc
	exited  chan struct{} // closed when QEMU has ended
	err     error         // how it ended; valid after exited
	drained chan struct{} // closed when the serial port is read to its end
	once    sync.Once
}

// Start starts a machine and returns when QEMU answers. The machine dies with
// ctx, and with this process: QEMU gets SIGKILL when it ends. The disks' files
// are not written unless they say Keep.
func Start(ctx context.Context, spec Spec, opts StartOptions) (*Machine, error) {
	spec, plat, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Machine{ring: &console.Ring{}, tee: opts.Tee, exited: make(chan struct{}), drained: make(chan struct{}), cancel: func() {}}
	if err := m.makeDir(opts); err != nil {
		return nil, fmt.Errorf("directory of the machine: %w", err)
	}
	if m.Spec, err = m.prepare(ctx, spec); err != nil {
		m.release()
		return nil, fmt.Errorf("preparing the machine: %w", err)
	}
	if err := m.openSerial(opts.Log); err != nil {
		m.release()
		return nil, fmt.Errorf("serial port of the machine: %w", err)
	}
	opts.Line = inTurn(opts.Line)
	if err := m.startHelpers(ctx, opts.Line); err != nil {
		m.release()
		return nil, err
	}
	if err := m.launch(ctx, plat.binary, opts); err != nil {
		return nil, refused(m.blame(err))
	}
	if spec.State != "" {
		if err := m.resume(ctx); err != nil {
			return nil, refused(err)
		}
	}
	return m, nil
}

func (m *Machine) makeDir(opts StartOptions) (err error) {
	dir := opts.Dir
	if dir == "" {
		dir = os.TempDir()
	}
	m.own = opts.Own != ""
	if m.own {
		m.dir, err = filepath.Abs(opts.Own)
	} else if dir, err = filepath.Abs(dir); err == nil {
		m.dir, err = os.MkdirTemp(dir, "vm-") // mode 0700
	}
	m.files = m.dir
	if opts.Keep != "" && err == nil {
		m.files, err = filepath.Abs(opts.Keep)
	}
	return err
}

// prepare makes the machine's own files and gives the spec that uses them.
func (m *Machine) prepare(ctx context.Context, s Spec) (Spec, error) {
	if s.Firmware != BIOS && s.Flash.Code == "" {
		found, err := FindFirmware("", s.Arch, s.Firmware)
		if err != nil {
			return s, err
		}
		s.Flash = found
	}
	if s.Firmware != BIOS {
		own := filepath.Join(m.files, "vars")
		if err := once(own, func(name string) error { return copyFile(name, s.Flash.Vars) }); err != nil {
			return s, err
		}
		s.Flash.Vars = own
	}
	s.Disks = slices.Clone(s.Disks)
	for i, d := range s.Disks {
		var err error
		if s.Disks[i], err = m.ownDisk(ctx, i, d); err != nil {
			return s, err
		}
	}
	if len(s.Disks) > 0 {
		if err := s.Boot.apply(ctx, s.Disks[0]); err != nil {
			return s, err
		}
	}
	return s, nil
}

// once makes a file that is not there yet, whole or not at all.
func once(name string, do func(name string) error) error {
	if _, err := os.Lstat(name); err == nil {
		return nil
	}
	if err := do(name + ".new"); err != nil {
		return err
	}
	if err := os.Chmod(name+".new", 0o600); err != nil { // it holds the guest's secrets
		return err
	}
	return os.Rename(name+".new", name)
}

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

// launch runs QEMU and waits until QMP answers. On an error nothing is left.
func (m *Machine) launch(ctx context.Context, binary string, opts StartOptions) error {
	ours, theirs, err := socketPair()
	if err != nil {
		m.release()
		return err
	}
	m.Spec.QMPFD = 3 // the first of ExtraFiles
	args, err := Args(m.Spec)
	if err != nil {
		theirs.Close()
		ours.Close()
		m.release()
		return err
	}
	run, cancel := context.WithCancel(ctx)
	m.cancel = cancel
	go m.drain()
	go func() {
		defer close(m.exited)
		m.err = proc.Run(run, proc.Cmd{Args: args, Dir: m.dir, Line: opts.Line, ExtraFiles: []*os.File{theirs}})
		theirs.Close() // so that QMP ends where QEMU did not even start
	}()
	m.qmp, err = dialQMP(ctx, ours, opts.Event)
	if err == nil {
		return nil
	}
	ours.Close()
	cancel()
	<-m.exited
	exit := m.err
	m.finish()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if exit != nil && !errors.Is(exit, context.Canceled) {
		return fmt.Errorf("starting %s: %w", binary, exit)
	}
	return fmt.Errorf("starting %s: %w", binary, err)
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

// Exited is closed when QEMU has ended.
func (m *Machine) Exited() <-chan struct{} { return m.exited }

// QMP runs one command of QEMU's machine protocol.
func (m *Machine) QMP(ctx context.Context, command string, args any) (json.RawMessage, error) {
	return m.qmp.Do(ctx, command, args)
}

// Reset presses the reset button.
func (m *Machine) Reset(ctx context.Context) error {
	_, err := m.QMP(ctx, "system_reset", nil)
	return err
}

// PowerDown presses the power button; the guest shuts down if it listens.
func (m *Machine) PowerDown(ctx context.Context) error {
	_, err := m.QMP(ctx, "system_powerdown", nil)
	return err
}

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

// socketPair makes two connected stream sockets: QMP needs no name, so no path
// is too long for it and no stale socket is left.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	f := os.NewFile(uintptr(fds[0]), "qmp")
	ours, err = net.FileConn(f)
	f.Close()
	theirs = os.NewFile(uintptr(fds[1]), "qmp of the machine")
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
