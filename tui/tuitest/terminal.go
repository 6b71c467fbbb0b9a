package tuitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/nestos/nosa/tui/canvas"
)

// Command is a program that is started on a terminal.
type Command struct {
	Argv []string
	Dir  string
	Env  []string // added to the test's own; TERM is xterm-256color, the locale UTF-8 unless said
	W, H int      // of the terminal; 0 is 80 by 24
}

// Terminal is a terminal with a program on it, as a person would have: a real pty, and an
// emulator that shows what the program draws. It waits for the program with the idle
// marks of term.Output, so that a test needs to know no times.
type Terminal struct {
	Argv []string
	Pid  int

	t      testing.TB
	cmd    *exec.Cmd
	pty    *os.File
	tty    *os.File // kept open as a shell does, so that the terminal outlives the program
	before *term.State
	ended  chan struct{} // closed when the program has

	mu      sync.Mutex
	screen  *vt.Emulator
	modes   map[ansi.Mode]bool
	shown   bool // the cursor
	idle    int  // of the last mark
	marks   int  // that came
	bytes   int64
	title   string
	copied  []string // what OSC 52 brought
	record  bool
	raw     []byte // what the program has written since Record
	changed chan struct{}
}

// limit is how long a program may take for anything before a test gives up.
const limit = time.Minute

// Start starts a program on a new terminal. It is killed at the end of the test.
func Start(t testing.TB, c Command) *Terminal {
	t.Helper()
	if c.W == 0 {
		c.W, c.H = 80, 24
	}
	ptm, tty, err := open()
	if err != nil {
		t.Fatal(err)
	}
	tm := &Terminal{
		Argv: c.Argv, t: t, pty: ptm, tty: tty, ended: make(chan struct{}), changed: make(chan struct{}, 1),
		screen: vt.NewEmulator(c.W, c.H), modes: map[ansi.Mode]bool{}, shown: true,
	}
	if err := setSize(ptm, c.W, c.H); err != nil {
		t.Fatal(err)
	}
	if tm.before, err = term.GetState(int(tty.Fd())); err != nil {
		t.Fatal(err)
	}
	tm.listen()
	tm.cmd = exec.CommandContext(context.Background(), c.Argv[0], c.Argv[1:]...) //nolint:forbidigo // it is what is tested
	tm.cmd.Dir = c.Dir
	tm.cmd.Env = append(append(plainEnv(), "TERM=xterm-256color", "LC_ALL=C.UTF-8", "NOSA_TUI_TEST_IDLE=1"), c.Env...)
	tm.cmd.Stdin, tm.cmd.Stdout, tm.cmd.Stderr = tty, tty, tty
	tm.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := tm.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tm.Pid = tm.cmd.Process.Pid
	var wg sync.WaitGroup
	wg.Go(tm.read)
	wg.Go(func() { _, _ = io.Copy(ptm, tm.screen) }) // answers of the terminal
	wg.Go(func() {
		_ = tm.cmd.Wait()
		close(tm.ended)
	})
	t.Cleanup(func() {
		_ = tm.cmd.Process.Kill()
		<-tm.ended
		tty.Close()
		ptm.Close()
		_ = tm.screen.InputPipe().(io.Closer).Close() // ends the answers
		wg.Wait()
	})
	return tm
}

// plainEnv is the environment without what says something about this terminal.
func plainEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasPrefix(name, "LC_") || slices.Contains([]string{
			"TERM", "COLORTERM", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "LANG", "TMUX", "STY", "SSH_CONNECTION", "SSH_TTY",
			"COLORFGBG", "TERM_PROGRAM", "VTE_VERSION", "KITTY_WINDOW_ID", "WT_SESSION", "DISPLAY", "WAYLAND_DISPLAY",
		}, name)
	})
}

// open makes a terminal. A blocking descriptor, as creack/pty gives it, cannot be closed while
// it is read from: nothing would ever hang up.
func open() (ptm, tty *os.File, err error) {
	blocking, tty, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("doubling a descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, nil, fmt.Errorf("making a descriptor not block: %w", err)
	}
	return os.NewFile(uintptr(fd), blocking.Name()), tty, nil
}

func setSize(f *os.File, w, h int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("setting a terminal's size: %w", err)
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(w), Row: uint16(h)})
	})
	return errors.Join(err, failed)
}

// listen has the emulator tell what is no part of the picture.
func (tm *Terminal) listen() {
	mode := func(on bool) func(ansi.Mode) { return func(m ansi.Mode) { tm.modes[m] = on } }
	tm.screen.SetCallbacks(vt.Callbacks{
		EnableMode: mode(true), DisableMode: mode(false),
		CursorVisibility: func(v bool) { tm.shown = v },
		Title:            func(s string) { tm.title = s },
	})
	tm.screen.RegisterOscHandler(7791, func(data []byte) bool {
		fields := strings.Split(string(data), ";")
		if n, err := strconv.Atoi(fields[len(fields)-1]); err == nil {
			tm.idle = n
			if n != last {
				tm.marks++
			}
		}
		return true
	})
	tm.screen.RegisterOscHandler(52, func(data []byte) bool {
		tm.copied = append(tm.copied, string(data))
		return true
	})
}

// read shows what the program draws.
func (tm *Terminal) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := tm.pty.Read(buf)
		tm.mu.Lock()
		_, _ = tm.screen.Write(buf[:n])
		tm.bytes += int64(n)
		if tm.record {
			tm.raw = append(tm.raw, buf[:n]...)
		}
		tm.mu.Unlock()
		select {
		case tm.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Until waits until what is shown satisfies a condition. It fails the test when the
// program ends or nothing of the kind happens.
func (tm *Terminal) Until(what string, holds func() bool) {
	tm.t.Helper()
	tm.UntilWithin(limit, what, holds)
}

// UntilWithin is Until for what takes longer than drawing a screen.
func (tm *Terminal) UntilWithin(d time.Duration, what string, holds func() bool) {
	tm.t.Helper()
	switch tm.await(d, tm.ended, holds) {
	case over:
		if tm.drain(); !holds() {
			tm.t.Fatalf("the program ended and there was never %s; the screen:\n%s", what, framed(tm.Text(), ""))
		}
	case late:
		tm.t.Fatalf("waited in vain for %s; the screen:\n%s", what, framed(tm.Text(), ""))
	}
}

// outcome is how waiting ended.
type outcome int

const (
	held outcome = iota
	over         // the program ended before
	late
)

func (tm *Terminal) await(d time.Duration, ended <-chan struct{}, holds func() bool) outcome {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond) // for conditions outside of the screen
	defer poll.Stop()
	for !holds() {
		select {
		case <-tm.changed:
		case <-poll.C:
		case <-ended:
			return over
		case <-deadline.C:
			return late
		}
	}
	return held
}

// last is the idle mark that comes after all that the program wrote.
const last = -1

// drain waits until all that the program wrote is shown. It must have ended.
func (tm *Terminal) drain() {
	tm.t.Helper()
	if _, err := fmt.Fprintf(tm.tty, "\x1b]7791;idle;%d\x1b\\", last); err != nil {
		tm.t.Fatal(err)
	}
	if tm.await(limit, nil, func() bool { n, _ := tm.idled(); return n == last }) != held {
		tm.t.Fatal("the last output does not come")
	}
}

// Await waits until a text is on the screen.
func (tm *Terminal) Await(text string) {
	tm.t.Helper()
	tm.Until(fmt.Sprintf("%q", text), func() bool { return strings.Contains(tm.Text(), text) })
}

// Ready waits until the program has drawn its first screen and rests.
func (tm *Terminal) Ready() {
	tm.t.Helper()
	tm.Until("a first rest", func() bool { _, marks := tm.idled(); return marks > 0 })
}

// Rest waits until nothing has been drawn for half a second: for pictures, and for what
// comes from outside, of which the program cannot know.
func (tm *Terminal) Rest() {
	tm.t.Helper()
	drawn, since := tm.Written(), time.Now()
	tm.Until("a rest of half a second", func() bool {
		if now := tm.Written(); now != drawn {
			drawn, since = now, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
}

func (tm *Terminal) idled() (handled, marks int) {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return tm.idle, tm.marks
}

// Press presses keys, named as term.Key names them, a space between, and waits after
// each until the program rests.
func (tm *Terminal) Press(names string) {
	tm.t.Helper()
	for name := range strings.FieldsSeq(names) {
		seq, ok := sequences()[name]
		if !ok {
			seq = name
		}
		tm.handled(name, func() { tm.Send(seq) })
	}
}

// Type types a text, character by character.
func (tm *Terminal) Type(text string) {
	tm.t.Helper()
	for _, r := range text {
		tm.handled(string(r), func() { tm.Send(string(r)) })
	}
}

// handled does something that the program counts, and waits until it rests again.
func (tm *Terminal) handled(what string, do func()) {
	tm.t.Helper()
	before, _ := tm.idled()
	do()
	tm.Until("a rest after "+what, func() bool { n, _ := tm.idled(); return n > before })
}

// Send sends bytes as they are and does not wait.
func (tm *Terminal) Send(seq string) {
	tm.t.Helper()
	if _, err := tm.pty.WriteString(seq); err != nil {
		tm.t.Fatal(err)
	}
}

// Resize gives the terminal another size and does not wait.
func (tm *Terminal) Resize(w, h int) {
	tm.t.Helper()
	tm.mu.Lock()
	tm.screen.Resize(w, h)
	tm.mu.Unlock()
	if err := setSize(tm.pty, w, h); err != nil {
		tm.t.Fatal(err)
	}
}

// Size gives the terminal another size and waits until the program has drawn it.
func (tm *Terminal) Size(w, h int) {
	tm.t.Helper()
	tm.handled(fmt.Sprintf("the size %dx%d", w, h), func() { tm.Resize(w, h) })
}

// Hangup takes the terminal away and waits until the program has ended.
func (tm *Terminal) Hangup() {
	tm.t.Helper()
	tm.tty.Close()
	tm.pty.Close()
	select {
	case <-tm.ended:
	case <-time.After(limit):
		tm.t.Fatal("the program lives on without its terminal")
	}
}

// Signal sends a signal to the program.
func (tm *Terminal) Signal(s os.Signal) {
	tm.t.Helper()
	if err := tm.cmd.Process.Signal(s); err != nil {
		tm.t.Fatal(err)
	}
}

// Wait waits until the program has ended and all that it wrote is shown, and gives its
// exit status, -1 after a signal.
func (tm *Terminal) Wait() int {
	tm.t.Helper()
	select {
	case <-tm.ended:
	case <-time.After(limit):
		tm.t.Fatalf("the program does not end; the screen:\n%s", framed(tm.Text(), ""))
	}
	tm.drain()
	return tm.cmd.ProcessState.ExitCode()
}

// Memory is the most memory that the program had so far, in bytes (VmHWM of proc(5)). What wait4 tells
// of it when it has ended is of no use: until its exec it had the memory of this process.
func (tm *Terminal) Memory() int64 {
	tm.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tm.Pid))
	if err != nil {
		tm.t.Fatal(err)
	}
	var kib int64
	_, most, _ := strings.Cut(string(data), "VmHWM:")
	if _, err := fmt.Sscan(most, &kib); err != nil {
		tm.t.Fatal(err)
	}
	return kib << 10
}

// Written is how many bytes the program has written.
func (tm *Terminal) Written() int64 {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return tm.bytes
}

// Record has what the program writes from now on kept for Recorded.
func (tm *Terminal) Record() {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	tm.record = true
}

// Recorded is what the program has written since Record, byte by byte.
func (tm *Terminal) Recorded() []byte {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return slices.Clone(tm.raw)
}

// Copied are the contents of the OSC 52 sequences that came.
func (tm *Terminal) Copied() []string {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return slices.Clone(tm.copied)
}

// Title is the window's title.
func (tm *Terminal) Title() string {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return tm.title
}

// Restored fails the test unless the terminal is as it was before the program: its
// mode, no alternate screen, the cursor on, no reports of mouse, focus or pastes.
func (tm *Terminal) Restored() {
	tm.t.Helper()
	after, err := term.GetState(int(tm.tty.Fd()))
	if err != nil {
		tm.t.Fatal(err)
	}
	if *after != *tm.before {
		tm.t.Errorf("the terminal's mode is %+v, was %+v", after, tm.before)
	}
	tm.mu.Lock()
	defer tm.mu.Unlock()
	if tm.screen.IsAltScreen() {
		tm.t.Error("the alternate screen is on")
	}
	if !tm.shown {
		tm.t.Error("the cursor is off")
	}
	for _, m := range []ansi.DECMode{1000, 1002, 1003, 1004, 1006, 2004, 2026} {
		if tm.modes[m] {
			tm.t.Errorf("mode %d is on", m)
		}
	}
}

// Canvas is the screen.
func (tm *Terminal) Canvas() *canvas.Canvas {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	c := canvas.New(tm.screen.Width(), tm.screen.Height())
	a := c.Area()
	for y := range tm.screen.Height() {
		for x := range tm.screen.Width() {
			if cell := tm.screen.CellAt(x, y); cell != nil && cell.Width > 0 {
				a.Set(x, y, strings.TrimRight(cell.Content, " "), cell.Width, style(cell.Style))
			}
		}
	}
	if tm.shown {
		p := tm.screen.CursorPosition()
		a.Cursor(p.X, p.Y)
	}
	return c
}

// Text is the rows of the screen.
func (tm *Terminal) Text() string { return string(bytes.TrimRight([]byte(Text(tm.Canvas())), "\n")) }
