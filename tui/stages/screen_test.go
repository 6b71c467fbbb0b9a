package stages

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// ofRecording is a bench over the recording, the day after.
func ofRecording(t testing.TB, dir string) *bench {
	b := newBench(t, dir)
	b.now = noon().Add(24 * time.Hour)
	b.readJobs()
	return b.listed(readList(t))
}

func TestGoldenEmpty(t *testing.T) {
	b := newBench(t, "")
	b.readJobs()
	b.listed(stageList())
	b.golden("empty")
}

func TestGoldenRecorded(t *testing.T) {
	b := ofRecording(t, recordedCopy(t))
	b.does(b.s.Open(screen.Target{Job: "20261123T082313Z-build-3727"}))
	b.s.SetFocus(paneStages)
	b.golden("recorded")
	b.w, b.h, b.theme = 120, 37, tuitest.RoleTheme()
	tuitest.GoldenStyles(t, "recorded-style", b.draw(), b.theme)
}

// A check of the recording that failed: what it says stands above its log.
func TestGoldenFailed(t *testing.T) {
	b := ofRecording(t, recordedCopy(t))
	b.does(b.s.Open(screen.Target{Job: "20261123T061854Z-check-946a"}))
	b.golden("failed")
	b.theme = theme.New(theme.Options{Mono: true, ASCII: true})
	b.w, b.h = 80, 21
	b.draw()
	b.readLog()
	tuitest.Golden(t, "failed-ascii-80", b.draw())
}

// A build in the middle of its work, by the journal and the durations of the recording.
func TestGoldenRunning(t *testing.T) {
	b := ofRecording(t, recordedCopy(t))
	m := b.begin("build", "build", "qemu", "metal4k")
	events := upTo(t, "20261123T055019Z-build-5227", "qemu")
	m.say(events...)
	b.now = events[len(events)-1].Time.Add(2 * time.Second)
	if err := os.WriteFile(job.LogPath(m.Dir), []byte("2026-11-23T05:50:40Z\tqemu\tCreating filesystem\n2026-11-23T05:50:41Z\tqemu\twarning: something\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.readJobs()
	b.s.wanted = string(m.Info.ID)
	b.does(b.s.showWanted())
	b.golden("running")
}

// A job in a container says in which, as far as there is room; what it says of that obeys nothing.
func TestJobInContainer(t *testing.T) {
	b := newBench(t, "")
	j, err := job.Create(b.ws.JobsDir(), job.Info{
		Stage: "build", Argv: []string{"nosa", "-C", "/srv/ws", "--backend", "podman", "build"}, Backend: "podman\x1b[31m", Container: "nosa-20261122t120358z-build-7f3a",
		User: recordedUser, Host: recordedHost, Created: b.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.readJobs()
	b.listed(stageList())
	b.does(b.s.Open(screen.Target{Job: string(j.Info.ID)}))
	b.s.SetFocus(paneProgress)
	for w, want := range map[int]string{
		80:  "ann@build1 in podman [31m nosa-20261122t120358z-build-7f3a ━",
		100: "ann@build1 in podman [31m ━",
		200: "0:00   12:04  podman [31m",
	} {
		b.w = w
		if text := b.text(); !strings.Contains(text, want) {
			t.Errorf("%d columns: no %q in\n%s", w, want, text)
		}
	}
	if hint := b.s.Hint(); !strings.HasSuffix(hint, ": nosa --backend podman build") {
		t.Errorf("the hint is %q", hint)
	}
	_ = j.Close()
	b.now = b.now.Add(time.Minute)
	b.readJobs()
	b.w = 200
	if text := b.text(); !strings.Contains(text, "ann@build1 in podman [31m") {
		t.Errorf("an ended job: \n%s", text)
	}
}

// A build runs, another and a check wait, one that waited is held.
func TestGoldenQueue(t *testing.T) {
	b := newBench(t, "")
	b.readJobs()
	b.listed(stageList())
	m := b.begin("build", "build")
	m.say(event.Event{Kind: event.Start}, event.Event{Kind: event.Plan, Step: "install", Title: "install packages"}, event.Event{Kind: event.Plan, Step: "commit", Title: "commit the tree"},
		event.Event{Kind: event.Step, Step: "install", State: event.Run}, event.Event{Kind: event.Progress, Step: "install", Done: 43, Total: 222, Unit: event.UnitPackages})
	b.s.queue.add(entry{stage: "fetch", args: []string{"fetch"}, held: "it waited when the workbench ended"})
	b.readJobs()
	b.now = b.now.Add(9 * time.Second)
	b.s.stages.Select("build")
	b.press("enter")
	b.s.stages.Select("check")
	b.press("a")
	b.golden("queue")
}

// Panes never overlap, never leave the screen, and the one with the keys is there.
func TestPanes(t *testing.T) {
	b := ofRecording(t, recordedCopy(t))
	for _, focus := range paneNames() {
		b.s.SetFocus(focus)
		for _, zoomed := range []bool{false, true} {
			b.s.SetZoomed(zoomed)
			for w := 40; w <= 300; w++ {
				for h := 4; h <= 100; h++ {
					checkPanes(t, b.s, w, h)
				}
			}
		}
	}
}

func checkPanes(t *testing.T, s *Screen, w, h int) {
	t.Helper()
	area, found := 0, false
	var rects []canvas.Rect
	for _, p := range s.Panes(w, h) {
		r := p.Rect
		if r.X < 0 || r.Y < 0 || r.X+r.W > w || r.Y+r.H > h || r.Empty() {
			t.Fatalf("%dx%d: %s is %v", w, h, p.ID, r)
		}
		area += r.W * r.H
		found = found || p.ID == s.Focus() && (r.H >= 3 || h < 7)
		rects = append(rects, r)
	}
	if a, b, ok := canvas.Overlap(rects); ok {
		t.Fatalf("%dx%d: %v and %v overlap", w, h, a, b)
	}
	if area != w*h || !found {
		t.Fatalf("%dx%d with %s: %d of %d cells, the pane with the keys is there: %v: %v", w, h, s.Focus(), area, w*h, found, s.Panes(w, h))
	}
}

// However small it is, drawing stays within and says what the pane with the keys is.
func TestDrawSmall(t *testing.T) {
	b := ofRecording(t, recordedCopy(t))
	for _, focus := range paneNames() {
		b.s.SetFocus(focus)
		for _, size := range [][2]int{{40, 7}, {40, 10}, {59, 30}, {60, 16}, {99, 12}, {1, 1}, {300, 100}} {
			b.w, b.h = size[0], size[1]
			if text := b.text(); b.w >= 40 && strings.TrimSpace(text) == "" {
				t.Errorf("%v with %s: nothing is drawn", size, focus)
			}
		}
	}
	b.w, b.h = 40, 7
	b.s.SetFocus(paneStages)
	tuitest.Golden(t, "small-40", b.draw())
}

// A frame costs the same whatever there is besides what is seen.
func TestDrawAllocations(t *testing.T) {
	b := ofRecording(t, recordedCopy(t))
	b.readLog()
	c := canvas.New(120, 37)
	frame := screen.Frame{Theme: b.theme, Now: b.now, Active: true}
	n := testing.AllocsPerRun(20, func() {
		c.Reset(120, 37)
		b.s.Draw(c.Area(), frame)
	})
	t.Logf("%.0f allocations a frame", n)
	if n > 200 {
		t.Errorf("%.0f allocations a frame", n)
	}
}

// What the screen says of each job is what nosa jobs says at that moment.
func TestStatesAgreeWithJobs(t *testing.T) {
	b := newBench(t, "")
	b.listed(stageList())
	agree := func(what string) {
		t.Helper()
		b.readJobs()
		list, err := job.List(b.ws.JobsDir())
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, st := range list {
			word := string(st.State)
			switch {
			case st.State == job.Failed && st.Last.Code == 130:
				word = "cancelled"
			case st.State == job.Finished:
				word = "done"
			}
			want = append(want, string(st.Info.ID)+" "+word)
		}
		for i, r := range b.s.jobRows.list {
			got = append(got, string(r.job.Info.ID)+" "+b.s.jobRows.Cell(i, jobState).Text)
		}
		if strings.Join(want, "\n") != strings.Join(got, "\n") {
			t.Errorf("%s: the screen says\n%s\nand nosa jobs\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	agree("none")
	one, two, three := b.begin("build"), b.begin("check"), b.begin("verify")
	agree("three run")
	one.end(event.Event{Kind: event.Finish})
	two.end(event.Event{Kind: event.Fail, Code: 130, Text: "cancelled"})
	agree("one done, one cancelled")
	if err := three.Close(); err != nil {
		t.Fatal(err)
	}
	agree("one lost")
	b.begin("fetch").end(event.Event{Kind: event.Fail, Code: 1, Text: "no"})
	agree("one failed")
}

// A stage that the config blocks leads to the mistake.
func TestBlockedLeadsToTheMistake(t *testing.T) {
	list := stageList()
	list.Stages[0].State, list.Stages[0].Reason, list.Stages[0].Path = workspace.StageBlocked, "this '[' is never closed", "src/config/manifest.yaml:11:7"
	b := newBench(t, "").listed(list)
	b.readJobs()
	b.said()
	b.press("enter")
	want := "go source src/config/manifest.yaml:11:7"
	if got := b.said(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if hint := b.s.Hint(); !strings.Contains(hint, "manifest.yaml:11:7: this '['") {
		t.Errorf("the hint is %q", hint)
	}
}
