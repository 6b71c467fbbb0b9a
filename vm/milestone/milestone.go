// Package milestone tells from what a machine prints on its serial port how far
// its boot has come and where it went wrong.
//
// It reads bytes and knows nothing of machines: who reads the port, and what is
// done about a milestone, is its user's.
package milestone

import (
	"encoding/json"
	"fmt"
	"time"
)

// Kind is what happened.
type Kind string

// The kinds, in the order of a boot that goes well; the rest is trouble, except
// for Shutdown, which ends one.
const (
	Firmware   Kind = "firmware"    // SeaBIOS, iPXE or UEFI said something
	BootLoader Kind = "boot loader" // GRUB (or another) has begun
	Kernel     Kind = "kernel"      // the kernel has begun
	Initrd     Kind = "initrd"      // the initramfs' own userspace has begun
	Ignition   Kind = "ignition"    // Ignition has configured the machine
	SwitchRoot Kind = "switch root" // the initramfs is left
	MultiUser  Kind = "multi-user"  // multi-user.target or graphical.target is reached
	Login      Kind = "login"       // someone may log in, or was logged in

	FailedUnit     Kind = "failed unit"        // Milestone.Unit did not start; each unit once a boot
	IgnitionFailed Kind = "ignition failed"    // Ignition could not configure the machine
	LoaderFailed   Kind = "boot loader failed" // firmware or boot loader gave up
	Panic          Kind = "panic"              // the kernel gave up
	Emergency      Kind = "emergency"          // the system gave up and offers an emergency shell

	Shutdown Kind = "shutdown" // the system goes down, or is going to boot again
)

// rank is how far in a boot a kind comes; 0 may come at any time.
func (k Kind) rank() int {
	switch k {
	case Firmware:
		return 1
	case BootLoader, LoaderFailed:
		return 2
	case Kernel:
		return 3
	case Initrd:
		return 4
	case SwitchRoot:
		return 5
	case MultiUser, Login:
		return 6
	}
	return 0
}

// Trouble says whether a boot that got there went wrong.
func (k Kind) Trouble() bool {
	switch k {
	case FailedUnit, IgnitionFailed, LoaderFailed, Panic, Emergency:
		return true
	}
	return false
}

// Milestone is something that happened in a machine's life. Its JSON is
// {"kind", "at_ms", "boot", "unit", "line"}, the last two only where they are set.
type Milestone struct {
	Kind Kind
	At   time.Duration // since power-on, by the Watcher's clock
	Boot int           // counts from 1
	Unit string        // of FailedUnit; as it is printed, so perhaps only its description
	Line string        // what gave it away: no control characters, valid UTF-8, at most 256 bytes
}

// form is a Milestone in JSON.
type form struct {
	Kind Kind   `json:"kind"`
	AtMS int64  `json:"at_ms"`
	Boot int    `json:"boot"`
	Unit string `json:"unit,omitempty"`
	Line string `json:"line,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (m Milestone) MarshalJSON() ([]byte, error) {
	return json.Marshal(form{m.Kind, m.At.Milliseconds(), m.Boot, m.Unit, m.Line})
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Milestone) UnmarshalJSON(data []byte) error {
	var f form
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("milestone: %w", err)
	}
	*m = Milestone{Kind: f.Kind, At: time.Duration(f.AtMS) * time.Millisecond, Boot: f.Boot, Unit: f.Unit, Line: f.Line}
	return nil
}

// String is the milestone in a few words: "kernel 7.2 s", "failed unit x.service 9.0 s".
func (m Milestone) String() string {
	what := string(m.Kind)
	if m.Unit != "" {
		what += " " + m.Unit
	}
	return fmt.Sprintf("%s %.1f s", what, m.At.Seconds())
}
