package stages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/logview"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/event"
)

// seen tells the stage of the cursor, the job of the cursor, and the one whose log is seen.
func (b *bench) seen() []string {
	stage := ""
	if st := b.s.currentStage(); st != nil {
		stage = st.Name
	}
	row, shown := "", ""
	if j := b.s.currentRow().job; j != nil {
		row = string(j.Info.ID)
	}
	if j, ok := b.s.job(); ok {
		shown = string(j.Info.ID)
	}
	return []string{stage, row, shown}
}

func (b *bench) wantSeen(what string, want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.seen()); diff != "" {
		b.t.Errorf("%s: stage, job of the cursor, job that is shown:\n%s", what, diff)
	}
}

// What the user starts is what is seen and what the cursors are on, whatever pane has the keys.
func TestStartedIsShown(t *testing.T) {
	for _, focus := range paneNames() {
		b := ready(t)
		b.begin("build", "build").end(event.Event{Kind: event.Finish})
		b.s.SetFocus(focus)
		m := b.begin("fetch", "fetch")
		id := string(m.Info.ID)
		b.does(b.s.Handle(screen.Started{Tag: tagStart, Job: id})) // before the feed knows of it
		b.readJobs()
		b.wantSeen(focus, "fetch", id, id)
		if got := b.s.Chosen(); got.Job != id {
			t.Errorf("%s: chosen is %+v", focus, got)
		}
	}
}

// What the queue starts does not take a log away from who reads it.
func TestQueueDoesNotInterrupt(t *testing.T) {
	for _, tt := range []struct {
		focus string
		stays bool
	}{{paneLog, true}, {paneStages, false}} {
		b := ready(t)
		first := b.begin("build", "build")
		b.readJobs()
		first.end(event.Event{Kind: event.Finish})
		b.s.SetFocus(tt.focus)
		next := b.begin("check", "check")
		b.does(b.s.Handle(screen.Started{Tag: tagQueue + " 1", Job: string(next.Info.ID)}))
		b.readJobs()
		want := next.Info.ID
		if tt.stays {
			want = first.Info.ID
		}
		if b.s.shown != string(want) {
			t.Errorf("with %s: %s is shown", tt.focus, b.s.shown)
		}
	}
}

// A stage without a job shows what it is and no other's log, until it has one.
func TestStageWithoutJob(t *testing.T) {
	b := ready(t)
	build := b.begin("build", "build")
	build.end(event.Event{Kind: event.Finish})
	b.on("build")
	b.press("down") // the image of qemu
	b.wantSeen("no job", "buildextend-qemu", string(build.Info.ID), "")
	for _, want := range []string{"Make the qemu image", "after build", "no estimate", "buildextend-qemu has not run yet"} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("%q is not said in\n%s", want, b.text())
		}
	}
	b.readJobs() // nothing else takes its place
	b.wantSeen("still none", "buildextend-qemu", string(build.Info.ID), "")
	m := b.begin("buildextend-qemu", "buildextend-qemu") // from elsewhere
	b.readJobs()
	b.wantSeen("one", "buildextend-qemu", string(m.Info.ID), string(m.Info.ID))
	b.press("up")
	b.wantSeen("back", "build", string(build.Info.ID), string(build.Info.ID))
}

// All of why a stage stands as it does can be read at every size.
func TestReasonIsWhole(t *testing.T) {
	list := stageList()
	why := "overlay/05core: etc/motd changed, 12 packages changed: bash, coreutils, dracut, and 9 more, manifest changed (manifests/system.yaml)"
	list.Stages[1].Reason = why
	b := newBench(t, "")
	b.listed(list)
	b.begin("build", "build").end(event.Event{Kind: event.Finish})
	b.on("build")
	for _, size := range [][2]int{{80, 21}, {120, 37}, {200, 57}} {
		b.w, b.h = size[0], size[1]
		var text strings.Builder
		for _, p := range b.s.Panes(b.w, b.h) {
			c := b.draw()
			for y := p.Rect.Y + 1; p.ID == paneProgress && y < p.Rect.Y+p.Rect.H-1; y++ {
				row := []rune(c.Text(y))
				row = row[min(p.Rect.X+1, len(row)):]
				text.WriteString(strings.TrimSpace(string(row[:min(p.Rect.W-2, len(row))])) + " ")
			}
		}
		if !strings.Contains(text.String(), why) {
			t.Errorf("%v: not all is said in %q", size, text.String())
		}
	}
}

// A program that was ended with its job did not fail.
func TestCancelledStepDidNotFail(t *testing.T) {
	b := ready(t)
	m := b.begin("exec", "exec", "--", "sleep", "100")
	m.say(event.Event{Kind: event.Start}, event.Event{Kind: event.Plan, Step: "exec", Title: "sleep 100"}, event.Event{Kind: event.Step, Step: "exec", State: event.Run},
		event.Event{Kind: event.Step, Step: "exec", State: event.Done, Level: event.Error})
	m.end(event.Event{Kind: event.Fail, Code: 130, Text: "cancelled", Step: "exec"})
	j, _ := b.s.job()
	if len(j.Steps) != 1 || j.Steps[0].State != feed.StepStopped {
		t.Errorf("steps %+v", j.Steps)
	}
}

// A jump that leads nowhere says so.
func TestNothingToJumpTo(t *testing.T) {
	b := ready(t)
	b.begin("fetch", "fetch").end(event.Event{Kind: event.Finish})
	b.s.SetFocus(paneLog)
	b.said()
	b.press("E", "W", "n", "'")
	want := "note: no error further on\nnote: no warning further on\nnote: nothing matches\nnote: no line is marked: m marks one"
	if diff := cmp.Diff(want, b.said()); diff != "" {
		t.Error(diff)
	}
}

// A log that was shown before is as it was left, without being read again; of the many only the last are kept.
func TestLogsAreKept(t *testing.T) {
	b := ready(t)
	build := b.begin("build", "build")
	fetch := b.begin("fetch", "fetch")
	b.readJobs()
	b.does(b.s.show(string(build.Info.ID)))
	left := b.s.log.View()
	if err := left.Find("needle"); err != nil {
		t.Fatal(err)
	}
	b.does(b.s.show(string(fetch.Info.ID)))
	if b.s.log.View() == left {
		t.Fatal("another job has the same log")
	}
	build.end(event.Event{Kind: event.Fail, Text: "it broke"})
	b.readJobs()
	b.does(b.s.show(string(build.Info.ID)))
	if b.s.log.View() != left || left.Finding() != "needle" {
		t.Error("the log is another one")
	}
	if b.s.logs.end() {
		t.Error("it was not told that its job has ended")
	}
	for i := range 2 * keptLogs {
		b.s.logs.open(string(rune('a'+i)), func() *logview.View { return nil })
	}
	if len(b.s.logs) != keptLogs {
		t.Errorf("%d logs are kept", len(b.s.logs))
	}
}
