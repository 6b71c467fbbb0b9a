package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/serial"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

// guestScreen is a screen of one machine's console.
type guestScreen struct {
	v      *serial.View
	zoomed bool
}

func newGuestScreen(env screen.Env, dir string) *guestScreen {
	v, err := serial.New(serial.Options{Dir: dir, Title: "vm1", User: env.User})
	if err != nil {
		panic(err)
	}
	return &guestScreen{v: v}
}

func (s *guestScreen) Name() screen.Name { return "guest" }
func (s *guestScreen) Title() string     { return "Guest" }
func (s *guestScreen) Panes(w, h int) []screen.Pane {
	return []screen.Pane{{ID: "serial", Rect: canvas.Rect{W: w, H: h}}}
}
func (s *guestScreen) Focus() string         { return "serial" }
func (s *guestScreen) SetFocus(string)       {}
func (s *guestScreen) Zoomed() bool          { return s.zoomed }
func (s *guestScreen) SetZoomed(z bool)      { s.zoomed = z }
func (s *guestScreen) Typing() bool          { return false }
func (s *guestScreen) Dirty() []string       { return nil }
func (s *guestScreen) Hint() string          { return "" }
func (s *guestScreen) Save() json.RawMessage { return nil }

func (s *guestScreen) Open(screen.Target) []screen.Effect { return nil }

func (s *guestScreen) Restore(json.RawMessage) []screen.Effect {
	return []screen.Effect{screen.Follow{Key: "guest", Do: func(ctx context.Context, post func(screen.Event)) { s.v.Source().Follow(ctx, post) }}}
}

func (s *guestScreen) Actions() []screen.Action {
	return []screen.Action{{ID: "guest.attach", Title: "Give the keys to the guest", Short: "attach", Keys: []string{"enter"}, Off: s.v.Off, Run: func() []screen.Effect {
		s.v.Attach()
		return nil
	}}}
}

func (s *guestScreen) Draw(a canvas.Area, f screen.Frame) {
	frame := widget.Frame{Title: s.v.Title(f.Theme), Right: s.v.Right(f.Theme), Bottom: s.v.Bottom(f.Theme), Focused: true}
	s.v.Draw(frame.Draw(a, f.Theme), f.Theme, f.Active)
}

func (s *guestScreen) Key(k term.Key) []screen.Effect {
	effects, _ := s.v.Key(k)
	return effects
}

func (s *guestScreen) Mouse(m term.Mouse) []screen.Effect { return s.v.Mouse(m.In(1, 1)) }

func (s *guestScreen) Handle(e screen.Event) []screen.Effect {
	effects, _ := s.v.Handle(e)
	return effects
}

func (s *guestScreen) Raw() bool                               { return s.v.Attached() }
func (s *guestScreen) Type(p []byte) ([]byte, []screen.Effect) { return s.v.Type(p) }
func (s *guestScreen) RawHint() string                         { return s.v.RawHint() }

// guestChild is a program of this test: the workbench, with one screen of the machine that the environment names or with
// all of its own.
func guestChild() int {
	o := Options{
		Dir: os.Getenv("NOSA_TUI_DIR"), Screen: screen.Console, Color: "auto", Nosa: "/bin/false", User: "tester", Env: os.Getenv, Version: "test",
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Exit: os.Exit,
	}
	if dir := os.Getenv("NOSA_TUI_GUEST"); dir != "" {
		o.Screen = "guest"
		o.screens = func(env screen.Env) []screen.Screen { return []screen.Screen{newGuestScreen(env, dir)} }
	}
	if err := Run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// hub is a machine without QEMU: its console is served, and a guest is behind it.
type hub struct {
	ws    string // the workspace
	dir   string // the machine
	ring  *console.Ring
	input io.Writer

	mu    sync.Mutex
	typed []byte // where there is no program
}

func (h *hub) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.typed = append(h.typed, p...)
	return len(p), nil
}

func (h *hub) got() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.typed)
}

// startHub serves a console; input is where keys go, nil is the hub itself.
func startHub(t testing.TB, input io.Writer) *hub {
	t.Helper()
	ws := emptyWorkspace(t)
	m, err := machine.Create(filepath.Join(ws, "tmp", "vms"), machine.Info{State: machine.Running, Created: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{ws: ws, dir: m.Dir, ring: &console.Ring{}}
	if input == nil {
		input = h
	}
	h.input = input
	l, err := console.Listen(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := &console.Server{Ring: h.ring, Input: input}
		_ = s.Serve(ctx, l)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		_ = m.Close()
	})
	return h
}

// startProgram runs a program as the guest, on a pty as QEMU's serial port is one.
func startProgram(t testing.TB, argv ...string) *hub {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "PS1=guest$ ", "HISTFILE=")
	ptm, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 78, Rows: 20})
	if err != nil {
		t.Fatal(err)
	}
	h := startHub(t, ptm)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(h.ring, ptm)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = ptm.Close()
		<-done
	})
	return h
}

// emptyWorkspace is a workspace with nothing in it.
func emptyWorkspace(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"builds", "src"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// watchGuest starts the workbench on a terminal over a hub's console.
func watchGuest(t testing.TB, h *hub, w, height int, env ...string) *tuitest.Terminal {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tm := tuitest.Start(t, tuitest.Command{
		Argv: []string{exe}, W: w, H: height,
		Env: append(guestEnv(h), env...),
	})
	return tm
}

// guestEnv has this test be the workbench over a hub's console.
func guestEnv(h *hub) []string {
	return []string{"NOSA_TUI_CHILD=guest", "NOSA_TUI_DIR=" + h.ws, "NOSA_TUI_GUEST=" + h.dir, "HOME=" + h.ws, "XDG_CONFIG_HOME=", "TERM=xterm-256color", "LC_ALL=C.UTF-8"}
}

// attachGuest has the keys go to the guest.
func attachGuest(tm *tuitest.Terminal) {
	tm.Until("a live console", func() bool { return strings.Contains(tm.Text(), "vm1") && !strings.Contains(tm.Text(), "connecting") })
	tm.Send("\r")
	tm.Await("keys go to the guest")
}
