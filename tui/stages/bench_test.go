package stages

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// noon is when the tests look at the screen; the recording's jobs are of the day after.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC) }

// bench is a screen with a stand-in for tui around it.
type bench struct {
	t       testing.TB
	s       *Screen
	ws      *workspace.Workspace
	now     time.Time
	effects []screen.Effect
	w, h    int
	theme   *theme.Theme
}

// newBench makes a screen over a workspace; dir "" is an empty one.
func newBench(t testing.TB, dir string) *bench {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	b := &bench{t: t, ws: &workspace.Workspace{Dir: dir}, now: noon(), w: 120, h: 37, theme: theme.New(theme.Options{Mono: true})}
	b.s = New(screen.Env{WS: b.ws, Nosa: "/bin/false", User: recordedUser, Now: func() time.Time { return b.now }})
	return b
}

// does keeps the effects; the log that is shown is read.
func (b *bench) does(effects []screen.Effect) {
	b.effects = append(b.effects, effects...)
}

func (b *bench) draw() *canvas.Canvas {
	c := canvas.New(b.w, b.h)
	c.Ellipsis = b.theme.Glyphs.Ellipsis
	b.s.Draw(c.Area(), screen.Frame{Theme: b.theme, Now: b.now, Active: true})
	return c
}

func (b *bench) text() string { return tuitest.Text(b.draw()) }

// readJobs gives the screen the jobs as the feed tells them now.
func (b *bench) readJobs() {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	var last feed.Jobs
	var got bool
	feed.FollowJobs(ctx, b.ws, func(e any) {
		last, got = e.(feed.Jobs), true
		cancel()
	})
	if !got {
		b.t.Fatal("the feed said nothing")
	}
	b.does(b.s.Handle(last))
}

// unread is a row of the log that is still to be read.
var unread = regexp.MustCompile(`(?m)[│┃|#] +[…~] +[│┃|#]$`)

// readLog reads the log that is shown, until all that is seen of it is there.
func (b *bench) readLog() {
	b.t.Helper()
	j, ok := b.s.job()
	if !ok {
		return
	}
	data, err := os.ReadFile(job.LogPath(j.Dir))
	if err != nil {
		b.t.Fatal(err)
	}
	lines := bytes.Count(data, []byte("\n"))
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	news := make(chan screen.Event)
	var wg sync.WaitGroup
	wg.Go(func() {
		b.s.log.View().Source().Follow(ctx, func(e any) {
			select {
			case news <- e:
			case <-ctx.Done():
			}
		})
	})
	defer func() { cancel(); wg.Wait() }()
	for read := false; ; read = true {
		if text := b.text(); read && b.s.log.View().Lines() == lines && !unread.MatchString(text) && !strings.Contains(text, "reading") {
			return
		}
		select {
		case e := <-news:
			b.s.Handle(e)
		case <-ctx.Done():
			b.t.Fatalf("the log is not read: %d of %d lines\n%s", b.s.log.View().Lines(), lines, b.text())
		}
	}
}

// press gives keys to the actions of the screen, and to it.
func (b *bench) press(keys ...string) {
	b.t.Helper()
	for _, name := range keys {
		b.does(b.key(name))
		b.draw()
	}
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

// said tells the effects since it was asked last, without those that read.
func (b *bench) said() string {
	var out []string
	for _, e := range b.effects {
		switch e := e.(type) {
		case screen.Work, screen.Follow, screen.Unfollow:
		case screen.Start:
			out = append(out, "start "+strings.Join(e.Args, " "))
		case screen.Notice:
			out = append(out, string(e.Level)+": "+e.Text)
		case screen.Ask:
			out = append(out, "ask "+e.Title)
		case screen.Go:
			out = append(out, fmt.Sprintf("go %s %s:%d:%d", e.Screen, e.Target.File, e.Target.Line, e.Target.Column))
		default:
			out = append(out, fmt.Sprintf("%T%v", e, e))
		}
	}
	b.effects = nil
	return strings.Join(out, "\n")
}

// last gives the last Start.
func (b *bench) lastStart() screen.Start {
	b.t.Helper()
	for _, e := range slices.Backward(b.effects) {
		if st, ok := e.(screen.Start); ok {
			return st
		}
	}
	b.t.Fatal("nothing was started")
	return screen.Start{}
}

// golden compares the screen at what tui leaves of 80x24, 120x40, 200x60.
func (b *bench) golden(name string) {
	b.t.Helper()
	for _, size := range [][2]int{{80, 21}, {120, 37}, {200, 57}} {
		b.w, b.h = size[0], size[1]
		b.draw()
		b.readLog()
		tuitest.Golden(b.t, fmt.Sprintf("%s-%d", name, b.w), b.draw())
	}
}

// making is a job that a test runs.
type making struct {
	*job.Job
	b *bench
}

// begin makes a job that runs until it is ended; its times are those of the bench.
func (b *bench) begin(stage string, argv ...string) making {
	b.t.Helper()
	j, err := job.Create(b.ws.JobsDir(), job.Info{Stage: stage, Argv: append([]string{"nosa"}, argv...), User: recordedUser, Host: recordedHost, Created: b.now})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = j.Close() })
	return making{j, b}
}

func (m making) say(events ...event.Event) {
	m.b.t.Helper()
	for _, e := range events {
		journal, err := job.OpenJournal(m.Dir, func() time.Time {
			if e.Time.IsZero() {
				return m.b.now
			}
			return e.Time
		})
		if err != nil {
			m.b.t.Fatal(err)
		}
		journal.Emit(e)
		if err := journal.Close(); err != nil {
			m.b.t.Fatal(err)
		}
	}
}

func (m making) end(last event.Event) {
	m.b.t.Helper()
	m.say(last)
	if err := m.Close(); err != nil {
		m.b.t.Fatal(err)
	}
	m.b.readJobs()
}

// stageList is a list like that of nosa stages, of a workspace with one build.
func stageList() workspace.StageList {
	shared := func(name string) workspace.StageLock { return workspace.StageLock{Name: name} }
	alone := func(name string) workspace.StageLock { return workspace.StageLock{Name: name, Exclusive: true} }
	image := func(kind string) workspace.Stage {
		return workspace.Stage{
			Name: "buildextend-" + kind, Title: "Make the " + kind + " image", Argv: []string{"buildextend-" + kind}, Needs: []string{"build"},
			Locks: []workspace.StageLock{shared("builds"), shared("cache"), alone("image/" + kind)}, State: workspace.StageFresh,
		}
	}
	return workspace.StageList{Build: "12.20261122.0", Stages: []workspace.Stage{
		{
			Name: "fetch", Title: "Resolve the packages and download them", Argv: []string{"fetch"}, Locks: []workspace.StageLock{shared("builds"), alone("cache")},
			State: workspace.StageStale, Reason: "what is asked for changed since the last fetch: manifest.yaml",
			Last: &workspace.StageRun{MS: 12_300, Result: "finished"},
		},
		{
			Name: "build", Title: "Compose the tree, commit it, make images of it", Argv: []string{"build"}, Needs: []string{"fetch"},
			Locks: []workspace.StageLock{shared("builds"), alone("cache")}, State: workspace.StageStale, Reason: "overlay/05core: etc/motd changed",
			Estimate: &workspace.StageEstimate{MS: 242_000, Runs: 4},
			Options: []workspace.StageOption{
				{Name: "target", Help: "what to make", Kind: workspace.OptionMany, Choices: []string{"ostree", "qemu", "metal"}},
				{Flag: "--engine", Name: "engine", Kind: workspace.OptionChoice, Choices: []string{"auto", "dnf"}, Default: "auto"},
				{Flag: "--force", Name: "force", Kind: workspace.OptionBool, Default: "false"},
				{Flag: "--tag", Name: "tag", Kind: workspace.OptionText},
			},
		},
		image("qemu"), image("metal"),
		{
			Name: "check", Title: "Boot a build's image and look", Argv: []string{"check"}, Needs: []string{"build", "buildextend-qemu", "buildextend-metal"},
			Locks: []workspace.StageLock{shared("builds")}, State: workspace.StageFailed, Reason: "checks failed: qemu on uefi",
		},
		{Name: "prune", Title: "Remove old builds", Argv: []string{"prune"}, Needs: []string{"build"}, Locks: []workspace.StageLock{alone("builds"), alone("cache")}, State: workspace.StageNever},
	}}
}

// listed gives the screen the stages.
func (b *bench) listed(list workspace.StageList) *bench {
	b.does(b.s.Handle(listRead{list: list}))
	return b
}

// recordedCopy is a copy of the recording that jobs can be made in.
func recordedCopy(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(recorded)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// upTo gives the events of a recorded journal before a step ends.
func upTo(t testing.TB, id, step string) []event.Event {
	t.Helper()
	list, err := job.ReadEvents(filepath.Join(recorded, "tmp", "jobs", id, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(e event.Event) bool { return e.Step == step && e.State == event.Done })
	if i < 0 {
		t.Fatalf("%s has no step %s", id, step)
	}
	return list[:i]
}
