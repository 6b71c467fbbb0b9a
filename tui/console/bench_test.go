package console

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/serial"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
	serialport "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// noon is when the tests look at the screen.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC) }

// bench is a screen with a stand-in for tui around it.
type bench struct {
	t       testing.TB
	s       *Screen
	ws      *workspace.Workspace
	now     time.Time
	effects []screen.Effect
	news    chan screen.Event // of the consoles
	w, h    int
	theme   *theme.Theme
	wants   map[machine.ID]string // the last that a console printed
	life    context.Context
	going   sync.WaitGroup
}

// newBench makes a screen over a workspace; dir "" is an empty one.
func newBench(t testing.TB, dir string) *bench {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	b := &bench{t: t, ws: &workspace.Workspace{Dir: dir}, now: noon(), news: make(chan screen.Event, 1000), wants: map[machine.ID]string{}, w: 120, h: 37, theme: theme.New(theme.Options{Mono: true})}
	var end context.CancelFunc
	b.life, end = context.WithCancel(context.Background())
	t.Cleanup(func() { end(); b.going.Wait() })
	b.s = New(screen.Env{WS: b.ws, Nosa: "/bin/false", User: recordedUser, Now: func() time.Time { return b.now }})
	return b
}

// does keeps the effects; consoles are followed until the test ends.
func (b *bench) does(effects []screen.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case screen.Follow:
			ctx := b.life
			b.going.Go(func() {
				e.Do(ctx, func(ev screen.Event) {
					select {
					case b.news <- ev:
					case <-ctx.Done():
					}
				})
			})
		case screen.Work:
			if strings.HasPrefix(e.Key, "serial.find") {
				b.does(b.s.Handle(e.Do(b.t.Context())))
				continue
			}
			b.effects = append(b.effects, e)
		default:
			b.effects = append(b.effects, e)
		}
	}
}

// handle gives the screen an event.
func (b *bench) handle(e screen.Event) *bench {
	b.does(b.s.Handle(e))
	return b
}

func (b *bench) draw() *canvas.Canvas {
	c := canvas.New(b.w, b.h)
	c.Ellipsis = b.theme.Glyphs.Ellipsis
	b.s.Draw(c.Area(), screen.Frame{Theme: b.theme, Now: b.now, Active: true})
	return c
}

func (b *bench) text() string { return tuitest.Text(b.draw()) }

// read gives the screen the machines as the feed tells them now.
func (b *bench) read() *bench {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	var last feed.Machines
	feed.FollowMachines(ctx, b.ws, func(e any) {
		last = e.(feed.Machines)
		cancel()
	})
	return b.handle(last)
}

// until takes what the consoles say until a condition holds.
func (b *bench) until(what string, holds func() bool) {
	b.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for len(b.news) > 0 || !holds() {
		select {
		case e := <-b.news:
			b.does(b.s.Handle(e))
			b.draw()
		case <-poll.C:
		case <-limit.C:
			b.t.Fatalf("waited in vain for %s:\n%s", what, b.text())
		}
	}
}

// readConsole reads the console that is shown, until the last that it printed is there.
func (b *bench) readConsole() {
	b.t.Helper()
	want := b.wants[b.s.shown]
	b.until("the console", func() bool {
		v := b.s.console()
		return v == nil || v.Status().Link == serial.Ended ||
			v.Status().Link == serial.Live && strings.Contains(b.text(), want[:min(len(want), 20)])
	})
}

// press gives keys to the actions of the screen, and to it.
func (b *bench) press(keys ...string) *bench {
	b.t.Helper()
	for _, name := range keys {
		b.does(b.key(name))
		b.draw()
	}
	return b
}

func (b *bench) key(name string) []screen.Effect {
	var found *screen.Action
	for _, a := range b.s.Actions() {
		if !b.s.Typing() && slices.Contains(a.Keys, name) && (a.Pane == b.s.Focus() || a.Pane == "" && found == nil) {
			found = &a
		}
	}
	if found != nil {
		if found.Off != nil && found.Off() != "" {
			return []screen.Effect{screen.Notice{Level: screen.Warn, Text: found.ID + ": " + found.Off()}}
		}
		return found.Run()
	}
	k := term.Key{Name: name}
	if len([]rune(name)) == 1 {
		k.Text = name
	}
	return b.s.Key(k)
}

// said tells the effects since it was asked last, without those that follow.
func (b *bench) said() string {
	var out []string
	for _, e := range b.effects {
		switch e := e.(type) {
		case nil, screen.Follow, screen.Unfollow:
		case screen.Work:
			out = append(out, strings.TrimSpace("work "+e.Key))
		case screen.Start:
			out = append(out, "start "+strings.Join(e.Args, " "))
		case screen.Notice:
			out = append(out, string(e.Level)+": "+e.Text)
		case screen.Ask:
			out = append(out, "ask "+e.Title+": "+strings.Join(e.Text, " "))
		case screen.Pick:
			out = append(out, "pick "+e.Title)
			for _, i := range e.Items {
				out = append(out, "  "+i.Title+": "+i.Detail)
			}
		case screen.Copy:
			out = append(out, "copy "+e.Text)
		case screen.Exec:
			out = append(out, "exec "+strings.Join(e.Argv, " "))
		default:
			out = append(out, fmt.Sprintf("%T%v", e, e))
		}
	}
	b.effects = nil
	return strings.Join(out, "\n")
}

// golden compares the screen at what tui leaves of 80x24, 120x40, 200x60.
func (b *bench) golden(name string) {
	b.t.Helper()
	for _, size := range [][2]int{{80, 21}, {120, 37}, {200, 57}} {
		b.w, b.h = size[0], size[1]
		b.draw()
		b.readConsole()
		tuitest.Golden(b.t, fmt.Sprintf("%s-%d", name, b.w), b.draw())
	}
}

// ran is a machine that a test runs.
type ran struct {
	*machine.Machine
	b    *bench
	id   machine.ID
	on   time.Time
	ring *serialport.Ring
	stop func()
}

// begin makes a machine that runs since ago.
func (b *bench) begin(ago time.Duration, edit func(*machine.Info)) ran {
	b.t.Helper()
	info := machine.Info{
		User: recordedUser, Host: recordedHost, Argv: []string{"nosa", "run", "-d"}, Created: b.now.Add(-ago), Detached: true,
		Build: "12.20261122.1", Artifact: "qemu", Arch: "x86_64", Firmware: "bios", Accel: "kvm", CPUs: 2, MemoryMiB: 2048,
	}
	m, err := machine.Create(b.ws.VMsDir(), info)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = m.Close() })
	// The end of an id is by chance.
	dir := filepath.Join(b.ws.VMsDir(), info.Created.UTC().Format("20060102T150405Z")+"-7e57")
	if err := os.Rename(m.Dir, dir); err != nil {
		b.t.Fatal(err)
	}
	m.Dir = dir
	r := ran{m, b, machine.ID(filepath.Base(dir)), info.Created, &serialport.Ring{}, nil}
	r.serve()
	r.update(func(i *machine.Info) {
		i.ID, i.State = r.id, machine.Running
		i.SSH = &machine.SSH{Port: 40022, User: "nest", Key: dir + "/id_ed25519"}
		if edit != nil {
			edit(i)
		}
	})
	return r
}

// serve serves the machine's console.
func (r *ran) serve() {
	r.b.t.Helper()
	l, err := serialport.Listen(r.Dir)
	if err != nil {
		r.b.t.Fatal(err)
	}
	server := &serialport.Server{
		Ring: r.ring, Input: io.Discard, Control: func(context.Context, serialport.Request) (any, error) { return nil, nil },
		Farewell: func(context.Context) any { return map[string]string{"why": "the guest powered off"} },
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ctx, l)
	}()
	r.stop = sync.OnceFunc(func() { stop(); <-done })
	r.b.t.Cleanup(r.stop)
}

func (r ran) update(edit func(*machine.Info)) {
	r.b.t.Helper()
	if err := r.Update(edit); err != nil {
		r.b.t.Fatal(err)
	}
}

// comes has the machine come to a milestone.
func (r ran) comes(after time.Duration, kind milestone.Kind, line string) {
	r.b.t.Helper()
	events, err := r.OpenEvents()
	if err != nil {
		r.b.t.Fatal(err)
	}
	defer func() { _ = events.Close() }()
	ev := event.Event{V: 1, Time: r.on.Add(after), Kind: event.Milestone, Step: string(kind), Text: line, Done: 1, MS: after.Milliseconds()}
	if kind == milestone.FailedUnit {
		ev.Title = "broken.service"
	}
	events.Emit(ev)
	f, err := os.OpenFile(filepath.Join(r.Dir, "console.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		r.b.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, to := range []io.Writer{f, r.ring} {
		if _, err := fmt.Fprintf(to, "%s\r\n", line); err != nil {
			r.b.t.Fatal(err)
		}
	}
	r.b.wants[r.id] = line
}

// boots has the machine come to milestones as far as one.
func (r ran) boots(far milestone.Kind, slower time.Duration) ran {
	for i, m := range []struct {
		kind milestone.Kind
		line string
	}{
		{milestone.BootLoader, "GNU GRUB  version 2.06-13+deb12u2"},
		{milestone.Kernel, "[    0.000000] Linux version 6.1.0-56-cloud-amd64"},
		{milestone.Initrd, "[    1.457890] systemd[1]: Running in initrd."},
		{milestone.Ignition, "[  OK  ] Finished ignition-files.service - Ignition (files)."},
		{milestone.SwitchRoot, "[  OK  ] Reached target initrd-switch-root.target - Switch Root."},
		{milestone.MultiUser, "[  OK  ] Reached target multi-user.target - Multi-User System."},
		{milestone.Login, "localhost login: nest (automatic login)"},
	} {
		at := time.Duration(i*i)*300*time.Millisecond + 600*time.Millisecond
		if i > 2 {
			at += slower
		}
		r.comes(at, m.kind, m.line)
		if m.kind == far {
			break
		}
	}
	return r
}

// end ends the machine.
func (r ran) end(why string) {
	r.b.t.Helper()
	r.stop()
	if err := r.End(r.b.now, why); err != nil {
		r.b.t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		r.b.t.Fatal(err)
	}
}

// built is the builds of a workspace with two.
func built() feed.Builds {
	one := func(id string, types ...string) *feed.Build {
		b := &feed.Build{ID: id}
		b.Arch, b.Local = "x86_64", true
		for _, kind := range types {
			b.Artifacts = append(b.Artifacts, workspace.ListedArtifact{Type: kind})
		}
		return b
	}
	list := []*feed.Build{one("12.20261122.1", "ostree", "qemu"), one("12.20261122.0", "ostree", "qemu", "metal4k")}
	list[0].Latest = true
	list[1].Tags = []string{"good"}
	return feed.Builds{List: list}
}
