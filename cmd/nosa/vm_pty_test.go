package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// cmdPty runs a program on a terminal as a person would: pty CODE KEYS PROGRAM….
// KEYS is a file of lines "expect TEXT", which waits until that is on the screen
// behind what the line before waited for, and "type TEXT", both with Go's
// escapes. KEYS.out gets all that the program printed.
func cmdPty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: pty CODE KEYS PROGRAM…")
	}
	env := []string{"PATH=" + ts.Getenv("PATH")}
	for _, key := range []string{"HOME", "TERM", "NO_COLOR", "NOSA_USER", "NOSA_NO_KVM", "XDG_RUNTIME_DIR", "TMPDIR", "GORACE"} {
		env = append(env, key+"="+ts.Getenv(key))
	}
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), ":")
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, args[2]), args[3:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), env
	p, err := startOnPty(cmd)
	ts.Check(err)
	defer p.close()
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		word, text, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		text, err := strconv.Unquote(`"` + text + `"`)
		ts.Check(err)
		switch word {
		case "expect":
			ts.Check(p.expect(text))
		case "type":
			ts.Check(p.send(text))
		default:
			ts.Fatalf("%s: want expect or type", word)
		}
	}
	code := p.wait()
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".out"), []byte(p.text()), 0o644))
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s:\n%s", code, args[0], p.text())
	}
}

// onPty is a program on a terminal of its own.
type onPty struct {
	cmd    *exec.Cmd
	master *os.File
	before *term.State // the terminal's mode at the beginning
	slave  *os.File
	done   chan struct{} // closed when the program has ended

	mu   sync.Mutex
	out  []byte
	seen int           // what was expected
	more chan struct{} // closed when there is more
}

// ptyPatience is how long something on a terminal may take on a busy machine.
const ptyPatience = time.Minute

// startOnPty starts cmd as the leader of a session whose terminal is a new pty.
func startOnPty(cmd *exec.Cmd) (*onPty, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	p := &onPty{cmd: cmd, master: master, slave: slave, done: make(chan struct{}), more: make(chan struct{})}
	if p.before, err = term.GetState(int(slave.Fd())); err != nil {
		return nil, err
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		return nil, err
	}
	// Fd has made the descriptor a blocking one, which a close would not wake.
	if err := unix.SetNonblock(int(master.Fd()), true); err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.out = append(p.out, buf[:n]...)
			close(p.more)
			p.more = make(chan struct{})
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

func (p *onPty) send(text string) error {
	_, err := p.master.WriteString(text)
	return err
}

func (p *onPty) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.out)
}

// expect waits until a text is printed, behind what was expected before.
func (p *onPty) expect(text string) error {
	late := time.After(ptyPatience)
	for from := 0; ; {
		p.mu.Lock()
		from = max(from, p.seen)
		at := bytes.Index(p.out[from:], []byte(text))
		if at >= 0 {
			p.seen = from + at + len(text)
		}
		from = max(from, len(p.out)-len(text)) // what comes next may end it
		more := p.more
		p.mu.Unlock()
		if at >= 0 {
			return nil
		}
		select {
		case <-more:
		case <-late:
			return fmt.Errorf("no %q after %s:\n%.5000s", text, ptyPatience, p.text())
		}
	}
}

// wait gives the program's exit code; -1 is a signal, or that it does not end.
func (p *onPty) wait() int {
	select {
	case <-p.done:
		time.Sleep(20 * time.Millisecond) // what is left in the terminal
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(ptyPatience):
		return -1
	}
}

// restored says whether the terminal is in its first mode.
func (p *onPty) restored() bool {
	now, err := term.GetState(int(p.slave.Fd()))
	return err == nil && reflect.DeepEqual(now, p.before)
}

// hangUp closes the terminal, as a window does, or an SSH line that breaks.
func (p *onPty) hangUp() {
	p.master.Close()
	p.slave.Close()
}

func (p *onPty) close() {
	_ = p.cmd.Process.Kill()
	<-p.done
	p.hangUp()
}
