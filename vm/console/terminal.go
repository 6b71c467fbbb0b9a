package console

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// leaveWithin is how long a terminal that does not take output may hold up the end.
const leaveWithin = time.Second

// terminal is a person's, in raw mode while a guest has it.
type terminal struct {
	in, out *os.File
	screen  bool        // out is a terminal
	own     bool        // out is our own opening of it, which can be interrupted
	saved   *term.State // nil without a keyboard
	filter  *Filter     // nil passes everything

	mu  sync.Mutex
	buf []byte
}

func openTerminal(o AttachOptions) *terminal {
	t := &terminal{in: o.In, out: o.Out, screen: term.IsTerminal(int(o.Out.Fd()))}
	if own, err := reopen(o.Out); err == nil {
		t.out, t.own = own, true
	}
	if !o.Raw {
		t.filter = &Filter{Plain: !t.screen}
	}
	return t
}

// reopen opens a terminal or a pipe again, for writing without ever blocking a
// thread: its file is shared with the shell, whose mode is not ours to change.
func reopen(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&(fs.ModeCharDevice|fs.ModeNamedPipe) == 0 {
		return nil, errors.New("it has a position")
	}
	own, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if err := own.SetWriteDeadline(time.Time{}); err != nil {
		own.Close()
		return nil, err
	}
	return own, nil
}

// raw gives every key to us; what it was before is kept the first time.
func (t *terminal) raw() error {
	was, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return fmt.Errorf("putting the terminal in raw mode: %w", err)
	}
	if t.saved == nil {
		t.saved = was
	}
	return nil
}

// show writes what the guest printed.
func (t *terminal) show(p []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.filter == nil {
		_, err := t.out.Write(p)
		return err
	}
	t.buf = t.filter.Append(t.buf[:0], p)
	if len(t.buf) == 0 {
		return nil
	}
	_, err := t.out.Write(t.buf)
	return err
}

// say writes lines of our own, between two of the guest's.
func (t *terminal) say(lines ...string) {
	if !t.screen {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sayLocked(lines)
}

func (t *terminal) sayLocked(lines []string) {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("\r\n[nosa: " + line + "]")
	}
	b.WriteString("\r\n")
	_, _ = t.out.WriteString(b.String())
}

// bell says that a key did nothing, unless the screen is busy.
func (t *terminal) bell() {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	_, _ = t.out.Write([]byte{bel})
}

// interrupt ends a write that waits.
func (t *terminal) interrupt() {
	if t.own {
		_ = t.out.SetWriteDeadline(time.Unix(1, 0))
	}
}

// restore gives the terminal back as it was, with lines of our own at last. It
// may be called again, and raw after it.
func (t *terminal) restore(lines ...string) {
	if t.saved != nil {
		defer func() { _ = term.Restore(int(t.in.Fd()), t.saved) }()
	}
	if !t.mu.TryLock() {
		return // somebody writes, and cannot be interrupted
	}
	defer t.mu.Unlock()
	if t.own {
		_ = t.out.SetWriteDeadline(time.Now().Add(leaveWithin))
		defer func() { _ = t.out.SetWriteDeadline(time.Time{}) }()
	}
	switch {
	case !t.screen:
		return
	case t.filter == nil:
		_, _ = t.out.Write(RestoreAll())
	default:
		_, _ = t.out.Write(t.filter.Restore())
	}
	if len(lines) > 0 {
		t.sayLocked(lines)
	}
}

func (t *terminal) close() {
	if t.own {
		t.out.Close()
	}
}
