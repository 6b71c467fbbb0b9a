package tui

import (
	"context"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// driver is a workbench without a terminal: keys in, cells out. It runs the model's
// commands as Bubble Tea does and knows when nothing goes on any more.
type driver struct {
	*model

	t       *testing.T
	msgs    chan tea.Msg
	out     atomic.Int64 // commands that have not ended
	quitted bool
	clock   time.Time
	copied  string
}

// newDriver makes a workbench of w by h cells over o.Dir and awaits its first rest.
func newDriver(t *testing.T, o Options, w, h int) *driver {
	t.Helper()
	d := &driver{t: t, msgs: make(chan tea.Msg, 1024), clock: time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)}
	ctx, stop := context.WithCancel(t.Context())
	if o.now == nil {
		o.now = func() time.Time { return d.clock }
	}
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	if o.settingsPath == "" {
		o.settingsPath = t.TempDir() + "/tui.yaml"
	}
	if o.askBackend == nil {
		o.askBackend = func(context.Context, string) backendSays {
			return backendSays{Backend: "local", Why: "all programs are here", Image: "localhost/nosa:latest"}
		}
	}
	o.User = "tester"
	d.model = newModel(ctx, o, term.Caps{Depth: "none"})
	d.theme = theme.New(theme.Options{Mono: true})
	d.model.o.clipboard = func(_ context.Context, text []byte) (string, error) {
		d.copied = string(text)
		return "test", nil
	}
	d.ticking = true // the clock stands
	d.works.timer = func(after time.Duration) *time.Timer { return time.NewTimer(after / 50) }
	t.Cleanup(func() {
		stop()
		d.works.wait()
		d.commands.waiting.Wait()
	})
	d.run(d.Init())
	d.send(tea.WindowSizeMsg{Width: w, Height: h})
	return d
}

// run runs a command and what comes of it.
func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	d.out.Add(1)
	go func() {
		d.msgs <- cmd()
		d.out.Add(-1)
	}()
}

// handle takes a message as Bubble Tea's loop does.
func (d *driver) take(msg tea.Msg) {
	switch m := msg.(type) {
	case nil:
		return
	case tea.QuitMsg:
		d.quitted = true
		return
	case tea.BatchMsg:
		for _, cmd := range m {
			d.run(cmd)
		}
		return
	}
	if v := reflect.ValueOf(msg); v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeFor[tea.Cmd]() { // tea.Sequence
		for i := range v.Len() {
			if cmd, ok := reflect.TypeAssert[tea.Cmd](v.Index(i)); ok && cmd != nil {
				d.take(cmd())
			}
		}
		return
	}
	_, cmd := d.Update(msg)
	d.run(cmd)
}

// settle takes messages until nothing goes on.
func (d *driver) settle() {
	d.t.Helper()
	d.until("rest", func() bool { return d.out.Load() == 0 && len(d.msgs) == 0 && d.works.idle() })
}

// until takes messages until a condition holds.
func (d *driver) until(what string, holds func() bool) {
	d.t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	poll := time.NewTicker(time.Millisecond) // a command may end without a message
	defer poll.Stop()
	for {
		for _, e := range d.works.pump.take() {
			d.take(frameMsg{[]screen.Event{e}})
		}
		if len(d.msgs) == 0 && holds() {
			return
		}
		select {
		case msg := <-d.msgs:
			d.take(msg)
		case <-d.works.pump.wake:
		case <-poll.C:
		case <-limit.C:
			d.t.Fatalf("waited in vain for %s; the screen:\n%s", what, d.text())
		}
	}
}

func (d *driver) send(msg tea.Msg) {
	d.t.Helper()
	d.take(msg)
	d.settle()
}

// keys presses keys, named as term.Key names them, a space between.
func (d *driver) keys(names string) {
	d.t.Helper()
	for name := range strings.FieldsSeq(names) {
		d.clock = d.clock.Add(time.Second)
		k := term.Key{Name: name}
		switch {
		case name == "space":
			k.Text = " "
		case len([]rune(name)) == 1:
			k.Text = name
		}
		d.send(k.Tea())
	}
}

// types types a text, letter by letter.
func (d *driver) types(text string) {
	d.t.Helper()
	d.clock = d.clock.Add(time.Second)
	for _, r := range text {
		d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
	}
}

// text is the screen.
func (d *driver) text() string {
	d.stale = true
	d.View()
	var lines []string
	for y := range d.h {
		lines = append(lines, d.canvas.Text(y))
	}
	return strings.Join(lines, "\n")
}

func (d *driver) want(parts ...string) {
	d.t.Helper()
	shown := d.text()
	for _, part := range parts {
		if !strings.Contains(shown, part) {
			d.t.Fatalf("%q is not on the screen:\n%s", part, shown)
		}
	}
}

func (d *driver) wantNot(parts ...string) {
	d.t.Helper()
	shown := d.text()
	for _, part := range parts {
		if strings.Contains(shown, part) {
			d.t.Fatalf("%q is on the screen:\n%s", part, shown)
		}
	}
}

func keyNamed(name string) term.Key { return term.Key{Name: name} }

func batch(cmds []tea.Cmd) tea.Cmd { return tea.Batch(cmds...) }
