package builds_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace"
)

// What changes builds changes the marked ones, each by a job of its own; the detail is about the one it shows.
func TestMarkedBuilds(t *testing.T) {
	start := func(args ...string) screen.Effect { return screen.Start{Args: args, Tag: "builds." + args[0]} }
	warn := func(text string) screen.Effect { return screen.Notice{Level: screen.Warn, Text: text} }
	for _, tt := range []struct {
		name, keys string
		want       []screen.Effect
	}{
		{"verify", "space space v", []screen.Effect{start("verify", "--build", "42.20261122.dev.3"), start("verify", "--build", "42.20261122.dev.2")}},
		{"those that can", "space space C", []screen.Effect{start("decompress", "--build", "42.20261122.dev.2")}},
		{"none can", "space j space C", []screen.Effect{warn("builds.decompress: none of the marked: nothing of it is compressed")}},
		{"one marked, the cursor elsewhere", "space j v", []screen.Effect{start("verify", "--build", "42.20261122.dev.3")}},
		{"the cursor on a deleted one", "space G v", []screen.Effect{start("verify", "--build", "42.20261122.dev.3")}},
		{"in the detail", "space space enter v", []screen.Effect{start("verify", "--build", "42.20261121.dev.9")}},
		{"a tag", "space space t", []screen.Effect{warn("builds.tag: for one build at a time, 2 are marked; U takes the marks away")}},
		{"a check", "space space B", []screen.Effect{warn("builds.check: for one build at a time, 2 are marked; U takes the marks away")}},
		{"an image", "space space m", []screen.Effect{warn("builds.make: for one build at a time, 2 are marked; U takes the marks away")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newBench(t, sample(), nil)
			x.press(strings.Fields(tt.keys)...)
			if diff := cmp.Diff(tt.want, x.effects); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Marked builds that are in work stay, and that is said before.
func TestDeleteMarked(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("space", "space", "space", "D")
	ask := x.last().(screen.Ask)
	if ask.Typed != "2" || ask.Title != "Delete 2 builds" {
		t.Errorf("%+v", ask)
	}
	for _, want := range []string{"42.20261122.dev.2, 42.20261121.dev.9", "1 marked one stays"} {
		if got := strings.Join(ask.Text, "\n"); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	x.does(x.s.Handle(screen.Answer{Tag: ask.Tag, Choice: "delete"}))
	if diff := cmp.Diff("-C WS --output json --no-wait delete 42.20261122.dev.2 42.20261121.dev.9 --force\n", x.commands()); diff != "" {
		t.Error(diff)
	}
}

// Which images there are is nosa's to say: until it has, nothing is made or booted, and it is asked again.
func TestImagesAreToldByNosa(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("j", "j", "m")
	pick := x.last().(screen.Pick)
	if got := pick.Items[len(pick.Items)-1].Detail; got != "nosa buildextend-live --build 42.20261121.dev.9" {
		t.Errorf("the last is made by %q", got)
	}
	x.does(x.s.Handle(feed.Builds{})) // the build goes while the list is open
	x.does(x.s.Handle(screen.Picked{Tag: pick.Tag, ID: "live"}))
	want := screen.Start{Args: []string{"buildextend-live", "--build", "42.20261121.dev.9"}, Tag: "builds.buildextend-live"}
	if diff := cmp.Diff(want, x.last()); diff != "" {
		t.Error(diff)
	}

	y := newBench(t, sample(), map[string]string{"stages": "nothing"})
	y.press("j", "j", "m")
	if got := y.last().(screen.Notice).Text; !strings.Contains(got, "nosa stages did not tell which images there are") {
		t.Error(got)
	}
	if len(y.s.Handle(sample())) == 0 {
		t.Error("nosa is not asked again")
	}
}

// What a step usually takes stands beside what it took, where that is not the same.
func TestUsualDurations(t *testing.T) {
	b := recordedBuilds(t)
	x := newBench(t, b, nil)
	x.w, x.h = 80, 60
	l := b.List[0].Logs[0]
	step := l.Steps[len(l.Steps)-1]
	var h workspace.History
	for range 3 {
		h = append(h, workspace.Duration{Stage: l.Stage, Step: step.Name, MS: 74_000, When: now.Add(-time.Hour)})
	}
	x.s.Handle(feed.Jobs{History: h[:1]})
	if got := tuitest.Text(x.draw()); strings.Contains(got, "usually") {
		t.Errorf("once is not usual:\n%s", got)
	}
	x.s.Handle(feed.Jobs{History: h})
	x.press("enter", "G")
	got := tuitest.Text(x.draw())
	for _, want := range []string{"Job " + l.Stage + "  usually 1:14", step.Title + "  usually 1:14"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// A broken index is said whole, with what mends it; cursor and marks are found again when it is over.
func TestBrokenIndex(t *testing.T) {
	b := sample()
	x := newBench(t, b, nil)
	x.w, x.h = 80, 21
	x.press("space", "j")
	x.s.Handle(feed.Builds{Problem: "the index of builds is broken: reading builds/builds.json: unexpected end of JSON input", Remedy: "Move builds/builds.json away.", Deleted: b.Deleted})
	tuitest.Golden(t, "index-80", x.draw())
	if got := x.s.Chosen(); got.Build != "" {
		t.Errorf("%v is chosen", got)
	}
	x.s.Handle(b)
	if got := x.s.Chosen().Build; got != "42.20261121.dev.9" {
		t.Errorf("at %s afterwards", got)
	}
	if got := x.s.Hint(); got != "1 marked: mark another and d compares them" {
		t.Error(got)
	}
}
