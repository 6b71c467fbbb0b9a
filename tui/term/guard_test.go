package term

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/term"
)

// TestMain is also a small full-screen program, for the tests that end one in
// every way: NOSA_TERM_CHILD says how it behaves.
func TestMain(m *testing.M) {
	if how := os.Getenv("NOSA_TERM_CHILD"); how != "" {
		os.Exit(child(how))
	}
	os.Exit(m.Run())
}

func child(how string) int {
	out := NewOutput(os.Stdout, OutputOptions{Sync: true})
	g := NewGuard(GuardOptions{
		In: os.Stdin, Out: out, Exit: os.Exit, Err: os.Stderr, CrashTo: os.Getenv("NOSA_TERM_CRASH"),
		About: []string{"version: 1"}, Notes: func() []string { panic("and again") }, Grace: 200 * time.Millisecond,
	})
	defer g.Restore()
	defer g.Recover()
	var p *tea.Program
	code := 0
	in := NewInput(os.Stdin, 25*time.Millisecond, func(error) { g.Go(func() { p.Quit() }) })
	p = tea.NewProgram(model{how: how, guard: g, out: out}, tea.WithInput(in), tea.WithOutput(out), tea.WithAltScreen(),
		tea.WithMouseAllMotion(), tea.WithReportFocus(), tea.WithoutCatchPanics(), tea.WithoutSignalHandler())
	stop := g.Watch(func(s os.Signal) {
		code = Code(s)
		if how == "deaf" {
			select {}
		}
		p.Send(tea.QuitMsg{})
	})
	if how == "nohup" {
		signal.Ignore(syscall.SIGHUP)
	}
	if _, err := p.Run(); err != nil {
		code = 1
	}
	stop()
	return code
}

type model struct {
	how   string
	guard *Guard
	out   *Output
	sized bool
	drawn int
}

func (m model) Init() tea.Cmd { return nil }

func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.sized = true
	case flood:
		m.drawn++
		return m, func() tea.Msg { return flood{} }
	case tea.KeyMsg:
		switch msg.String() {
		case "q":
			return m, tea.Quit
		case "p":
			panic("in\x1b[2J Update")
		case "g":
			m.guard.Go(func() { panic("in a goroutine") })
		case "c":
			return m, m.guard.Cmd(func() tea.Msg { panic("in a command") })
		case "f":
			return m, func() tea.Msg { return flood{} }
		}
	}
	return m, nil
}

type flood struct{}

func (m model) View() string {
	if !m.sized { // keys are read from then on
		return ""
	}
	frame := "ready"
	if m.drawn > 0 {
		frame = strings.Repeat(strings.Repeat(string(rune('a'+m.drawn%26)), 79)+"\n", 24)
	}
	m.out.Show([]byte(frame), -1, -1)
	return ""
}

// terminal is the other end of a program's terminal.
type terminal struct {
	cmd    *exec.Cmd
	pty    *os.File
	tty    *os.File // keeps the terminal there after the program's end, as a shell does
	before *term.State
	crash  string

	mu   sync.Mutex
	said strings.Builder
	more chan struct{}
}

func start(t *testing.T, how string) *terminal {
	t.Helper()
	ptm, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	tm := &terminal{pty: ptm, tty: tty, crash: filepath.Join(t.TempDir(), "crashes"), more: make(chan struct{}, 1)}
	if err := pty.Setsize(ptm, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	if tm.before, err = term.GetState(int(tty.Fd())); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tm.cmd = exec.CommandContext(t.Context(), exe)
	tm.cmd.Env = append(os.Environ(), "NOSA_TERM_CHILD="+how, "NOSA_TERM_CRASH="+tm.crash, "TERM=xterm-256color")
	tm.cmd.Stdin, tm.cmd.Stdout, tm.cmd.Stderr = tty, tty, tty
	tm.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := tm.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ptm.Close()
		tty.Close()
		_ = tm.cmd.Process.Kill()
	})
	return tm
}

// listen reads what the program writes until the terminal goes away.
func (tm *terminal) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := tm.pty.Read(buf)
		tm.mu.Lock()
		tm.said.Write(buf[:n])
		tm.mu.Unlock()
		select {
		case tm.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (tm *terminal) text() string {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return tm.said.String()
}

func (tm *terminal) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(tm.text(), text) {
		select {
		case <-tm.more:
		case <-deadline:
			t.Fatalf("never said %q: %q", text, tm.text())
		}
	}
}

// modes are the private modes as they are after all that was written.
func modes(said string) map[string]string {
	last := map[string]string{}
	for _, m := range regexp.MustCompile(`\x1b\[\?([0-9]+)([hl])`).FindAllStringSubmatch(said, -1) {
		last[m[1]] = m[2]
	}
	return last
}

// After every end but kill -9 the terminal is as it was: mode, screen, cursor, reports.
func TestGuardRestores(t *testing.T) {
	kill := func(s syscall.Signal) func(*testing.T, *terminal) {
		return func(t *testing.T, tm *terminal) {
			if err := tm.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	types := func(keys string) func(*testing.T, *terminal) {
		return func(t *testing.T, tm *terminal) {
			if _, err := tm.pty.WriteString(keys); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name, how string
		end       func(*testing.T, *terminal)
		code      int
		crash     string
	}{
		{"quit", "normal", types("q"), 0, ""},
		{"TERM", "normal", kill(syscall.SIGTERM), 143, ""},
		{"HUP", "normal", kill(syscall.SIGHUP), 129, ""},
		{"QUIT", "normal", kill(syscall.SIGQUIT), 131, ""},
		{"TERM while it hangs", "deaf", kill(syscall.SIGTERM), 143, ""},
		{"panic", "normal", types("p"), CodeCrash, "in\x1b[2J Update"},
		{"panic in a goroutine", "normal", types("g"), CodeCrash, "in a goroutine"},
		{"panic in a command", "normal", types("c"), CodeCrash, "in a command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tm := start(t, tt.how)
			go tm.listen()
			tm.waitFor(t, "ready")
			tt.end(t, tm)
			_ = tm.cmd.Wait()
			if got := tm.cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit status %d, want %d", got, tt.code)
			}
			after, err := term.GetState(int(tm.tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			if *after != *tm.before {
				t.Errorf("mode: %+v, was %+v", after, tm.before)
			}
			fmt.Fprint(tm.tty, "END")
			tm.waitFor(t, "END")
			want := map[string]string{"25": "h", "1000": "l", "1002": "l", "1003": "l", "1004": "l", "1006": "l", "1049": "l", "2004": "l", "2026": "l"}
			if diff := cmp.Diff(want, modes(tm.text())); diff != "" {
				t.Error(diff)
			}
			if n := strings.Count(tm.text(), altOff); n != 1 {
				t.Errorf("left the screen %d times: that moves the cursor", n)
			}
			if strings.Contains(tm.text(), "\x1b]11;?") {
				t.Error("the terminal was asked for its colours")
			}
			wantCrash(t, tm, tt.crash)
		})
	}
}

// wantCrash looks for the report of a crash, of which only its owner may know.
func wantCrash(t *testing.T, tm *terminal, reason string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tm.crash, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if reason == "" {
		if len(files) != 0 {
			t.Errorf("reports: %v", files)
		}
		return
	}
	if len(files) != 1 {
		t.Fatalf("reports: %v", files)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"reason: " + reason + "\n", "version: 1\n", "no notes: and again", "guard_test.go", "all goroutines:"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	_, tail, _ := strings.Cut(tm.text(), altOff)
	if !strings.Contains(tail, files[0]) || strings.Contains(tail, "\x1b[2J") {
		t.Errorf("last words: %q", tail)
	}
}

// A terminal that takes nothing more, or is gone, does not keep the program alive.
func TestGuardEnds(t *testing.T) {
	t.Run("stopped", func(t *testing.T) {
		tm := start(t, "normal")
		buf := make([]byte, 4096)
		for got := ""; !strings.Contains(got, "ready"); {
			n, err := tm.pty.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += string(buf[:n])
		}
		if _, err := tm.pty.WriteString("f"); err != nil { // draws without end; nobody reads any more
			t.Fatal(err)
		}
		waitBlocked(t, tm.cmd.Process.Pid)
		if err := tm.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = tm.cmd.Wait()
		if got := tm.cmd.ProcessState.ExitCode(); got != 143 {
			t.Errorf("exit status %d", got)
		}
		after, err := term.GetState(int(tm.tty.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if *after != *tm.before {
			t.Errorf("mode: %+v, was %+v", after, tm.before)
		}
	})
	for _, how := range []string{"normal", "nohup"} {
		t.Run("gone, "+how, func(t *testing.T) {
			tm := start(t, how)
			buf := make([]byte, 4096)
			for got := ""; !strings.Contains(got, "ready"); {
				n, err := tm.pty.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				got += string(buf[:n])
			}
			tm.tty.Close()
			tm.pty.Close()
			_ = tm.cmd.Wait()
			if got := tm.cmd.ProcessState.ExitCode(); got != 129 && how == "normal" {
				t.Errorf("exit status %d", got)
			}
		})
	}
}

// waitBlocked waits until a thread of a process hangs in a write to its standard output.
func waitBlocked(t *testing.T, pid int) {
	t.Helper()
	write := fmt.Sprintf("%d 0x1 ", syscall.SYS_WRITE)
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range tasks {
			if b, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(b), write) {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the program never waits for its terminal")
}
