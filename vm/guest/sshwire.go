package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/proc"
)

// wires are the files of a program for a person and what is copied from and to them.
type wires struct {
	files   proc.Attached
	t       Terminal
	master  *os.File // of the program's own terminal; nil without
	mine    []*os.File
	typed   *os.File // takes what is typed: the master, or the end of a pipe; nil for neither
	outs    []*outlet
	input   *pump
	screens []*shielded

	start   sync.Once
	stop    sync.Once
	raw     *term.State
	sizes   chan os.Signal
	resizer sync.WaitGroup
}

// wire makes the files that a program gets: with WithTTY a terminal of its own,
// else the caller's.
func (t Terminal) wire(tty TTY) (*wires, error) {
	w := &wires{t: t}
	open := w.openFiles
	if tty == WithTTY {
		open = w.openTerminal
	}
	if err := open(); err != nil {
		w.close()
		return nil, fmt.Errorf("making a terminal: %w", err)
	}
	return w, nil
}

func (w *wires) openTerminal() error {
	master, slave, err := pty.Open()
	if err != nil {
		return err
	}
	w.master, w.typed, w.mine = master, master, append(w.mine, slave)
	_ = pty.InheritSize(w.t.Out, master) // else 0x0, as on a serial line
	w.files.In, w.files.Out, w.files.Err, w.files.Session = slave, slave, slave, true
	w.outs = append(w.outs, copyOut(w.screen(w.t.Out), master))
	return nil
}

// openFiles takes the caller's files, and does what a program in the background
// cannot: read a terminal, and be filtered.
func (w *wires) openFiles() error {
	in, err := w.inlet()
	if err != nil {
		return err
	}
	w.files.In = in
	for _, o := range []struct {
		file **os.File
		to   *os.File
	}{{&w.files.Out, w.t.Out}, {&w.files.Err, w.t.Err}} {
		*o.file = o.to
		if w.t.Raw || !isTerminal(o.to) {
			continue
		}
		out, err := pipeTo(w.screen(o.to))
		if err != nil {
			return err
		}
		w.outs = append(w.outs, out)
		*o.file = out.file
	}
	return nil
}

// inlet is the program's input without a terminal of its own.
func (w *wires) inlet() (*os.File, error) {
	switch {
	case w.t.In == nil:
		null, err := os.Open(os.DevNull)
		if err == nil {
			w.mine = append(w.mine, null)
		}
		return null, err
	case !isTerminal(w.t.In):
		return w.t.In, nil
	}
	r, wr, err := os.Pipe() // reading a terminal would stop it: its group is not the terminal's
	if err != nil {
		return nil, err
	}
	w.typed, w.mine = wr, append(w.mine, r, wr)
	return r, nil
}

// screen is an output of the caller's: what reaches a terminal is filtered, since
// the guest is not trusted, and what it leaves changed there is undone by close.
func (w *wires) screen(to *os.File) io.Writer {
	if w.t.Raw || !isTerminal(to) {
		return to
	}
	s := &shielded{to: to}
	w.screens = append(w.screens, s)
	return s
}

// shielded is a terminal behind a filter.
type shielded struct {
	to     *os.File
	filter console.Filter
}

func (s *shielded) Write(p []byte) (int, error) {
	if _, err := s.to.Write(s.filter.Append(nil, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin hands the caller's terminal to the program.
func (w *wires) begin() {
	w.start.Do(func() {
		if w.typed == nil {
			return
		}
		if w.master != nil {
			w.raw, _ = term.MakeRaw(int(w.t.In.Fd())) // a terminal that cannot be raw is used as it is
			w.sizes = make(chan os.Signal, 1)
			signal.Notify(w.sizes, syscall.SIGWINCH)
			w.resizer.Go(w.resize)
		}
		w.input, _ = startPump(w.t.In, w.typed) // without descriptors nothing can be typed; the program still runs
	})
}

func (w *wires) resize() {
	for range w.sizes {
		_ = pty.InheritSize(w.t.Out, w.master)
	}
}

// close gives everything back once the program has ended and its last output is
// copied. Later calls do nothing.
func (w *wires) close() {
	w.stop.Do(func() {
		w.start.Do(func() {}) // not any more
		if w.sizes != nil {
			signal.Stop(w.sizes)
			close(w.sizes)
			w.resizer.Wait()
		}
		for _, f := range w.mine {
			f.Close()
		}
		if w.input != nil {
			w.input.close()
		}
		for _, o := range w.outs {
			o.close()
		}
		for _, s := range w.screens {
			_, _ = s.to.Write(s.filter.Restore())
		}
		if w.raw != nil && w.t.Raw {
			_, _ = w.t.Out.Write(console.RestoreAll())
		}
		if w.raw != nil {
			_ = term.Restore(int(w.t.In.Fd()), w.raw)
		}
		if w.master != nil {
			w.master.Close()
		}
	})
}

// outlet copies a program's output until all of its ends are closed.
type outlet struct {
	file *os.File // the end that a program gets; nil for a terminal
	from *os.File
	done chan struct{}
}

// lastOutput bounds the wait for output that is still held by somebody else.
const lastOutput = time.Second

func copyOut(to io.Writer, from *os.File) *outlet {
	o := &outlet{from: from, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		_, _ = io.Copy(to, from) // a terminal ends with EIO
	}()
	return o
}

// pipeTo makes a file whose content goes to a writer.
func pipeTo(to io.Writer) (*outlet, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := copyOut(to, r)
	o.file = w
	return o, nil
}

func (o *outlet) close() {
	if o.file != nil {
		o.file.Close()
	}
	select {
	case <-o.done:
	case <-time.After(lastOutput):
	}
	if o.file != nil {
		o.from.Close()
	}
}

// pump copies a terminal's input, and can be ended without taking what is typed
// afterwards: the next program, or the shell, shall have that.
type pump struct {
	from, to    *os.File
	wake, waked *os.File // closing wake ends the pump
	done        chan struct{}
}

func startPump(from, to *os.File) (*pump, error) {
	waked, wake, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &pump{from: from, to: to, wake: wake, waked: waked, done: make(chan struct{})}
	go p.run()
	return p, nil
}

func (p *pump) run() {
	defer close(p.done)
	in, waked := int32(p.from.Fd()), int32(p.waked.Fd())
	buf := make([]byte, 4<<10)
	for {
		fds := []unix.PollFd{{Fd: in, Events: unix.POLLIN}, {Fd: waked, Events: unix.POLLIN}}
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || fds[1].Revents != 0 {
			return
		}
		n, err := unix.Read(int(in), buf)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			p.to.Close() // the end of the input is one for the program too
			return
		}
		if _, err := p.to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *pump) close() {
	p.wake.Close()
	<-p.done
	p.waked.Close()
}
