package guest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm/console"
)

// localGuest is a guest without a machine: a program of this host on a real
// terminal. before is printed first.
func localGuest(t *testing.T, before string, argv ...string) *Console {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PS1=root@guest:~# ", "TERM=vt220", "HOME="+cmd.Dir, "HISTFILE=")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	ring := &console.Ring{}
	_, _ = io.WriteString(ring, before)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(ring, tty) // ends with EIO when the program does
		_ = ring.Close()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
		<-done
	})
	return NewConsole(tty, ring, quick())
}

func attach(t *testing.T, c *Console) *Shell {
	t.Helper()
	s, err := c.Attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The protocol holds on a real terminal, with and without line editing.
func TestShell(t *testing.T) {
	for _, tc := range []struct {
		name string
		argv []string
	}{
		{"bash with line editing", []string{"bash", "--norc", "--noprofile", "-i"}},
		{"plain sh", []string{"sh", "-i"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := localGuest(t, "guest login: root (automatic login)\r\n", tc.argv...)
			s := attach(t, c)
			for _, step := range []struct {
				name, script string
				want         Output
			}{
				{"status and both outputs", "echo out; echo err >&2; exit 3", Output{Stdout: "out\n", Stderr: "err\n", Code: 3}},
				{"quotes and terminal controls", "printf '%s' 'a\"$b\x1b[31m\r\n\x04\x03'", Output{Stdout: "a\"$b\x1b[31m\r\n\x04\x03"}},
				{"no input to read", "cat; echo end", Output{Stdout: "end\n"}},
				{"longer than a line of a terminal", ": " + strings.Repeat("x", 9000) + "\necho ok", Output{Stdout: "ok\n"}},
				{"much output", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done | wc -l | tr -d ' '", Output{Stdout: "3000\n"}},
			} {
				got, err := s.Run(t.Context(), step.script)
				if err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				if diff := cmp.Diff(step.want, got); diff != "" {
					t.Errorf("%s: %s", step.name, diff)
				}
			}
			out, err := s.Run(t.Context(), "seq 1 20000")
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(out.Stdout, "\n"); n != 20000 {
				t.Errorf("got %d lines, want 20000", n)
			}
		})
	}
}

// Messages of the kernel that fall into a transfer are found by the checksum
// and the transfer is repeated.
func TestShellSurvivesMessages(t *testing.T) {
	c := localGuest(t, "guest login: root (automatic login)\r\n", "bash", "--norc", "--noprofile", "-i")
	s := attach(t, c)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 30 {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				_, _ = io.WriteString(c.ring, "[   12.345678] eth0: link becomes ready")
			}
		}
	}()
	out, err := s.Run(t.Context(), "sleep 0.1; seq 1 2000")
	close(stop)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.Stdout, "\n"); n != 2000 {
		t.Errorf("got %d lines, want 2000", n)
	}
}

func TestShellCommandTimeout(t *testing.T) {
	s := attach(t, localGuest(t, "guest login: root (automatic login)\r\n", "bash", "--norc", "--noprofile", "-i"))
	_, err := s.RunWithin(t.Context(), 200*time.Millisecond, "sleep 30")
	var trouble *BootError
	if !errors.As(err, &trouble) || trouble.Trouble != Timeout || !strings.Contains(err.Error(), "waiting for the end of a command (sleep 30)") {
		t.Errorf("got %v, want a timeout that names the command", err)
	}
}

// An image that asks for a password offers no way in, and the error says so.
func TestAttachWithoutAutologin(t *testing.T) {
	c := localGuest(t, "guest login: ", "cat")
	c.Pace.Shell = 500 * time.Millisecond
	_, err := c.Attach(t.Context())
	var trouble *BootError
	if !errors.As(err, &trouble) || trouble.Trouble != NoWayIn || !strings.Contains(err.Error(), "nosa.console.autologin") {
		t.Errorf("got %v, want one that says there is no way in", err)
	}
}

// The terminal is given back as it was, and nothing is left of the shell.
func TestLeave(t *testing.T) {
	c := localGuest(t, "guest login: root (automatic login)\r\n", "bash", "--norc", "--noprofile", "-i")
	s := attach(t, c)
	out, err := s.Run(t.Context(), "echo ${0%/*}")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Leave(t.Context(), "ls -d "+out.Stdout); err != nil {
		t.Fatal(err)
	}
	if err := c.Type("echo typ''ed; stty -a\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`cannot access '/.*nosa-check`, `root@guest:~# echo typ''ed`, `^typed$`, ` echo `} {
		if _, err := c.Expect(t.Context(), want, 10*time.Second, regexp.MustCompile(want)); err != nil {
			t.Error(err)
		}
	}
}

// A shell on top of that of the login is taken over and left: below it the
// terminal is as it was.
func TestBecomeAndLeave(t *testing.T) {
	c := localGuest(t, "guest login: nest (automatic login)\r\n", "bash", "--norc", "--noprofile", "-i")
	if err := c.Become(t.Context(), "LEVEL=2 PS1='# ' sh -i"); err != nil {
		t.Fatal(err)
	}
	s := attach(t, c)
	if out, err := s.Run(t.Context(), "echo $LEVEL"); err != nil || out.Stdout != "2\n" {
		t.Fatalf("%+v, %v: not in the shell on top", out, err)
	}
	if err := s.Leave(t.Context(), "exit"); err != nil {
		t.Fatal(err)
	}
	if err := c.Type("echo level ${LEVEL:-1}; stty -a\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`^root@guest:~# echo level `, `^level 1$`, ` echo `} {
		if _, err := c.Expect(t.Context(), want, 10*time.Second, regexp.MustCompile(want)); err != nil {
			t.Error(err)
		}
	}
}
