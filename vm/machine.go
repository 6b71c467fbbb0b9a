package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/proc"
)

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
	web     *http.Server // of what is booted over the network; nil is none
	serving sync.WaitGroup

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
	if s.ConfigDrive != nil {
		drive, err := configDrive(ctx, m.files, s.ConfigDrive)
		if err != nil {
			return s, err
		}
		s.Disks = append(s.Disks, drive)
	}
	s, err := m.serve(ctx, s)
	if err != nil {
		return s, err
	}
	if s.Medium, err = s.Medium.own(ctx, m.files); err != nil {
		return s, err
	}
	s.Netboot, err = s.Netboot.own(m.dir)
	return s, err
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
