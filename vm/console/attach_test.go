package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestMain is also the programs that the tests run: a person at a terminal, and
// a viewer that only looks.
func TestMain(m *testing.M) {
	dir := os.Getenv("NOSA_TEST_CONSOLE")
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGHUP)
	defer stop()
	c, err := Dial(ctx, dir, os.Args[0], -History)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv("NOSA_TEST_LOOK") != "" {
		<-c.Done()
		os.Exit(0)
	}
	end, err := Attach(ctx, c, AttachOptions{In: os.Stdin, Out: os.Stdout, Name: "test"})
	fmt.Fprintf(os.Stderr, "end %s, %v\r\n", end, err)
	os.Exit(0)
}

// child runs this program again, as TestMain says.
func child(t *testing.T, dir string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "NOSA_TEST_CONSOLE="+dir)...)
	return cmd
}

// screen is a terminal and what was written to it.
type screen struct {
	t      *testing.T
	master *os.File
	mu     sync.Mutex
	all    []byte
	more   chan struct{}
}

func newScreen(t *testing.T, master, slave *os.File) *screen {
	t.Helper()
	s := &screen{t: t, master: master, more: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 4<<10)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.all = append(s.all, buf[:n]...)
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		slave.Close() // ends the read
		reading.Wait()
		master.Close()
	})
	return s
}

// shows waits until the screen got want.
func (s *screen) shows(want string) string {
	s.t.Helper()
	ctx := within(s.t)
	for {
		s.mu.Lock()
		all := string(s.all)
		s.mu.Unlock()
		if strings.Contains(all, want) {
			return all
		}
		select {
		case <-s.more:
		case <-ctx.Done():
			s.t.Fatalf("there is no %q in %q", want, all)
		}
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatal(err)
	}
}

// mode is the terminal's: the two ends of a pty share it.
func (s *screen) mode() unix.Termios {
	s.t.Helper()
	m, err := unix.IoctlGetTermios(int(s.master.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *m
}

// becomes waits until the terminal's mode is raw, or again what it was.
func (s *screen) becomes(what string, ok func(unix.Termios) bool) {
	s.t.Helper()
	ctx := within(s.t)
	for !ok(s.mode()) {
		select {
		case <-ctx.Done():
			s.t.Fatalf("the terminal does not become %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func isRaw(m unix.Termios) bool { return m.Lflag&unix.ICANON == 0 }

// guestSide is a guest that keeps what is typed and the requests.
type guestSide struct {
	mu       sync.Mutex
	typed    bytes.Buffer
	requests chan Request
}

func (g *guestSide) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.typed.Write(p)
}

func (g *guestSide) got() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.typed.String()
}

func newGuest() (*guestSide, *Server) {
	g := &guestSide{requests: make(chan Request, 100)}
	return g, &Server{Ring: &Ring{}, Input: g, Control: func(_ context.Context, r Request) (any, error) {
		g.requests <- r
		return nil, nil
	}}
}

func (g *guestSide) asked(t *testing.T, op string) json.RawMessage {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case r := <-g.requests:
			if r.Op == op {
				return r.Args
			}
		case <-ctx.Done():
			t.Fatalf("nobody asked for %s", op)
		}
	}
}

type ended struct {
	End End
	Err error
}

// attach runs Attach at a terminal of its own.
func attach(t *testing.T, dir string, o AttachOptions) (*screen, <-chan ended) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip("no pty:", err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 33, Cols: 99}); err != nil {
		t.Fatal(err)
	}
	s := newScreen(t, master, slave)
	o.In, o.Out, o.Name = slave, slave, "vm1"
	c := look(t, dir, "person", -History)
	done := make(chan ended, 1)
	go func() {
		end, err := Attach(t.Context(), c, o)
		done <- ended{end, err}
	}()
	return s, done
}

func TestAttach(t *testing.T) {
	g, s := newGuest()
	fmt.Fprint(s.Ring, strings.Repeat("cut", 1000)+"\r\n"+strings.Repeat("a whole line\r\n", (History-1000)/14))
	fmt.Fprint(s.Ring, "\x1b]0;title\a\r\n\x1b[32mlogin\x1b[m: \x1b[6n\x1b[?1000h")
	dir, _ := start(t, s)
	scr, done := attach(t, dir, AttachOptions{})
	all := scr.shows("\x1b[32mlogin\x1b[m: ")
	if strings.Contains(all, "cut") || !strings.Contains(all, "[nosa: vm1 · Ctrl-] detaches") {
		t.Errorf("the screen begins with %q", all[:min(len(all), 300)])
	}
	if diff := cmp.Diff(`{"cols":99,"rows":33}`, string(g.asked(t, "size"))); diff != "" {
		t.Error(diff)
	}
	if !isRaw(scr.mode()) {
		t.Error("the terminal is not in raw mode")
	}
	scr.press("nest\r\x03\x1a\x1b[15~\x00ü\x01\x01")
	scr.press("\x01h")
	scr.shows("Ctrl-A X: end the machine at once")
	scr.press("\x01b")
	g.asked(t, "break")
	if err := pty.Setsize(scr.master, &pty.Winsize{Rows: 50, Cols: 200}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"cols":200,"rows":50}`, string(g.asked(t, "size"))); diff != "" {
		t.Error(diff)
	}
	fmt.Fprint(s.Ring, "\x1b[?1049h\x1b[?25l\x1b[7mmenu")
	scr.shows("menu")
	scr.press("last\x1dnot this")
	if diff := cmp.Diff(ended{Detached, nil}, <-done); diff != "" {
		t.Error(diff)
	}
	all = scr.shows("[nosa: detached; nosa console vm1 comes back]")
	for _, bad := range []string{"\x1b]", "title", "\x1b[6n", "1000h"} {
		if strings.Contains(all, bad) {
			t.Errorf("%q got to the terminal: %q", bad, all)
		}
	}
	if !strings.Contains(all, "menu\x1b[?1049l\x1b[?25h\x1b[0m") {
		t.Errorf("what the guest left is not undone: %q", all)
	}
	if isRaw(scr.mode()) {
		t.Error("the terminal is left in raw mode")
	}
	for ctx := within(t); !strings.HasSuffix(g.got(), "last") && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
	if diff := cmp.Diff("nest\r\x03\x1a\x1b[15~\x00ü\x01last", g.got()); diff != "" {
		t.Error(diff)
	}
}

func TestAttachEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*screen, *Server)
		want End
		says string
	}{
		{"quit", func(scr *screen, _ *Server) { scr.press("\x01x") }, Quit, "ending the machine"},
		{"the guest ends", func(_ *screen, s *Server) {
			fmt.Fprint(s.Ring, "Power down")
			_ = s.Ring.Close()
		}, GuestGone, "the machine has ended"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, s := newGuest()
			dir, _ := start(t, s)
			scr, done := attach(t, dir, AttachOptions{})
			scr.becomes("raw", isRaw)
			tt.end(scr, s)
			if diff := cmp.Diff(ended{tt.want, nil}, <-done); diff != "" {
				t.Error(diff)
			}
			scr.shows("[nosa: " + tt.says + "]")
			if isRaw(scr.mode()) {
				t.Error("the terminal is left in raw mode")
			}
		})
	}
}

// The server dies without a word: the person is told so.
func TestAttachServerDies(t *testing.T) {
	l, err := Listen(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	s := &Server{Ring: &Ring{}}
	go func() { _ = s.Serve(ctx, l) }()
	scr, done := attach(t, l.(*listener).dir.Name(), AttachOptions{})
	scr.becomes("raw", isRaw)
	kill()
	if got := <-done; got.End != GuestGone || !errors.Is(got.Err, ErrLost) {
		t.Errorf("got %+v, want ErrLost", got)
	}
	scr.shows("the connection to the machine is lost")
}

// A guest that reads nothing does not take the keys away that get one out of it.
func TestAttachDeadGuest(t *testing.T) {
	guest := stuck{make(chan struct{})}
	defer close(guest.release)
	s := &Server{Ring: &Ring{}, Input: guest}
	dir, _ := start(t, s)
	scr, done := attach(t, dir, AttachOptions{})
	scr.becomes("raw", isRaw)
	for range 2 * (Window/piece + typeAhead + 2) {
		scr.press(strings.Repeat("x", piece/2))
	}
	scr.shows("\a")
	scr.press("\x1d")
	if diff := cmp.Diff(ended{Detached, nil}, <-done); diff != "" {
		t.Error(diff)
	}
}

// --raw passes everything, and resets more at the end.
func TestAttachRaw(t *testing.T) {
	_, s := newGuest()
	fmt.Fprint(s.Ring, "\x1b]0;title\a\x1b[?1000h$ ")
	dir, _ := start(t, s)
	scr, done := attach(t, dir, AttachOptions{Raw: true})
	scr.shows("\x1b]0;title\a\x1b[?1000h$ ")
	scr.press("\x1d")
	<-done
	scr.shows("\x1b[?1000l")
}

// A panic is one still, with the terminal as it was.
func TestAttachPanics(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip("no pty:", err)
	}
	scr := newScreen(t, master, slave)
	before := scr.mode()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = Attach(t.Context(), nil, AttachOptions{In: slave, Out: slave})
	}()
	if diff := cmp.Diff(before, scr.mode()); diff != "" {
		t.Error(diff)
	}
}

// To a file or a pipe goes text.
func TestAttachToPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(file, "before\n")
	for _, out := range []*os.File{w, file} {
		_, s := newGuest()
		fmt.Fprint(s.Ring, "\x1b[H\x1b[2J[\x1b[32m  OK  \x1b[m] Started\r\n")
		dir, _ := start(t, s)
		c := look(t, dir, "pipe", -History)
		_ = s.Ring.Close()
		if end, err := Attach(t.Context(), c, AttachOptions{In: os.Stdin, Out: out}); end != GuestGone || err != nil {
			t.Errorf("got %s, %v", end, err)
		}
		out.Close()
	}
	piped, _ := io.ReadAll(r)
	filed, _ := os.ReadFile(file.Name())
	if diff := cmp.Diff("[  OK  ] Started\nbefore\n[  OK  ] Started\n", string(piped)+string(filed)); diff != "" {
		t.Error(diff)
	}
}

// untilStopped waits until a process is: one that is continued before would stop for good.
func untilStopped(t *testing.T, pid int) {
	t.Helper()
	for ctx := within(t); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stat), ") T ") {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("it does not stop: %s", stat)
		case <-time.After(time.Millisecond):
		}
	}
}

// A signal to a person's console, in a session of its own: the terminal is as it
// was after it, and raw again after a stop.
func TestAttachSignals(t *testing.T) {
	_, s := newGuest()
	dir, _ := start(t, s)
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGHUP} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			cmd := child(t, dir)
			master, slave, err := pty.Open()
			if err != nil {
				t.Skip("no pty:", err)
			}
			cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
			cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
			scr := newScreen(t, master, slave)
			before := scr.mode()
			same := func(m unix.Termios) bool { return m == before }
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			scr.becomes("raw", isRaw)
			for _, step := range []struct {
				sig  unix.Signal
				what string
				ok   func(unix.Termios) bool
			}{{unix.SIGTSTP, "what it was", same}, {unix.SIGCONT, "raw", isRaw}, {sig, "what it was", same}} {
				if err := cmd.Process.Signal(step.sig); err != nil {
					t.Fatal(err)
				}
				scr.becomes(step.what, step.ok)
				if step.sig == unix.SIGTSTP {
					untilStopped(t, cmd.Process.Pid)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			scr.shows("end detached, ")
		})
	}
}
