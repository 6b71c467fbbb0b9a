package job

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

func newJob(t *testing.T, jobs, stage string) *Job {
	t.Helper()
	j, err := Create(jobs, Info{
		Stage: stage, Argv: []string{"nosa", stage}, Request: json.RawMessage(`{"force":true}`),
		Backend: "local", Host: "h", User: "u", Version: "v",
		// The stages of a test come after each other within a second.
		Created: time.Date(2026, 11, 22, 12, 3, 58, map[string]int{"fetch": 1, "build": 2}[stage], time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func emit(t *testing.T, dir string, events ...event.Event) {
	t.Helper()
	journal, err := OpenJournal(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		journal.Emit(e)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []event.Event
		close  bool
		want   State
	}{
		{"new", nil, false, Running},
		{"finished but not gone", []event.Event{{Kind: event.Finish}}, false, Running},
		{"finished", []event.Event{{Kind: event.Start}, {Kind: event.Finish}}, true, Finished},
		{"failed", []event.Event{{Kind: event.Fail, Code: 1}}, true, Failed},
		{"killed", []event.Event{{Kind: event.Start}}, true, Lost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, t.TempDir(), "build")
			emit(t, j.Dir, tt.events...)
			if tt.close {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
			}
			st, err := Look(j.Dir)
			if err != nil {
				t.Fatal(err)
			}
			if st.State != tt.want {
				t.Errorf("got %s, want %s", st.State, tt.want)
			}
		})
	}
}

// A broken file of one job must neither hide the others nor its own lock.
func TestBrokenJobFile(t *testing.T) {
	jobs := t.TempDir()
	whole, broken := newJob(t, jobs, "fetch"), newJob(t, jobs, "build")
	if err := os.WriteFile(filepath.Join(broken.Dir, "job.json"), []byte("{broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	live, err := Live(jobs)
	if err != nil || len(live) != 2 {
		t.Fatalf("%d jobs, %v", len(live), err)
	}
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	if live, err = Live(jobs); err != nil || len(live) != 1 || live[0].Info.ID != whole.Info.ID {
		t.Errorf("got %v, %v", live, err)
	}
}

// The lock must outlive the client when a child has inherited it.
func TestLockLivesWithTheChild(t *testing.T) {
	j := newJob(t, t.TempDir(), "build")
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "sleep", "600")
	cmd.ExtraFiles = []*os.File{j.LockFile()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := Look(j.Dir); err != nil || st.State != Running {
		t.Errorf("with the child alive: %v, %v", st.State, err)
	}
	cancel()
	_ = cmd.Wait()
	if st, err := Look(j.Dir); err != nil || st.State != Lost {
		t.Errorf("with the child gone: %v, %v", st.State, err)
	}
}

func TestListAndFind(t *testing.T) {
	jobs := t.TempDir()
	a, b := newJob(t, jobs, "fetch"), newJob(t, jobs, "build")
	if err := os.Mkdir(filepath.Join(jobs, ".half-made"), 0o755); err != nil {
		t.Fatal(err)
	}
	list, err := List(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var got []ID
	for _, st := range list {
		got = append(got, st.Info.ID)
	}
	if diff := cmp.Diff([]ID{b.Info.ID, a.Info.ID}, got); diff != "" {
		t.Error(diff)
	}
	id := string(b.Info.ID)
	if st, err := Find(jobs, id[len(id)-4:]); err != nil || st.Info.ID != b.Info.ID {
		t.Errorf("by its end: %v, %v", st.Info.ID, err)
	}
	if _, err := Find(jobs, "2026"); err == nil {
		t.Error("an ambiguous id was taken")
	}
	if _, err := Find(jobs, "nope"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestFollow(t *testing.T) {
	j := newJob(t, t.TempDir(), "build")
	emit(t, j.Dir, event.Event{Kind: event.Start})
	var kinds []event.Kind
	ended, err := Follow(t.Context(), j.Dir, func(e event.Event) {
		kinds = append(kinds, e.Kind)
		if e.Kind == event.Start { // what comes while following
			emit(t, j.Dir, event.Event{Kind: event.Log, Text: "x"}, event.Event{Kind: event.Finish})
		}
	})
	if err != nil || !ended {
		t.Fatalf("ended %v, %v", ended, err)
	}
	if diff := cmp.Diff([]event.Kind{event.Start, event.Log, event.Finish}, kinds); diff != "" {
		t.Error(diff)
	}
}

func TestFollowALostJob(t *testing.T) {
	j := newJob(t, t.TempDir(), "build")
	emit(t, j.Dir, event.Event{Kind: event.Start})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	ended, err := Follow(t.Context(), j.Dir, func(event.Event) { n++ })
	if err != nil || ended || n != 1 {
		t.Errorf("ended %v after %d events, %v", ended, n, err)
	}
}

func TestCancel(t *testing.T) {
	j := newJob(t, t.TempDir(), "build")
	ctx, stop := Watch(t.Context(), j.Dir)
	defer stop()
	if ctx.Err() != nil {
		t.Fatal("cancelled before anyone asked")
	}
	if err := Cancel(j.Dir); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), ErrCancelled) {
		t.Errorf("cause %v", context.Cause(ctx))
	}
}

func TestLogLines(t *testing.T) {
	j := newJob(t, t.TempDir(), "build")
	at := time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC)
	journal, err := OpenJournal(j.Dir, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	journal.Line("install", "10%\r100%\x1b]0;title\a done\t!")
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(j.Dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("2026-11-22T12:00:00.000000005Z\tinstall\t100% ]0;title  done !\n", string(got)); diff != "" {
		t.Error(diff)
	}
}

// What a process left that was killed while it created a job goes with the next
// one; what another is creating stays.
func TestCreateRemovesLeftovers(t *testing.T) {
	jobs := t.TempDir()
	for _, name := range []string{".a", ".b", ".c"} {
		if err := os.Mkdir(filepath.Join(jobs, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".b/lock", ".b/job.json", ".c/lock"} {
		if err := os.WriteFile(filepath.Join(jobs, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := lock.Open(filepath.Join(jobs, ".c", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Try(lock.Exclusive, 0); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, jobs, "build")
	entries, err := os.ReadDir(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{".c", string(j.Info.ID)}, got); diff != "" {
		t.Error(diff)
	}
}

// Many processes create jobs while each sweeps the leftovers of others.
func TestCreateTogether(t *testing.T) {
	jobs := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				j, err := Create(jobs, Info{Stage: "build", Created: time.Now()})
				if err != nil {
					t.Error(err)
					return
				}
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	list, err := List(jobs)
	if err != nil || len(list) != 160 {
		t.Errorf("%d jobs, want 160 (%v)", len(list), err)
	}
}

// An event that a full disk cut short does not take the next one with it.
func TestJournalGoesOnAfterATornLine(t *testing.T) {
	jobs := t.TempDir()
	j := newJob(t, jobs, "build")
	if err := os.WriteFile(filepath.Join(j.Dir, "events.jsonl"), []byte("{\"v\":1,\"kind\":\"st"), 0o644); err != nil {
		t.Fatal(err)
	}
	emit(t, j.Dir, event.Event{Kind: event.Fail, Code: 13})
	st, err := Look(j.Dir)
	if err != nil || st.Last.Code != 13 {
		t.Errorf("the last event is %+v (%v)", st.Last, err)
	}
}
