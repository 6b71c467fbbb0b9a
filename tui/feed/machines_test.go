package feed_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// followMachines runs FollowMachines and gives a function that waits until it says what nosa vms --all prints, and
// what a test wants beside.
func followMachines(t *testing.T, ws *workspace.Workspace) (agree func(what string, holds func(feed.Machines) bool) feed.Machines) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	posts := make(chan feed.Machines, 1000)
	var wg sync.WaitGroup
	wg.Go(func() { feed.FollowMachines(ctx, ws, func(e any) { posts <- e.(feed.Machines) }) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	var last feed.Machines
	return func(what string, holds func(feed.Machines) bool) feed.Machines {
		t.Helper()
		timeout := time.After(20 * time.Second)
		for {
			want, err := machine.List(ws.VMsDir()) // what nosa vms --all prints
			if err != nil {
				t.Fatal(err)
			}
			got := []machine.Info{}
			for _, m := range last.List {
				got = append(got, m.Info)
			}
			infos := []machine.Info{}
			for _, e := range want {
				infos = append(infos, e.Info)
			}
			diff := cmp.Diff(infos, got)
			if diff == "" && (holds == nil || holds(last)) {
				return last
			}
			select {
			case last = <-posts:
			case <-timeout:
				t.Fatalf("%s: the feed and nosa vms differ: %s\n%+v", what, diff, last)
			}
		}
	}
}

// What the workbench shows of machines is what nosa vms tells, whatever happens to them.
func TestFollowMachinesAgreesWithTheList(t *testing.T) {
	ws := &workspace.Workspace{Dir: t.TempDir()}
	agree := followMachines(t, ws)
	agree("no directory", nil)
	m, err := machine.Create(ws.VMsDir(), machine.Info{Build: "1.0", User: "ann", Created: start()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	phase := func(p feed.Phase) func(feed.Machines) bool {
		return func(ms feed.Machines) bool { return len(ms.List) > 0 && ms.List[0].Phase == p }
	}
	agree("created", phase(feed.PhaseStarting))
	update := func(edit func(*machine.Info)) {
		t.Helper()
		if err := m.Update(edit); err != nil {
			t.Fatal(err)
		}
	}
	update(func(i *machine.Info) { i.State, i.SSH = machine.Running, &machine.SSH{Port: 4022, User: "nest"} })
	agree("running", phase(feed.PhaseBooting))
	events, err := m.OpenEvents()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = events.Close() })
	events.Emit(event.Event{V: 1, Time: at(3), Kind: event.Milestone, Step: "kernel", Done: 1, MS: 2000})
	agree("a milestone and no new record", func(ms feed.Machines) bool {
		b, ok := ms.List[0].Boot()
		return ok && len(b.Marks) == 1 && b.Began.Equal(at(1))
	})
	events.Emit(event.Event{V: 1, Time: at(9), Kind: event.Milestone, Step: "login", Done: 1, MS: 8000})
	update(func(i *machine.Info) { i.Reached = "login" })
	agree("up", phase(feed.PhaseUp))
	update(func(i *machine.Info) { i.State = machine.Paused })
	agree("paused", phase(feed.PhasePaused))
	if err := os.WriteFile(filepath.Join(m.Dir, "vm.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	agree("a broken record", nil)
	other, err := machine.Create(ws.VMsDir(), machine.Info{Build: "1.1", Created: at(100)})
	if err != nil {
		t.Fatal(err)
	}
	agree("two", nil)
	if err := other.End(at(120), "powered off"); err != nil {
		t.Fatal(err)
	}
	agree("ended", phase(feed.PhaseStopped))
	_ = other.Close()
	third, err := machine.Create(ws.VMsDir(), machine.Info{Build: "1.1", Created: at(200)})
	if err != nil {
		t.Fatal(err)
	}
	agree("three", nil)
	_ = third.Close() // as by kill -9 of its hub
	agree("lost", phase(feed.PhaseLost))
	if err := os.RemoveAll(ws.VMsDir()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(ws.KeptDir(), "lab"), 0o755); err != nil {
		t.Fatal(err)
	}
	agree("all gone", func(ms feed.Machines) bool { return len(ms.Kept) == 1 && ms.Kept[0] == "lab" })
}

// mark is a milestone as the hub writes it down, of a machine that was switched on at start.
func mark(seconds float64, boot int64, kind milestone.Kind) event.Event {
	return event.Event{V: 1, Time: at(seconds), Kind: event.Milestone, Step: string(kind), Done: boot, MS: int64(seconds * 1000)}
}

func TestMachineBoots(t *testing.T) {
	reset := func(seconds float64) event.Event {
		return event.Event{V: 1, Time: at(seconds), Kind: event.Log, Level: event.Info, Text: "RESET"}
	}
	type boot struct {
		number int
		began  float64 // seconds
		marks  string
	}
	for name, c := range map[string]struct {
		resumed bool
		events  []event.Event
		boots   []boot
		phase   feed.Phase
		failure milestone.Kind
	}{
		"nothing yet": {boots: []boot{{1, 0, ""}}, phase: feed.PhaseBooting},
		"resumed":     {resumed: true, phase: feed.PhaseUp},
		"up":          {events: []event.Event{mark(1, 1, "kernel"), mark(9, 1, "login")}, boots: []boot{{1, 0, "kernel 1.0 s login 9.0 s "}}, phase: feed.PhaseUp},
		"a unit failed": {
			events: []event.Event{mark(1, 1, "kernel"), mark(5, 1, "failed unit"), mark(9, 1, "login")},
			boots:  []boot{{1, 0, "kernel 1.0 s failed unit 5.0 s login 9.0 s "}}, phase: feed.PhaseUp,
		},
		"rebooted": {
			events: []event.Event{mark(1, 1, "kernel"), mark(9, 1, "login"), mark(20, 1, "shutdown"), reset(22), mark(23, 2, "kernel")},
			boots:  []boot{{1, 0, "kernel 1.0 s login 9.0 s shutdown 20.0 s "}, {2, 22, "kernel 1.0 s "}}, phase: feed.PhaseBooting,
		},
		"reset, and nothing since": {
			events: []event.Event{mark(1, 1, "kernel"), mark(9, 1, "login"), reset(22)},
			boots:  []boot{{1, 0, "kernel 1.0 s login 9.0 s "}, {2, 22, ""}}, phase: feed.PhaseBooting,
		},
		"reset before anything": {
			events: []event.Event{reset(2), mark(3, 1, "kernel")},
			boots:  []boot{{1, 2, "kernel 1.0 s "}}, phase: feed.PhaseBooting,
		},
		"a kernel of a kernel": {
			events: []event.Event{mark(1, 1, "kernel"), mark(8, 1, "shutdown"), mark(9, 2, "kernel")},
			boots:  []boot{{1, 0, "kernel 1.0 s shutdown 8.0 s "}, {2, 8, "kernel 1.0 s "}}, phase: feed.PhaseBooting,
		},
		"resumed and rebooted": {
			resumed: true, events: []event.Event{mark(5, 1, "shutdown"), reset(6), mark(7, 2, "kernel")},
			boots: []boot{{1, 5, "shutdown 0.0 s "}, {2, 6, "kernel 1.0 s "}}, phase: feed.PhaseBooting,
		},
		"panic": {
			events: []event.Event{mark(1, 1, "kernel"), mark(2, 1, "panic")},
			boots:  []boot{{1, 0, "kernel 1.0 s panic 2.0 s "}}, phase: feed.PhaseFailed, failure: "panic",
		},
		"ignition first": {
			events: []event.Event{mark(1, 1, "kernel"), mark(2, 1, "ignition failed"), mark(3, 1, "emergency")},
			boots:  []boot{{1, 0, "kernel 1.0 s ignition failed 2.0 s emergency 3.0 s "}}, phase: feed.PhaseFailed, failure: "ignition failed",
		},
		"out of the emergency shell": {
			events: []event.Event{mark(1, 1, "kernel"), mark(2, 1, "emergency"), mark(9, 1, "switch root")},
			boots:  []boot{{1, 0, "kernel 1.0 s emergency 2.0 s switch root 9.0 s "}}, phase: feed.PhaseBooting,
		},
		"going down": {
			events: []event.Event{mark(1, 1, "login"), mark(2, 1, "shutdown")},
			boots:  []boot{{1, 0, "login 1.0 s shutdown 2.0 s "}}, phase: feed.PhaseDown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ws := &workspace.Workspace{Dir: t.TempDir()}
			m, err := machine.Create(ws.VMsDir(), machine.Info{Created: start(), Resumed: c.resumed})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Close() })
			events, err := m.OpenEvents()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range c.events {
				events.Emit(e)
			}
			_ = events.Close()
			if err := m.Update(func(i *machine.Info) { i.State = machine.Running }); err != nil {
				t.Fatal(err)
			}
			got := followMachines(t, ws)("read", func(ms feed.Machines) bool { return len(ms.List) == 1 }).List[0]
			var boots []boot
			for _, b := range got.Boots {
				one := boot{number: b.Number, began: b.Began.Sub(start()).Seconds()}
				for _, m := range b.Marks {
					one.marks += m.String() + " "
				}
				boots = append(boots, one)
			}
			if diff := cmp.Diff(c.boots, boots, cmp.AllowUnexported(boot{})); diff != "" {
				t.Error(diff)
			}
			failure := milestone.Kind("")
			if got.Failure != nil {
				failure = got.Failure.Kind
			}
			if got.Phase != c.phase || failure != c.failure {
				t.Errorf("%s %q, want %s %q", got.Phase, failure, c.phase, c.failure)
			}
		})
	}
}

// The boots of checks are there to be compared with.
func TestBuildBoots(t *testing.T) {
	b := &feed.Build{ID: "1.0"}
	b.Arch = "x86_64"
	b.Checks = []feed.BuildCheck{{Name: "qemu", Runs: []feed.CheckRun{
		{Name: "bios", Accel: "tcg", Began: start(), Marks: []milestone.Milestone{{Kind: "kernel", At: time.Second, Boot: 1}, {Kind: "kernel", At: time.Minute, Boot: 2}}},
		{Name: "ext.basic"},
	}}}
	want := []feed.Boot{{
		Build: "1.0", Artifact: "qemu", Arch: "x86_64", Firmware: "bios", Accel: "tcg", Number: 1, Began: start(),
		Marks: []milestone.Milestone{{Kind: "kernel", At: time.Second, Boot: 1}},
	}}
	if diff := cmp.Diff(want, b.Boots()); diff != "" {
		t.Error(diff)
	}
}
