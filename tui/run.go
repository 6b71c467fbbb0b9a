// Package tui is the workbench: a full-screen terminal program over a workspace. It
// builds nothing itself; it starts nosa and follows what lies in the workspace.
package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/person"
)

// Options are what the command line says.
type Options struct {
	Dir     string      // the workspace, or where one is to be made; absolute
	Screen  screen.Name // shown first; "" is where the last session was
	Color   string      // auto, always or never
	ASCII   bool
	NoMouse bool
	Backend string // of the nosa commands: auto, local, podman or docker; "" is the workspace's, else nosa's own choice
	Image   string // of the container; "" is nosa's own choice
	Nosa    string // the nosa that does the work
	User    string // who sits here; "" is found out
	Follow  string // who is followed from the start, a user's name; "" is nobody
	Env     func(string) string
	Version string
	In, Out *os.File       // the terminal
	Err     io.Writer      // for the last words of a crash
	Exit    func(code int) // ends the process after a crash; os.Exit

	now          func() time.Time
	home         string
	settingsPath string
	askBackend   func(ctx context.Context, choice string) backendSays // nil is nosa backend
	clipboard    func(ctx context.Context, text []byte) (way string, err error)
	notify       func(n settings.Notify, text string) tea.Cmd
	screens      func(screen.Env) []screen.Screen // of tests; nil is ours
}

// Ended is that a signal or a crash has ended the workbench.
type Ended struct{ Code int }

func (e Ended) Error() string { return fmt.Sprintf("ended with status %d", e.Code) }

// Run shows the workbench until the user leaves it. The terminal is as it was when it
// returns, whatever happened. Jobs that were started go on. exit and last words are
// for a crash, which does not return.
func Run(ctx context.Context, o Options) error {
	caps := term.CapsFrom(o.Env, term.Flags{Color: term.Choice(o.Color), ASCII: map[bool]term.Choice{true: term.Always}[o.ASCII]})
	if caps.Dumb {
		return errors.New("this terminal (TERM=" + o.Env("TERM") + ") cannot show a full screen: use nosa itself")
	}
	followed, err := findLead(o)
	if err != nil {
		return err
	}
	name := sync.OnceValue(func() string { return person.Name(ctx, o.Dir) })
	if o.User == "" {
		go name() // beside what else is to be done
	}
	hook := term.NewOutput(o.Out, term.OutputOptions{Sync: caps.Sync, Test: o.Env("NOSA_TUI_TEST_IDLE") == "1"})
	var m *model
	guard := term.NewGuard(term.GuardOptions{
		In: o.In, Out: hook, Exit: o.Exit, Err: o.Err, CrashTo: crashDir(o),
		About: []string{"nosa-tui " + o.Version, "workspace " + o.Dir},
		Notes: func() []string { return m.crashed() },
	})
	defer guard.Restore()
	defer guard.Recover()
	life, end := context.WithCancel(ctx)
	defer end()
	if o.User == "" {
		o.User = name()
	}
	m = newModel(life, o, caps)
	m.people.lead = followed
	m.hook, m.guard = hook, guard
	m.works.guard = guard
	m.o.clipboard = clipboard(caps, hook, o.Dir).Copy
	m.o.notify = notifier(caps, hook)
	return m.run(life, end)
}

// crashDir is where a crash is written down: in the workspace, else nowhere.
func crashDir(o Options) string {
	if _, err := workspace.Open(o.Dir); err != nil {
		return ""
	}
	return filepath.Join(o.Dir, "tmp", "tui")
}

// run has Bubble Tea run the model.
func (m *model) run(life context.Context, end context.CancelFunc) error {
	var p *tea.Program
	gone := func(error) { go p.Send(quitMsg{}) } // the terminal was closed
	in := term.NewInput(m.o.In, m.caps.EscapeWait(), gone)
	m.setTap = func(on bool) {
		if !on {
			in.Tap(nil)
			return
		}
		in.Tap(tap(life, p.Send))
	}
	opts := []tea.ProgramOption{
		tea.WithAltScreen(), tea.WithOutput(m.hook), tea.WithInput(in),
		tea.WithReportFocus(), tea.WithoutSignalHandler(), tea.WithoutCatchPanics(), tea.WithFilter(m.filter),
		tea.WithFPS(1), // it has no frames to look for
	}
	if !m.o.NoMouse {
		opts = append(opts, tea.WithMouseCellMotion())
	}
	p = tea.NewProgram(m, opts...)
	var signalled os.Signal
	unwatch := m.guard.Watch(func(s os.Signal) {
		signalled = s
		p.Send(quitMsg{})
	})
	pumped := make(chan struct{})
	m.guard.Go(func() {
		defer close(pumped)
		m.works.pump.run(life, m.hook.Slot, func(events []screen.Event) { p.Send(frameMsg{events}) })
	})
	_, err := p.Run()
	err = errors.Join(err, m.keepText(), m.saveSession())
	end()
	<-pumped
	m.works.wait()
	unwatch()
	if signalled != nil {
		return Ended{term.Code(signalled)}
	}
	return err
}

// filter leaves out what of the mouse need not be told.
func (m *model) filter(_ tea.Model, msg tea.Msg) tea.Msg {
	report, ok := msg.(tea.MouseMsg)
	if !ok {
		return msg
	}
	mouse, ok := m.clicks.Filter(report, m.o.now())
	if !ok {
		return nil
	}
	return mouse
}

// newModel makes the workbench; nothing goes on before its Init.
func newModel(life context.Context, o Options, caps term.Caps) *model {
	if o.now == nil {
		o.now = time.Now
	}
	if o.settingsPath == "" {
		o.settingsPath = settings.Path(o.Env)
	}
	o.home = o.Env("HOME")
	m := &model{o: o, caps: caps, people: newPeople(o.now()), painter: theme.NewPainter(theme.Depth(caps.Depth)), canvas: canvas.New(0, 0), stale: true}
	m.works = newWorks(life, newPump())
	m.commands = newCommands(o.Nosa, o.Dir, o.User)
	m.where = newBackends(o)
	m.setBackend(m.where.choice)
	m.commands.ended = m.works.commandEnded
	m.stamp = settings.Stamp(o.settingsPath)
	s, diags := settings.Load(o.settingsPath)
	m.settings = s
	m.user = settings.NewCommands(s, m.chosen)
	m.o.NoMouse = o.NoMouse || !s.Mouse
	m.restyle()
	ws, err := workspace.Open(o.Dir)
	if err == nil {
		m.ws = ws
		m.screens = m.workspaceScreens()
	} else {
		m.screens = []screen.Screen{newWelcome(o, err)}
	}
	m.tellSettings(append(diags, m.rebind()...))
	return m
}

// clipboard is the way of this terminal to the user's clipboard.
func clipboard(caps term.Caps, hook *term.Output, dir string) term.Clipboard {
	return term.Clipboard{
		Caps: caps, Send: hook.Send, Run: runQuiet,
		Save: func(text []byte) (string, error) {
			path := filepath.Join(dir, "tmp", "tui", "clipboard.txt")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return "", err
			}
			return path, renameio.WriteFile(path, text, 0o600) // in place of another user's
		},
	}
}

// runQuiet runs a program that takes what is on the clipboard.
func runQuiet(ctx context.Context, argv []string, stdin []byte) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:forbidigo // of the user's desktop, in the user's environment
	cmd.Stdin = bytes.NewReader(stdin)
	return cmd.Run()
}

// tmuxPasses asks tmux if it lets sequences through to the terminal around it.
func tmuxPasses() bool {
	out, err := exec.Command("tmux", "show-options", "-Apv", "allow-passthrough").Output() //nolint:noctx,forbidigo // it answers at once
	return err == nil && strings.TrimSpace(string(out)) != "off" && len(out) > 0
}

// notifier tells a user who looks elsewhere that a job has ended.
func notifier(caps term.Caps, hook *term.Output) func(settings.Notify, string) tea.Cmd {
	return func(n settings.Notify, text string) tea.Cmd {
		return func() tea.Msg {
			if len(n.Command) == 0 {
				caps.Passthrough = caps.Tmux && tmuxPasses()
				hook.Send(caps.Notification("nosa", text))
				return nil
			}
			cmd := exec.Command(n.Command[0], append(slices.Clone(n.Command[1:]), "nosa", text)...) //nolint:noctx,forbidigo // the user's own
			if err := cmd.Run(); err != nil {
				return posted{screen.Notice{Level: screen.Warn, Text: fmt.Sprintf("notify %s: %v", n.Command[0], err)}}
			}
			return nil
		}
	}
}

// FindScreen gives the screen of a name; "" is none chosen.
func FindScreen(name string) (screen.Name, error) {
	switch n := screen.Name(name); n {
	case "", screen.Source, screen.Stages, screen.Builds, screen.Console:
		return n, nil
	}
	return "", errors.New("want source, stages, builds or console")
}
