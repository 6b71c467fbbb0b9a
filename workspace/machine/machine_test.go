package machine

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/lock"
)

func newMachine(t *testing.T, vms string, at int, name string) *Machine {
	t.Helper()
	m, err := Create(vms, Info{Name: name, Created: time.Date(2026, 11, 23, 4, 0, at, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func states(t *testing.T, vms string) []State {
	t.Helper()
	list, err := List(vms)
	if err != nil {
		t.Fatal(err)
	}
	var got []State
	for _, e := range list {
		got = append(got, e.State)
	}
	return got
}

// The state follows the lock, not what the record says.
func TestState(t *testing.T) {
	vms := t.TempDir()
	m := newMachine(t, vms, 1, "")
	if diff := cmp.Diff([]State{Starting}, states(t, vms)); diff != "" {
		t.Error(diff)
	}
	if err := m.Update(func(i *Info) { i.State = Running; i.SSH = &SSH{Port: 2222} }); err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(m.Dir, "id_ed25519")
	if err := os.WriteFile(private, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(vms); err != nil { // of a running machine nothing is taken
		t.Fatal(err)
	}
	if _, err := os.Lstat(private); err != nil {
		t.Error(err)
	}
	_ = m.Close() // as by kill -9 of the hub
	if diff := cmp.Diff([]State{Lost}, states(t, vms)); diff != "" {
		t.Error(diff)
	}
	if err := Sweep(vms); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(private); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key of a dead machine is still there: %v", err)
	}
	// Another process that sweeps it at this moment makes it no running one.
	again, err := lock.Open(filepath.Join(m.Dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Try(lock.Exclusive, 0); err != nil {
		t.Fatal(err)
	}
	if e, err := Look(m.Dir); err != nil || e.State != Lost || e.Why == "" || e.SSH != nil {
		t.Errorf("%+v, %v", e.Info, err)
	}
	_ = again.Close()
	m = newMachine(t, vms, 2, "")
	if err := m.End(time.Now(), "powered off"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]State{Ended, Lost}, states(t, vms)); diff != "" {
		t.Error(diff)
	}
}

func TestFind(t *testing.T) {
	vms := t.TempDir()
	if _, err := Find(vms, ""); !errors.Is(err, ErrNone) {
		t.Errorf("no machine: %v", err)
	}
	old := newMachine(t, vms, 1, "lab")
	if err := old.End(time.Now(), "powered off"); err != nil {
		t.Fatal(err)
	}
	_ = old.Close()
	if e, err := Find(vms, "lab"); err != nil || e.Dir != old.Dir {
		t.Errorf("an ended machine by name: %v, %v", e.Dir, err)
	}
	a := newMachine(t, vms, 2, "lab")
	for _, word := range []string{"", "lab", filepath.Base(a.Dir), "20261123T040002Z", filepath.Base(a.Dir)[16:]} {
		if e, err := Find(vms, word); err != nil || e.Dir != a.Dir {
			t.Errorf("Find(%q): %v, %v", word, e.Dir, err)
		}
	}
	b := newMachine(t, vms, 3, "")
	_, err := Find(vms, "")
	several, ok := errors.AsType[*SeveralError](err)
	if !ok {
		t.Fatalf("two machines run: %v", err)
	}
	if diff := cmp.Diff([]ID{ID(filepath.Base(b.Dir)), ID(filepath.Base(a.Dir))}, several.IDs); diff != "" {
		t.Error(diff)
	}
	if _, err := Find(vms, "nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown name: %v", err)
	}
}

// What a process left that was killed while it created a machine goes; records are bounded.
func TestSweep(t *testing.T) {
	vms := t.TempDir()
	half := filepath.Join(vms, ".20261123T040000Z-0000")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "lock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range KeepRecords + 3 {
		m := newMachine(t, vms, i, "")
		if err := m.End(time.Now(), "stopped"); err != nil {
			t.Fatal(err)
		}
		_ = m.Close()
	}
	stranger := filepath.Join(vms, "notes")
	if err := os.WriteFile(stranger, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(vms); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(stranger); err != nil {
		t.Errorf("a file that is no machine's: %v", err)
	}
	if _, err := os.Lstat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a machine is still there: %v", err)
	}
	list, err := List(vms)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != KeepRecords || list[len(list)-1].Created.Second() != 3 {
		t.Errorf("%d records, the oldest of second %d; want the last %d", len(list), list[len(list)-1].Created.Second(), KeepRecords)
	}
}

// Machines are created while others sweep: one whose directory a sweep took for a leftover gets another.
func TestCreateBesideSweep(t *testing.T) {
	vms := t.TempDir()
	var sweeps, creates sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		sweeps.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := Sweep(vms); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		creates.Go(func() {
			for range 50 {
				m, err := Create(vms, Info{Created: time.Now()})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := read(m.Dir); err != nil {
					t.Errorf("created, but: %v", err)
				}
				_ = m.Close()
			}
		})
	}
	creates.Wait()
	close(done)
	sweeps.Wait()
}

// What a machine has left is removed, of one that runs nothing.
func TestRemove(t *testing.T) {
	vms := t.TempDir()
	m := newMachine(t, vms, 1, "")
	other := newMachine(t, vms, 2, "")
	find := func() Entry {
		e, err := Look(m.Dir)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if err := Remove(find()); !errors.Is(err, ErrRuns) {
		t.Errorf("removed while it runs: %v", err)
	}
	if err := m.End(time.Now(), "stopped"); err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	e := find()
	for range 2 { // the second finds nothing
		if err := Remove(e); err != nil {
			t.Error(err)
		}
	}
	list, err := List(vms)
	if err != nil || len(list) != 1 || list[0].Dir != other.Dir {
		t.Errorf("%+v, %v are left", list, err)
	}
}

// A record that cannot be read hides no other machine and counts as running while locked.
func TestBrokenRecord(t *testing.T) {
	vms := t.TempDir()
	m := newMachine(t, vms, 1, "")
	newMachine(t, vms, 2, "")
	if err := os.WriteFile(filepath.Join(m.Dir, "vm.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := List(vms)
	if err != nil || len(list) != 2 || !list[1].Live() || list[1].ID != ID(filepath.Base(m.Dir)) {
		t.Errorf("%+v, %v", list, err)
	}
}
