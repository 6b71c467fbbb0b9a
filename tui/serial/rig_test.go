package serial

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

// guest is a machine without QEMU: a console that is served, what it prints and what it is typed.
type guest struct {
	t       testing.TB
	m       *machine.Machine
	dir     string
	ring    *console.Ring
	server  *console.Server
	stop    context.CancelFunc
	stopped chan struct{}

	mu    sync.Mutex
	typed []byte
	asked []string
	block chan struct{} // what is typed waits until it is closed; nil: nothing does
}

// startGuest serves the console of a new machine.
func startGuest(t testing.TB) *guest {
	t.Helper()
	m, err := machine.Create(t.TempDir(), machine.Info{State: machine.Running, Created: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	g := &guest{t: t, m: m, dir: m.Dir, ring: &console.Ring{}}
	g.serve()
	return g
}

// serve begins to serve, also once more.
func (g *guest) serve() {
	g.t.Helper()
	l, err := console.Listen(g.dir)
	if err != nil {
		g.t.Fatal(err)
	}
	g.server = &console.Server{
		Ring: g.ring, Input: g, Control: g.control,
		Farewell: func(context.Context) any { return map[string]string{"why": "the guest powered off"} },
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop, g.stopped = stop, make(chan struct{})
	go func() {
		defer close(g.stopped)
		_ = g.server.Serve(ctx, l)
	}()
	g.t.Cleanup(stop)
}

// Write is what is typed.
func (g *guest) Write(p []byte) (int, error) {
	g.mu.Lock()
	block := g.block
	g.mu.Unlock()
	if block != nil {
		<-block
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.typed = append(g.typed, p...)
	return len(p), nil
}

func (g *guest) control(_ context.Context, r console.Request) (any, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.Op+string(r.Args))
	return nil, nil
}

func (g *guest) print(text string) { _, _ = io.WriteString(g.ring, text) }

func (g *guest) got() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return string(g.typed)
}

func (g *guest) wasAsked(what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.asked, what)
}

// pane is a View that is drawn whenever there is News, as the workbench does.
type pane struct {
	*View
	t      testing.TB
	events chan screen.Event
	stop   context.CancelFunc
	canvas *canvas.Canvas
	theme  *theme.Theme
	news   int
	said   []string
	asks   []screen.Ask
	copied []string
	keys   []string // for the workbench
}

func watch(t testing.TB, g *guest, w, h int) *pane {
	t.Helper()
	return watchAs(t, g, Options{User: "me"}, w, h)
}

func watchAs(t testing.TB, g *guest, o Options, w, h int) *pane {
	t.Helper()
	o.Dir, o.Title = g.dir, "vm1"
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &pane{View: v, t: t, events: make(chan screen.Event, 1024), canvas: canvas.New(w, h), theme: theme.New(theme.Options{Mono: true})}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.stop = func() { stop(); <-done }
	go func() {
		defer close(done)
		v.Source().Follow(ctx, func(e screen.Event) { p.events <- e })
	}()
	t.Cleanup(p.stop)
	p.draw()
	return p
}

func (p *pane) draw() {
	p.canvas.Reset(p.canvas.Size())
	p.Draw(p.canvas.Area(), p.theme, true)
}

// do does what the View asks for.
func (p *pane) do(effects []screen.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case screen.Notice:
			p.said = append(p.said, e.Text)
		case screen.Ask:
			p.asks = append(p.asks, e)
		case screen.Copy:
			p.copied = append(p.copied, e.Text)
		case screen.Press:
			p.keys = append(p.keys, e.Key.Name)
		case screen.Work:
			p.take(e.Do(p.t.Context()))
		}
	}
}

func (p *pane) take(e screen.Event) {
	p.news++
	effects, _ := p.Handle(e)
	p.do(effects)
	p.draw()
}

func (p *pane) until(what string, holds func() bool) {
	p.t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case e := <-p.events:
			p.take(e)
		case <-poll.C:
		case <-limit.C:
			p.t.Fatalf("waited in vain for %s; the pane:\n%s\n%+v", what, p.text(), p.Status())
		}
	}
}

func (p *pane) text() string {
	p.draw()
	_, h := p.canvas.Size()
	var rows []string
	for y := range h {
		rows = append(rows, p.canvas.Text(y))
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

func (p *pane) await(text string) {
	p.t.Helper()
	p.until(text, func() bool { return strings.Contains(p.text(), text) })
}

func (p *pane) awaitTyped(g *guest, want string) {
	p.t.Helper()
	p.until("what was typed", func() bool { return len(g.got()) >= len(want) })
	if diff := cmp.Diff(want, g.got()); diff != "" {
		p.t.Fatal(diff)
	}
}

// raw types bytes as the terminal sends them; what the View leaves is given.
func (p *pane) raw(text string) string {
	p.t.Helper()
	rest, effects := p.Type([]byte(text))
	p.do(effects)
	p.draw()
	return string(rest)
}

// live waits for the console, and attaches.
func (p *pane) live() {
	p.t.Helper()
	p.until("the console", func() bool { return p.Off() == "" })
	p.Attach()
	p.until("the keyboard", func() bool { return p.src.ours() })
}
