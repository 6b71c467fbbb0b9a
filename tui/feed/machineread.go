package feed

import (
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// machinesReader reads the machines; a journal that has not changed is not read again.
type machinesReader struct {
	ws       *workspace.Workspace
	journals map[machine.ID]journal
}

// journal is what a machine came to, and the file's size and time when it was read.
type journal struct {
	size   int64
	time   time.Time
	events []event.Event
}

func (r *machinesReader) read() Machines {
	list, err := machine.List(r.ws.VMsDir())
	if err != nil {
		return Machines{Problem: err.Error()}
	}
	out := Machines{List: make([]Machine, 0, len(list))}
	kept := map[machine.ID]journal{}
	for _, e := range list {
		j := r.journal(e)
		kept[e.ID] = j
		out.List = append(out.List, newMachine(e, j.events))
	}
	r.journals = kept
	dirs, err := os.ReadDir(r.ws.KeptDir())
	if err != nil { // none were kept yet, mostly
		return out
	}
	for _, d := range dirs {
		if d.IsDir() {
			out.Kept = append(out.Kept, d.Name())
		}
	}
	return out
}

// eventsPath is a machine's journal.
func eventsPath(dir string) string { return filepath.Join(dir, "events.jsonl") }

// journal reads a machine's; one that cannot be read is empty.
func (r *machinesReader) journal(e machine.Entry) journal {
	st, err := os.Stat(eventsPath(e.Dir))
	if err != nil {
		return journal{}
	}
	j := journal{size: st.Size(), time: st.ModTime()}
	if old := r.journals[e.ID]; old.size == j.size && old.time.Equal(j.time) {
		return old
	}
	if j.events, err = machine.ReadEvents(e.Dir); err != nil {
		return journal{}
	}
	return j
}

func sameMachines(a, b Machines) bool { return reflect.DeepEqual(a, b) }

// newMachine folds a journal.
func newMachine(e machine.Entry, events []event.Event) Machine {
	m := Machine{Entry: e}
	m.fold(events)
	m.judge()
	return m
}

// reset is QEMU's event of a reset, by the guest or from outside, as the hub tells it.
const reset = "RESET"

// fold puts the milestones into boots.
func (m *Machine) fold(events []event.Event) {
	on := powerOn(m.Created, events)
	if !m.Resumed {
		m.begin(1, on)
	}
	for _, e := range events {
		switch {
		case e.Kind == event.Log && e.Text == reset:
			if b, ok := m.Boot(); !ok || len(b.Marks) > 0 {
				m.begin(b.Number+1, e.Time)
			} else {
				m.Boots[len(m.Boots)-1].Began = e.Time
			}
		case e.Kind == event.Milestone:
			m.mark(milestone.Milestone{Kind: milestone.Kind(e.Step), At: time.Duration(e.MS) * time.Millisecond, Boot: int(e.Done), Unit: e.Title, Line: e.Text}, on)
		}
	}
}

// powerOn is when the machine was switched on: the milestones count from there.
func powerOn(created time.Time, events []event.Event) time.Time {
	for _, e := range events {
		if e.Kind == event.Milestone {
			return e.Time.Add(-time.Duration(e.MS) * time.Millisecond)
		}
	}
	return created
}

func (m *Machine) begin(number int, at time.Time) {
	m.Boots = append(m.Boots, Boot{
		Machine: m.ID, Build: m.Build, Artifact: m.Artifact, Arch: m.Arch, Firmware: m.Firmware, Accel: m.Accel, Number: number, Began: at,
	})
}

// mark adds a milestone to its boot. Of a boot that no reset told of the last thing before is its beginning.
func (m *Machine) mark(mark milestone.Milestone, on time.Time) {
	last, ok := m.Boot()
	switch {
	case ok && last.Number == mark.Boot:
	case ok && len(last.Marks) == 0:
		m.Boots[len(m.Boots)-1].Number = mark.Boot
	default:
		began := on.Add(mark.At)
		if n := len(last.Marks); n > 0 {
			began = last.Began.Add(last.Marks[n-1].At)
		}
		m.begin(mark.Boot, began)
	}
	b := &m.Boots[len(m.Boots)-1]
	mark.At = max(on.Add(mark.At).Sub(b.Began), 0)
	b.Marks = append(b.Marks, mark)
}

// judge says how the machine stands.
func (m *Machine) judge() {
	b, booted := m.Boot()
	m.Phase = PhaseBooting
	if !booted {
		m.Phase = PhaseUp // where the snapshot was made
	}
	for i, mark := range b.Marks {
		switch {
		case mark.Kind == milestone.FailedUnit:
		case mark.Kind.Trouble():
			m.Phase = PhaseFailed
			if m.Failure == nil {
				m.Failure = &b.Marks[i]
			}
		case mark.Kind == milestone.Shutdown:
			m.Phase = PhaseDown
		case mark.Kind == milestone.Login:
			m.Phase, m.Failure = PhaseUp, nil
		case m.Phase != PhaseUp: // it goes on, as after a menu or an emergency shell
			m.Phase, m.Failure = PhaseBooting, nil
		}
	}
	switch m.State {
	case machine.Starting:
		m.Phase = PhaseStarting
	case machine.Paused:
		m.Phase = PhasePaused
	case machine.Ended:
		m.Phase = PhaseStopped
	case machine.Lost:
		m.Phase = PhaseLost
	}
}
