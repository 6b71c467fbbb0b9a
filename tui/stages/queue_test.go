package stages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/event"
)

// select puts the cursor on a stage and presses keys.
func (b *bench) on(stage string, keys ...string) {
	b.t.Helper()
	b.s.SetFocus(paneStages)
	if !b.s.stages.Select(stage) {
		b.t.Fatalf("no stage %s", stage)
	}
	b.press(keys...)
}

// ready is a bench with stages and no jobs.
func ready(t *testing.T) *bench {
	b := newBench(t, "")
	b.readJobs()
	b.listed(stageList())
	b.said()
	return b
}

// waiting tells the queue: "build queued, check held".
func (b *bench) waiting() string {
	var out []string
	for _, e := range b.s.queue.list {
		_, word := entryLook(&e, b.theme.Glyphs)
		out = append(out, e.stage+" "+word)
	}
	return strings.Join(out, ", ")
}

func TestWhatRunsAtTheSameTime(t *testing.T) {
	for _, c := range []struct {
		runs, start string
		waits       bool
	}{
		{"build", "build", true},
		{"build", "fetch", true},
		{"fetch", "build", true},
		{"buildextend-qemu", "buildextend-metal", false},
		{"buildextend-qemu", "buildextend-qemu", true},
		{"fetch", "buildextend-qemu", true}, // the cache is fetch's alone
		{"check", "fetch", false},
		{"check", "build", false},
		{"build", "check", true}, // it takes what is being made
		{"buildextend-qemu", "check", true},
		{"check", "prune", true},
		{"init", "build", false}, // not in the list: nosa's own locks decide
	} {
		b := ready(t)
		b.begin(c.runs, c.runs)
		b.readJobs()
		b.said()
		b.on(c.start, "enter")
		got := b.said()
		if waits := strings.Contains(got, "is queued"); waits != c.waits || !waits && got != "start "+c.start {
			t.Errorf("%s while %s runs: %q", c.start, c.runs, got)
		}
	}
}

// One after the other, as long as each ends well.
func TestQueueGoesOn(t *testing.T) {
	b := ready(t)
	fetch := b.begin("fetch", "fetch")
	b.readJobs()
	b.on("build", "enter")
	b.on("check", "enter")
	if diff := cmp.Diff("build queued, check queued", b.waiting()); diff != "" {
		t.Fatal(diff)
	}
	b.said()
	fetch.end(event.Event{Kind: event.Finish})
	st := b.lastStart()
	if diff := cmp.Diff("start build", b.said()); diff != "" {
		t.Fatal(diff)
	}
	b.readJobs()
	if got := b.said(); got != "" {
		t.Fatalf("started twice: %s", got)
	}
	build := b.begin("build", "build")
	b.does(b.s.Handle(screen.Started{Args: st.Args, Tag: st.Tag, Job: string(build.Info.ID)}))
	b.readJobs()
	if diff := cmp.Diff("check queued", b.waiting()); diff != "" {
		t.Fatal(diff)
	}
	if b.s.shown != string(build.Info.ID) {
		t.Errorf("%s is shown, not the job that was started", b.s.shown)
	}
	build.end(event.Event{Kind: event.Finish})
	if diff := cmp.Diff("start check", b.said()); diff != "" {
		t.Error(diff)
	}
}

// What was before it failed: it is held, and starts when the user says so.
func TestQueueHolds(t *testing.T) {
	for _, c := range []struct {
		last event.Event
		why  string
	}{
		{event.Event{Kind: event.Fail, Code: 1, Text: "no"}, "fetch failed"},
		{event.Event{Kind: event.Fail, Code: 130, Text: "cancelled"}, "fetch cancelled"},
		{event.Event{Kind: event.Log}, "fetch lost"},
	} {
		b := ready(t)
		fetch := b.begin("fetch", "fetch")
		b.readJobs()
		b.on("build", "enter")
		b.on("check", "enter")
		b.said()
		fetch.end(c.last)
		if got := b.said(); got != "" {
			t.Errorf("%s: started all the same: %s", c.why, got)
		}
		if diff := cmp.Diff("build held, check queued", b.waiting()); diff != "" {
			t.Error(diff)
		}
		if got := b.s.queue.list[0].held; got != c.why {
			t.Errorf("held as %q, want %q", got, c.why)
		}
		b.s.SetFocus(paneJobs)
		b.s.table.Select(b.s.queue.list[0].key())
		b.press("enter")
		if got := b.said(); got != "start build" {
			t.Errorf("%s: %q", c.why, got)
		}
	}
}

func TestQueueCanBeLeft(t *testing.T) {
	b := ready(t)
	b.begin("build", "build")
	b.readJobs()
	b.on("fetch", "a")
	if diff := cmp.Diff([]string{"1 stage of the queue: nothing starts them any more"}, b.s.Dirty()); diff != "" {
		t.Error(diff)
	}
	state := b.s.Save()
	b.on("fetch", "x")
	if b.waiting() != "" || b.s.Dirty() != nil {
		t.Errorf("still there: %s", b.waiting())
	}
	later := ready(t)
	later.s.Restore(state)
	if diff := cmp.Diff("fetch held", later.waiting()); diff != "" {
		t.Error(diff)
	}
	later.s.Restore([]byte("{broken"))
}

// A start that is refused stays, with the reason.
func TestQueueRefused(t *testing.T) {
	b := ready(t)
	fetch := b.begin("fetch", "fetch")
	b.readJobs()
	b.on("build", "enter")
	fetch.end(event.Event{Kind: event.Finish})
	st := b.lastStart()
	b.said()
	b.does(b.s.Handle(screen.Started{Args: st.Args, Tag: st.Tag, Err: &screen.QueryError{Args: st.Args, Text: "no"}}))
	if diff := cmp.Diff("build held", b.waiting()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("bad: build: nosa build: no", b.said()); diff != "" {
		t.Error(diff)
	}
}

func TestCancel(t *testing.T) {
	b := ready(t)
	m := b.begin("build", "build")
	b.readJobs()
	b.said()
	b.on("build", "x")
	if diff := cmp.Diff("screen.Cancel{"+string(m.Info.ID)+"}", b.said()); diff != "" {
		t.Error(diff)
	}
	b.s.env.User = "another"
	b.on("build", "x")
	if diff := cmp.Diff("ask Cancel build?", b.said()); diff != "" {
		t.Error(diff)
	}
	b.s.env.User = m.Info.User
	b.now = b.now.Add(2 * longRun)
	b.on("build", "x")
	if diff := cmp.Diff("ask Cancel build?", b.said()); diff != "" {
		t.Error(diff)
	}
	b.does(b.s.Handle(screen.Answer{Tag: askCancel + " " + string(m.Info.ID), Choice: "keep"}))
	if got := b.said(); got != "" {
		t.Errorf("kept, and %q", got)
	}
	b.does(b.s.Handle(screen.Answer{Tag: askCancel + " " + string(m.Info.ID), Choice: "stop"}))
	if diff := cmp.Diff("screen.Cancel{"+string(m.Info.ID)+"}", b.said()); diff != "" {
		t.Error(diff)
	}
	m.end(event.Event{Kind: event.Finish})
	b.s.SetFocus(paneLog)
	b.press("x")
	if diff := cmp.Diff("warn: stages.cancel: build has ended", b.said()); diff != "" {
		t.Error(diff)
	}
}

func TestRetry(t *testing.T) {
	b := ready(t)
	b.begin("check", "-C", "/srv/x", "check", "--artifact", "metal", "--output", "json").end(event.Event{Kind: event.Fail, Text: "no", Path: "src/config/manifest.yaml:3:4"})
	b.said()
	b.s.SetFocus(paneProgress)
	b.press("R", "f", "s")
	want := "start check --artifact metal\ngo source src/config/manifest.yaml:3:4\nwarn: stages.shell: only a build that has failed leaves a tree"
	if diff := cmp.Diff(want, b.said()); diff != "" {
		t.Error(diff)
	}
}

// Builds are removed when that was confirmed, and never beside a job.
func TestClean(t *testing.T) {
	b := ready(t)
	m := b.begin("build", "build")
	b.readJobs()
	if got := b.s.cleanOff(); got != "a job runs" {
		t.Errorf("beside a job: %q", got)
	}
	m.end(event.Event{Kind: event.Finish})
	b.readJobs()
	if got := b.s.cleanOff(); got != "" {
		t.Error(got)
	}
	for choice, want := range map[string][]screen.Effect{
		"keep":   nil,
		"builds": {screen.Start{Args: []string{"clean"}, Tag: askClean}},
		"all":    {screen.Start{Args: []string{"clean", "--all"}, Tag: askClean}},
	} {
		ask := b.s.askClean()[0].(screen.Ask)
		if diff := cmp.Diff(want, b.s.Handle(screen.Answer{Tag: ask.Tag, Choice: choice})); diff != "" {
			t.Errorf("%s: %s", choice, diff)
		}
	}
}
