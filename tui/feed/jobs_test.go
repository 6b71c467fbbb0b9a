package feed_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// start is the time of all that has one.
func start() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// at is a time some seconds after start.
func at(seconds float64) time.Time {
	return start().Add(time.Duration(seconds * float64(time.Second)))
}

// told is a job as nosa jobs --output json and the feed both have it.
type told struct {
	ID    job.ID
	State job.State
	Last  event.Event
}

// follow runs FollowJobs and gives a function that waits until it says what job.List says.
func follow(t *testing.T, ws *workspace.Workspace) (agree func(what string) feed.Jobs) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	posts := make(chan feed.Jobs, 1000)
	var wg sync.WaitGroup
	wg.Go(func() { feed.FollowJobs(ctx, ws, func(e any) { posts <- e.(feed.Jobs) }) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	var last feed.Jobs
	return func(what string) feed.Jobs {
		t.Helper()
		timeout := time.After(20 * time.Second)
		for {
			var diff string
			want, err := job.List(ws.JobsDir())
			if err != nil {
				t.Fatal(err)
			}
			if diff = cmp.Diff(tellList(want), tellFeed(last)); diff == "" {
				return last
			}
			select {
			case last = <-posts:
			case <-timeout:
				t.Fatalf("%s: the feed and nosa jobs differ: %s", what, diff)
			}
		}
	}
}

func tellList(list []job.Status) []told {
	out := []told{}
	for _, st := range list {
		out = append(out, told{st.Info.ID, st.State, st.Last})
	}
	return out
}

func tellFeed(jobs feed.Jobs) []told {
	out := []told{}
	for _, j := range jobs.List {
		out = append(out, told{j.Info.ID, j.State, j.Last})
	}
	return out
}

// making is a job of this process with its journal.
type making struct {
	*job.Job
	journal *job.Journal
}

func begin(t *testing.T, ws *workspace.Workspace, stage string) making {
	t.Helper()
	j, err := job.Create(ws.JobsDir(), job.Info{Stage: stage, Argv: []string{"nosa", stage}, User: "ann", Host: "here", Created: start()})
	if err != nil {
		t.Fatal(err)
	}
	journal, err := job.OpenJournal(j.Dir, start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close(); _ = j.Close() })
	return making{j, journal}
}

func (m making) end(t *testing.T) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// What the workbench shows of jobs is what nosa jobs tells, whatever happens to them.
func TestFollowJobsAgreesWithTheList(t *testing.T) {
	ws := &workspace.Workspace{Dir: t.TempDir()}
	agree := follow(t, ws)
	agree("no directory")

	a := begin(t, ws, "fetch")
	agree("created")
	a.journal.Emit(event.Event{Kind: event.Start, Title: "fetch"})
	a.journal.Emit(event.Event{Kind: event.Plan, Step: "download", Title: "download packages"})
	agree("planned")
	b := begin(t, ws, "build")
	for i := range int64(5) {
		a.journal.Emit(event.Event{Kind: event.Progress, Step: "download", Done: i, Total: 5, Unit: event.UnitPackages})
		b.journal.Emit(event.Event{Kind: event.Log, Level: event.Warn, Text: fmt.Sprint(i)})
		agree("two at once")
	}
	if err := job.Cancel(b.Dir); err != nil {
		t.Fatal(err)
	}
	b.journal.Emit(event.Event{Kind: event.Fail, Code: 130, Text: "cancelled"})
	if now := agree("said, and the lock still held"); !now.List[0].Running() && !now.List[1].Running() {
		t.Error("a job runs while its lock is held, whatever its journal says")
	}
	b.end(t)
	now := agree("cancelled")
	if j, _ := now.Find(string(b.Info.ID)); !j.Cancelled() || j.Warnings != 5 {
		t.Errorf("cancelled %v, %d warnings", j.Cancelled(), j.Warnings)
	}
	a.end(t)
	agree("lost")
	a.journal.Emit(event.Event{Kind: event.Fail, Code: 1, Text: "the worker was killed"})
	agree("its client said so later")

	c := begin(t, ws, "check")
	c.journal.Emit(event.Event{Kind: event.Finish, MS: 10})
	c.end(t)
	agree("begun and ended in one moment")
	odd := filepath.Join(ws.JobsDir(), "20261122T120000Z-odd-0000")
	if err := os.Mkdir(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"lock": "", "events.jsonl": "", "job.json": "{"} {
		if err := os.WriteFile(filepath.Join(odd, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	agree("a record that cannot be read")
	if err := os.RemoveAll(ws.JobsDir()); err != nil {
		t.Fatal(err)
	}
	agree("all records removed")
	d := begin(t, ws, "verify")
	agree("and again")
	d.journal.Emit(event.Event{Kind: event.Finish, MS: 10})
	d.end(t)
	agree("to its end")
}

// A job that another process runs, which is then killed.
func TestFollowJobsOfAnotherProcess(t *testing.T) {
	if dir := os.Getenv("FEED_HOLDS_A_JOB"); dir != "" {
		j := begin(t, &workspace.Workspace{Dir: dir}, "build")
		j.journal.Emit(event.Event{Kind: event.Start, Title: "build"})
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until it is killed
		return
	}
	ws := &workspace.Workspace{Dir: t.TempDir()}
	agree := follow(t, ws)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFollowJobsOfAnotherProcess$")
	cmd.Env = append(os.Environ(), "FEED_HOLDS_A_JOB="+ws.Dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "held") {
		t.Fatalf("%q, %v", line, err)
	}
	if now := agree("held elsewhere"); len(now.Running()) != 1 || now.List[0].Who() != "ann@here" {
		t.Errorf("%+v", now.List)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if now := agree("killed"); now.List[0].State != job.Lost {
		t.Errorf("state %s, want lost", now.List[0].State)
	}
}

// A golden history gives golden estimates.
func TestEstimates(t *testing.T) {
	history := workspace.History{}
	for _, d := range []struct {
		stage, step string
		ms          int64
	}{
		{"build", "install", 99_000}, // older than the last five
		{"build", "install", 10_000},
		{"build", "install", 12_000},
		{"build", "install", 60_000},
		{"build", "install", 11_000},
		{"build", "install", 10_000},
		{"build", "commit", 8_000},
		{"build", "commit", 4_000},
		{"build", "commit", 6_000},
		{"build", "qemu", 3_000},
		{"image", "metal", 7_000},
	} {
		history = append(history, workspace.Duration{Stage: d.stage, Step: d.step, MS: d.ms, When: start()})
	}
	plan := func(step string) event.Event { return event.Event{Kind: event.Plan, Step: step, Time: at(0)} }
	run := func(step string, s float64) event.Event {
		return event.Event{Kind: event.Step, Step: step, State: event.Run, Time: at(s)}
	}
	done := func(step string, s float64) event.Event {
		return event.Event{Kind: event.Step, Step: step, State: event.Done, Time: at(s), MS: int64(s * 1000)}
	}
	skip := func(step string) event.Event {
		return event.Event{Kind: event.Step, Step: step, State: event.Skip, Time: at(0)}
	}
	count := func(step string, of, total int64) event.Event {
		return event.Event{Kind: event.Progress, Step: step, Done: of, Total: total, Unit: event.UnitPackages, Time: at(0)}
	}
	for _, c := range []struct {
		name, stage string
		events      []event.Event
		now         float64
		want        string
	}{
		{"nothing has begun", "build", []event.Event{plan("install"), plan("commit")}, 0, "0% 17s"},
		{"by the clock", "build", []event.Event{plan("install"), plan("commit"), run("install", 0)}, 5.5, "32% 11.5s"},
		{"by what it counts", "build", []event.Event{plan("install"), plan("commit"), run("install", 0), count("install", 50, 100)}, 9, "32% 11.5s"},
		{"one is done", "build", []event.Event{plan("install"), plan("commit"), run("install", 0), done("install", 20), run("commit", 20)}, 23, "82% 3s"},
		{"one is skipped", "build", []event.Event{plan("install"), plan("commit"), skip("install"), run("commit", 0)}, 3, "50% 3s"},
		{"longer than ever", "build", []event.Event{plan("commit"), run("commit", 0)}, 600, "99% 60ms"},
		{"two at once", "build", []event.Event{plan("install"), plan("qemu"), run("install", 0), run("qemu", 0)}, 1.5, "21% 11s"},
		{"a step that never ran counts nothing", "build", []event.Event{plan("commit"), plan("new"), run("commit", 0)}, 3, "50% 3s"},
		{"an image", "buildextend-metal", []event.Event{plan("metal"), run("metal", 0)}, 3.5, "50% 3.5s"},
		{"an image that only builds made", "buildextend-qemu", []event.Event{plan("qemu"), run("qemu", 0)}, 1.5, "50% 1.5s"},
		{"no history", "buildextend-metal4k", []event.Event{plan("metal4k"), run("metal4k", 0)}, 3.5, "no estimate"},
		{"no history, though it counts", "fetch", []event.Event{plan("download"), run("download", 0), count("download", 1, 2)}, 3.5, "no estimate"},
		{"no plan, but jobs before", "check", nil, 40, "50% 40s"},
		{"a program of which nothing is known", "exec", nil, 40, "no estimate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws := &workspace.Workspace{Dir: t.TempDir()}
			if err := os.MkdirAll(ws.Builds(), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := ws.AppendHistory(history...); err != nil {
				t.Fatal(err)
			}
			for _, seconds := range []float64{80, 70, 500} {
				writeJob(t, ws, "check", []event.Event{{Kind: event.Start, Time: at(0)}, {Kind: event.Finish, Time: at(seconds)}})
			}
			other, err := job.Create(ws.JobsDir(), job.Info{Stage: "exec", Request: json.RawMessage(`{"argv":["other"]}`), Created: start()})
			if err != nil {
				t.Fatal(err)
			}
			appendEvents(t, other.Dir, []event.Event{{Kind: event.Start, Time: at(0)}, {Kind: event.Finish, Time: at(9)}})
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
			j := begin(t, ws, c.stage)
			appendEvents(t, j.Dir, append([]event.Event{{Kind: event.Start, Time: at(0)}}, c.events...))
			now := follow(t, ws)("written")
			one, _ := now.Find(string(j.Info.ID))
			got := "no estimate"
			f, ok := one.Fraction(at(c.now))
			left, more := one.Remaining(at(c.now))
			if ok != more {
				t.Errorf("fraction %v, remaining %v", ok, more)
			}
			if ok {
				got = fmt.Sprintf("%d%% %s", int(f*100), left.Round(10*time.Millisecond))
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// writeJob writes a job that has ended.
func writeJob(t *testing.T, ws *workspace.Workspace, stage string, events []event.Event) {
	t.Helper()
	j := begin(t, ws, stage)
	appendEvents(t, j.Dir, events)
	j.end(t)
}

// appendEvents writes events with their own times.
func appendEvents(t *testing.T, dir string, events []event.Event) {
	t.Helper()
	for _, e := range events {
		journal, err := job.OpenJournal(dir, func() time.Time { return e.Time })
		if err != nil {
			t.Fatal(err)
		}
		journal.Emit(e)
		if err := journal.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What was posted stays as it was, whatever comes after.
func TestJobsAreNotChanged(t *testing.T) {
	ws := &workspace.Workspace{Dir: t.TempDir()}
	j := begin(t, ws, "build")
	appendEvents(t, j.Dir, []event.Event{{Kind: event.Plan, Step: "a", Title: "first"}, {Kind: event.Step, Step: "a", State: event.Run, Time: at(1)}})
	agree := follow(t, ws)
	before := agree("running")
	was := before.List[0].Steps[0]
	appendEvents(t, j.Dir, []event.Event{
		{Kind: event.Progress, Step: "a", Done: 1, Total: 2, Unit: event.UnitFiles},
		{Kind: event.Plan, Step: "b"},
		{Kind: event.Fail, Step: "a", Text: "bad", Path: "manifest.yaml:1:1", Time: at(3)},
	})
	j.end(t)
	after := agree("failed").List[0]
	if diff := cmp.Diff(was, before.List[0].Steps[0]); diff != "" {
		t.Errorf("what was posted changed: %s", diff)
	}
	want := []feed.Step{
		{Name: "a", Title: "first", State: feed.StepFailed, Done: 1, Total: 2, Unit: event.UnitFiles, Started: at(1), Took: 2 * time.Second},
		{Name: "b", State: feed.StepWaiting},
	}
	if diff := cmp.Diff(want, after.Steps); diff != "" {
		t.Error(diff)
	}
	if after.Fail == nil || after.Fail.Path != "manifest.yaml:1:1" {
		t.Errorf("fail %+v", after.Fail)
	}
}
