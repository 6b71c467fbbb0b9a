package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/vm/console"
)

// seat is a person's terminal: what is shown there can be waited for.
type seat struct {
	t      *testing.T
	master *os.File
	slave  *os.File

	mu    sync.Mutex
	shown bytes.Buffer
	more  chan struct{}
}

func newSeat(t *testing.T) *seat {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	_ = pty.Setsize(master, &pty.Winsize{Rows: 33, Cols: 99})
	s := &seat{t: t, master: master, slave: slave, more: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(s, master)
	}()
	t.Cleanup(func() {
		slave.Close()
		master.Close()
		<-done
	})
	return s
}

func (s *seat) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.shown.Write(p)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *seat) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// see waits until something is shown, and forgets everything up to it.
func (s *seat) see(want string) {
	s.t.Helper()
	end := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		i := strings.Index(s.shown.String(), want)
		if i >= 0 {
			s.shown.Next(i + len(want))
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-s.more:
		case <-end:
			s.t.Fatalf("%q is not shown, but %q", want, s.text())
		}
	}
}

func (s *seat) enter(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, line+"\r"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *seat) terminal() Terminal {
	return Terminal{In: s.slave, Out: s.slave, Err: s.slave, Term: "vt220"}
}

// tty is the terminal's mode, to be compared.
func (s *seat) tty() unix.Termios {
	s.t.Helper()
	mode, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *mode
}

// result is how something ended that runs beside the test.
type result struct {
	end End
	err error
}

func begin(do func() (End, error)) <-chan result {
	c := make(chan result, 1)
	go func() {
		end, err := do()
		c <- result{end, err}
	}()
	return c
}

func (s *seat) ends(c <-chan result) result {
	s.t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(30 * time.Second):
		s.t.Fatalf("it does not end; shown: %q", s.text())
		return result{}
	}
}

// A login shell on a terminal: its size, a new size, its status; afterwards the
// terminal is as it was, and what is typed ahead is left for the next program.
func TestInteractiveShell(t *testing.T) {
	d := startSSHD(t)
	s := newSeat(t)
	before := s.tty()
	r := begin(func() (End, error) { return d.client().Interactive(t.Context(), "", AutoTTY, s.terminal()) })
	s.see("")
	s.enter("stty size; echo $TERM:$((40+2))")
	s.see("33 99")
	s.see("vt220:42")
	if err := pty.Setsize(s.master, &pty.Winsize{Rows: 10, Cols: 20}); err != nil {
		t.Fatal(err)
	}
	resize(t, s)
	s.enter("trap 'stty size' WINCH; until [ \"$(stty size)\" = '10 20' ]; do sleep 0.1; done; echo new size $((1+1))")
	s.see("new size 2")
	s.enter("exit 7")
	got := s.ends(r)
	if diff := cmp.Diff([]any{Ended, 7}, []any{got.end.How, got.end.Code}); diff != "" || got.err != nil {
		t.Error(diff, got.err)
	}
	if strings.Contains(s.text(), "Connection to") {
		t.Errorf("the client's own words are shown: %q", s.text())
	}
	if diff := cmp.Diff(before, s.tty()); diff != "" {
		t.Error("the terminal is not as it was: ", diff)
	}
}

// The escape ~. leaves a shell; ^C belongs to the guest.
func TestInteractiveLeave(t *testing.T) {
	d := startSSHD(t)
	s := newSeat(t)
	r := begin(func() (End, error) { return d.client().Interactive(t.Context(), "", AutoTTY, s.terminal()) })
	// Said by the foreground process itself: a shell that is still forking it misses a ^C.
	s.enter("sh -c 'echo in$((1+1)); exec sleep 100'")
	s.see("in2")
	s.enter("\x03")
	s.enter("echo still$((1+1))")
	s.see("still2")
	s.enter("\r~.")
	if got := s.ends(r); got.err != nil || got.end.How != Left {
		t.Errorf("got %+v, want %s", got, Left)
	}
}

// A command writes to the caller's files as they are, reads its input, and its
// status is known even when it is the client's own.
func TestInteractiveCommand(t *testing.T) {
	d := startSSHD(t)
	dir := t.TempDir()
	file := func(name, text string) *os.File {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	term := Terminal{In: file("in", "some\x00input"), Out: file("out", ""), Err: file("err", "")}
	end, err := d.client().Interactive(t.Context(), CommandLine([]string{"sh", "-c", `cat; echo "$1" >&2; exit 255`, "sh", "a  'b"}), AutoTTY, term)
	if err != nil || end.How != Ended || end.Code != 255 {
		t.Errorf("got %+v, %v", end, err)
	}
	for name, want := range map[string]string{"out": "some\x00input", "err": "a  'b\n"} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// What a command prints on a terminal goes through the filter, and what it reads
// from one is no more than it needs.
func TestInteractiveCommandOnTerminal(t *testing.T) {
	d := startSSHD(t)
	s := newSeat(t)
	term := s.terminal()
	r := begin(func() (End, error) {
		return d.client().Interactive(t.Context(), `printf '\033]52;c;x\007'; head -n 1; printf '\033[?25l'`, AutoTTY, term)
	})
	s.enter("typed")
	s.see("typed\r\n") // its echo
	s.see("typed\r\n\x1b[?25l\x1b[?25h")
	if got := s.ends(r); got.err != nil || got.end != (End{How: Ended}) {
		t.Errorf("got %+v", got)
	}
	s.enter("for the shell")
	buf := make([]byte, 100)
	n, err := s.slave.Read(buf)
	if err != nil || string(buf[:n]) != "for the shell\n" {
		t.Errorf("the caller's shell reads %q, %v", buf[:n], err)
	}
}

// booting is what a guest prints until its login prompt.
const booting = "SeaBIOS (version 1.16)\r\n[    0.000000] Linux version 6.1\r\n[  OK  ] Reached target multi-user.target - Multi-User System.\r\n\r\nguest login: "

// A session over a reboot: it waits, tells what it waits for, goes in, says when
// the guest goes down, goes in again, and ends with the shell.
func TestSessionReboot(t *testing.T) {
	d := newSSHD(t)
	ring := &console.Ring{}
	s := newSeat(t)
	said := make(chan Progress, 1000)
	session := Session{SSH: d.client(), Terminal: s.terminal(), WaitOptions: WaitOptions{
		Pace: quick(), Console: NewConsole(io.Discard, ring, quick()), Progress: func(p Progress) { said <- p },
	}}
	session.Pace.Silence = 20 * time.Second
	r := begin(func() (End, error) { return session.Run(t.Context()) })
	_, _ = io.WriteString(ring, booting)
	saw := func(want Phase, boot int) {
		t.Helper()
		for end := time.After(20 * time.Second); ; {
			select {
			case p := <-said:
				if p.Phase == want && p.Boot == boot {
					return
				}
			case <-end:
				t.Fatalf("nothing is said of %s in boot %d", want, boot)
			}
		}
	}
	saw(Starting, 1)
	d.boot()
	saw(Inside, 1)
	s.enter("printf '\\033[?1049h'; echo first$((1+1))")
	s.see("first2")
	_, _ = io.WriteString(ring, "root\r\n[  OK  ] Reached target reboot.target - System Reboot.\r\n")
	d.down()
	saw(GoingDown, 1)
	s.see("\x1b[?1049l") // what a full-screen program has left is undone
	_, _ = io.WriteString(ring, "[   99.000000] reboot: Restarting system\r\n"+booting)
	saw(Starting, 2)
	d.boot()
	s.enter("echo second$((1+1))")
	s.see("second2")
	s.enter("exit 3")
	if got := s.ends(r); got.err != nil || got.end.How != Ended || got.end.Code != 3 {
		t.Errorf("got %+v", got)
	}
}

// A reset from outside cuts a connection that would hang.
func TestSessionReset(t *testing.T) {
	d := startSSHD(t)
	s := newSeat(t)
	reset := make(chan struct{}, 1)
	session := Session{SSH: d.client(), Terminal: s.terminal(), Reset: reset, WaitOptions: WaitOptions{Pace: quick(), Up: true}}
	r := begin(func() (End, error) { return session.Run(t.Context()) })
	s.enter("printf '\\033[31m'; echo first$((1+1)); sleep 1000")
	s.see("first2")
	reset <- struct{}{}
	s.see("\x1b[0m") // from here on what is typed is the next shell's
	s.enter("echo second$((1+1)); exit")
	s.see("second2")
	if got := s.ends(r); got.err != nil || got.end.How != Ended {
		t.Errorf("got %+v", got)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Run("the machine ends", func(t *testing.T) {
		d := startSSHD(t)
		ring := &console.Ring{}
		s := newSeat(t)
		_, _ = io.WriteString(ring, booting)
		session := Session{SSH: d.client(), Terminal: s.terminal(), WaitOptions: WaitOptions{Pace: quick(), Console: NewConsole(io.Discard, ring, quick())}}
		r := begin(func() (End, error) { return session.Run(t.Context()) })
		s.enter("echo in$((1+1))")
		s.see("in2")
		_, _ = io.WriteString(ring, "[   99.000000] reboot: Power down\r\n")
		d.down()
		_ = ring.Close()
		if got := s.ends(r); got.err != nil || got.end.How != MachineGone {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("the machine ends and there is no console", func(t *testing.T) {
		d := startSSHD(t)
		s := newSeat(t)
		session := Session{SSH: d.client(), Terminal: s.terminal(), WaitOptions: WaitOptions{Pace: quick(), Up: true}}
		session.Pace.Shell, session.Pace.Settle = 10*time.Second, 10*time.Second
		r := begin(func() (End, error) { return session.Run(t.Context()) })
		s.enter("echo in$((1+1))")
		s.see("in2")
		d.l.Close()
		d.down()
		if got := s.ends(r); got.err != nil || got.end.How != MachineGone {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("Ctrl-C before there is a session", func(t *testing.T) {
		d := newSSHD(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		session := Session{SSH: d.client(), Terminal: newSeat(t).terminal(), WaitOptions: WaitOptions{
			Pace: quick(), Up: true, Progress: func(Progress) { cancel(stop) },
		}}
		if _, err := session.Run(ctx); !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a command whose guest goes down", func(t *testing.T) {
		d := startSSHD(t)
		s := newSeat(t)
		term := s.terminal()
		term.In = nil
		session := Session{SSH: d.client(), Command: "echo in$((1+1)); sleep 100", Terminal: term, WaitOptions: WaitOptions{Pace: quick(), Up: true}}
		r := begin(func() (End, error) { return session.Run(t.Context()) })
		s.see("in2")
		d.down()
		got := s.ends(r)
		if failure, ok := errors.AsType[*SSHError](got.err); !ok || failure.Failure != Broken {
			t.Errorf("got %+v", got)
		}
	})
}
