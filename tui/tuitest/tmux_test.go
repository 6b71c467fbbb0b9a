package tuitest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tmux is a tmux server of a test's own with a shell in its one pane.
type tmux struct {
	t      *testing.T
	socket string
	dir    string
}

func startTmux(t *testing.T, dir string, w, h int) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal("there is no tmux")
		}
		t.Skip("there is no tmux")
	}
	x := &tmux{t: t, socket: filepath.Join(t.TempDir(), "tmux"), dir: dir}
	t.Cleanup(x.end)
	x.run("-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h), "env", "-u", "TMUX_PANE",
		"HOME="+filepath.Dir(dir), "XDG_CONFIG_HOME=", "LC_ALL=C.UTF-8", "PS1=$ ", "HISTFILE=", "PATH="+bin(t)+":"+os.Getenv("PATH"), "bash", "--norc", "--noprofile")
	x.run("set", "-g", "default-terminal", "tmux-256color")
	x.until("a prompt", func() bool { return strings.HasPrefix(x.screen(), "$") })
	return x
}

// end ends the server and waits for what ran in it.
func (x *tmux) end() {
	_ = program("tmux", "-S", x.socket, "kill-server").Run()
	for range 400 {
		if program("pgrep", "-f", "nosa-tui -C "+x.dir).Run() != nil {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	x.t.Error("the workbench lives on without its terminal")
}

// run runs a command of tmux and gives what it prints.
func (x *tmux) run(args ...string) string {
	x.t.Helper()
	cmd := program("tmux", append([]string{"-u", "-S", x.socket}, args...)...)
	cmd.Env = append(os.Environ(), "TMUX=", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (x *tmux) screen() string { return x.run("capture-pane", "-p") }

// ask gives a variable of the pane, as alternate_on.
func (x *tmux) ask(name string) string {
	return strings.TrimSpace(x.run("display-message", "-p", "#{"+name+"}"))
}

// keys presses keys by tmux's names.
func (x *tmux) keys(names ...string) {
	x.t.Helper()
	x.run(append([]string{"send-keys"}, names...)...)
}

// until waits for a condition. tmux tells of nothing, so it is looked at often.
func (x *tmux) until(what string, holds func() bool) {
	x.t.Helper()
	for range 1200 {
		if holds() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	x.t.Fatalf("waited in vain for %s; the screen:\n%s", what, x.screen())
}

func (x *tmux) await(text string) {
	x.t.Helper()
	x.until(strconv.Quote(text), func() bool { return strings.Contains(x.screen(), text) })
}

// command has the shell run a command and waits for its end.
func (x *tmux) command(line string) {
	x.t.Helper()
	done := filepath.Join(filepath.Dir(x.socket), "done")
	x.keys("-l", line+"; echo $? > "+done)
	x.keys("Enter")
	x.until("the end of "+line, func() bool { _, err := os.Stat(done); return err == nil })
	os.Remove(done)
}

// mode is what a shell must find as it was.
func (x *tmux) mode() string {
	x.t.Helper()
	file := filepath.Join(filepath.Dir(x.socket), "stty")
	x.command("stty -a > " + file)
	text, err := os.ReadFile(file)
	if err != nil {
		x.t.Fatal(err)
	}
	return fmt.Sprintf("%salternate screen %s, cursor %s, mouse %s", text, x.ask("alternate_on"), x.ask("cursor_flag"), x.ask("mouse_any_flag"))
}

// open starts the workbench and waits for it; footer is what its last row begins with.
func (x *tmux) open() {
	x.t.Helper()
	x.keys("-l", "nosa-tui -C "+x.dir+"; echo ended $?")
	x.keys("Enter")
	x.until("the workbench", func() bool { return x.ask("alternate_on") == "1" && strings.Contains(x.screen(), "Source") })
}

// pid is the workbench's: a program that it starts has its words for a moment, until it is executed.
func (x *tmux) pid() string {
	x.t.Helper()
	out, err := program("pgrep", "-o", "-f", "^nosa-tui -C "+x.dir).Output()
	if err != nil {
		x.t.Fatal("the workbench is not running")
	}
	return strings.TrimSpace(string(out))
}

// In tmux the terminal is as it was after every end; after kill -9, which nobody can
// answer, the next start and end brings it back.
func TestTmuxRestores(t *testing.T) {
	x := startTmux(t, sample(t), 100, 30)
	before := x.mode()
	for _, end := range []string{"q", "TERM", "HUP", "KILL"} {
		x.open()
		if end == "q" {
			x.keys("q")
		} else if out, err := program("kill", "-"+end, x.pid()).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		x.until("the end by "+end, func() bool { return strings.Contains(x.screen(), "ended") })
		if end == "KILL" {
			x.command("clear")
			x.open()
			x.keys("q")
			x.await("ended 0")
		}
		if diff := cmp.Diff(before, x.mode()); diff != "" {
			t.Errorf("after %s: %s", end, diff)
		}
		x.command("clear")
	}
}

// Windows of a person change their size while the workbench draws; at the end the screen is
// that of a fresh start.
func TestTmuxResize(t *testing.T) {
	dir := sample(t)
	other := twin(t, dir)
	x := startTmux(t, dir, 100, 30)
	x.open()
	for i := range 40 {
		x.run("resize-window", "-x", strconv.Itoa(30+(i*37)%200), "-y", strconv.Itoa(8+(i*17)%60))
		if i%5 == 0 {
			x.keys("j", "k")
		}
	}
	x.run("resize-window", "-x", "120", "-y", "40")
	fresh := workbench(t, other, 120, 40)
	x.until("the screen of a fresh start", func() bool { return cmp.Equal(rows(fresh.Text()), rows(x.screen())) })
}

// rows are the rows of a screen without blanks at their ends.
func rows(s string) []string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}

// A tmux in a tmux shows the same, takes keys and gives the terminal back.
func TestTmuxNested(t *testing.T) {
	x := startTmux(t, sample(t), 100, 30)
	inner := filepath.Join(filepath.Dir(x.socket), "inner")
	t.Cleanup(func() { _ = program("tmux", "-S", inner, "kill-server").Run() })
	before := x.mode()
	x.keys("-l", "TMUX= tmux -u -f /dev/null -S "+inner+" new-session nosa-tui -C "+x.dir)
	x.keys("Enter")
	x.until("the workbench", func() bool { return strings.Contains(x.screen(), "Source") })
	x.keys("?")
	x.until("the help", func() bool { return strings.Contains(x.screen(), "This pane") })
	x.keys("Escape")
	x.until("the help to go", func() bool { return !strings.Contains(x.screen(), "This pane") })
	x.keys("q")
	x.until("the end", func() bool { return x.ask("alternate_on") == "0" })
	x.command("clear")
	if diff := cmp.Diff(before, x.mode()); diff != "" {
		t.Error(diff)
	}
}
