package feed

import (
	"slices"
	"time"

	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/machine"
)

// Machines is the machines of a workspace at one moment, those that ended too as long as their records are kept.
// What was posted is never changed.
type Machines struct {
	List    []Machine // newest first
	Kept    []string  // names of the disks that are kept for a next start
	Problem string    // why they cannot be listed; "" is no problem
	Notice  string    // why changes are seen late; "" is none
}

// Find gives the machine of an id.
func (m Machines) Find(id machine.ID) (found Machine, ok bool) {
	i := slices.IndexFunc(m.List, func(one Machine) bool { return one.ID == id })
	if i < 0 {
		return Machine{}, false
	}
	return m.List[i], true
}

// Live gives the machines that run, newest first.
func (m Machines) Live() []Machine {
	return slices.DeleteFunc(slices.Clone(m.List), func(one Machine) bool { return !one.Live() })
}

// Phase is how a machine stands, for a person.
type Phase string

// The phases.
const (
	PhaseStarting Phase = "starting"
	PhaseBooting  Phase = "booting"
	PhaseUp       Phase = "up" // someone may log in
	PhasePaused   Phase = "paused"
	PhaseFailed   Phase = "failed" // its boot went wrong, and it runs
	PhaseDown     Phase = "going down"
	PhaseStopped  Phase = "stopped"
	PhaseLost     Phase = "lost" // its hub was killed
)

// Machine is what a machine's files say of it.
type Machine struct {
	machine.Entry // as nosa vms tells it

	Phase Phase
	Boots []Boot // oldest first; one that was resumed has none until it boots
	// Failure is what went wrong in the last boot: panic, emergency shell, Ignition, boot loader. It stays when
	// the machine has ended; nil is nothing.
	Failure *milestone.Milestone
}

// Boot gives the last boot; ok is false where there was none.
func (m *Machine) Boot() (b Boot, ok bool) {
	if len(m.Boots) == 0 {
		return Boot{}, false
	}
	return m.Boots[len(m.Boots)-1], true
}

// FailedUnits are the units that failed in the last boot, as far as the console told.
func (m *Machine) FailedUnits() []string {
	var list []string
	b, _ := m.Boot()
	for _, mark := range b.Marks {
		if mark.Kind == milestone.FailedUnit {
			list = append(list, mark.Unit)
		}
	}
	return list
}

// Elapsed is how long the machine has run or ran.
func (m *Machine) Elapsed(now time.Time) time.Duration {
	if m.Ended != nil {
		now = *m.Ended
	}
	return max(now.Sub(m.Created), 0)
}

// Boot is one boot: of a machine, or of a check.
type Boot struct {
	Machine  machine.ID // "" is of a check
	Build    string
	Artifact string
	Arch     string
	Firmware string
	Accel    string
	Number   int // of its machine, from 1
	Began    time.Time
	Marks    []milestone.Milestone // what it came to, in order; At is since the boot began
}

// Mark gives what is first of a kind.
func (b Boot) Mark(kind milestone.Kind) (m milestone.Milestone, ok bool) {
	i := slices.IndexFunc(b.Marks, func(m milestone.Milestone) bool { return m.Kind == kind })
	if i < 0 {
		return milestone.Milestone{}, false
	}
	return b.Marks[i], true
}

// Through says if the boot came to where someone may log in.
func (b Boot) Through() bool {
	_, ok := b.Mark(milestone.Login)
	return ok
}

// Boots are the boots of the build's checks.
func (b *Build) Boots() []Boot {
	var list []Boot
	for _, c := range b.Checks {
		for _, run := range c.Runs {
			one := Boot{Build: b.ID, Artifact: c.Name, Arch: b.Arch, Firmware: run.Name, Accel: run.Accel, Number: 1, Began: run.Began}
			for _, m := range run.Marks {
				if m.Boot == 1 {
					one.Marks = append(one.Marks, m)
				}
			}
			if len(one.Marks) > 0 {
				list = append(list, one)
			}
		}
	}
	return list
}
