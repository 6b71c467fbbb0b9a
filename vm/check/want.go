package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/milestone"
)

// Want is what a booted build must look like. Zero values are not asserted.
type Want struct {
	Commit   string // checksum of the deployed OSTree commit
	Version  string // its version, as ostree admin status prints it
	Packages []Package
	Files    []File
	// SectorSize is the root disk's logical sector size in bytes.
	SectorSize int
	// BootLabel is the label of the file system that /boot must be.
	BootLabel string
	// Kargs must be on the kernel's command line, as whole words.
	Kargs []string
	// ReadOnlySysroot says that /sysroot must be mounted read-only.
	ReadOnlySysroot bool
	// SELinux is the mode: "enforcing", "permissive" or "disabled".
	SELinux string
	// FirstBoot says that this is the image's first boot and that Ignition runs in
	// it: the machine must have become one of its own.
	FirstBoot bool
	// Live says that the system runs from a medium or the network: it is in memory,
	// and who logs in by himself is LiveUser.
	Live     bool
	LiveUser string // "" is not asserted
	// Users must resolve by getent passwd.
	Users []string
	// Commands are the caller's own assertions.
	Commands []Command
}

// Package is an installed RPM.
type Package struct {
	Name string `json:"name"`
	EVRA string `json:"evra"` // [epoch:]version-release.arch
}

// Kind is what a file is.
type Kind string

// The kinds that a File can ask for.
const (
	Regular Kind = "file"
	Dir     Kind = "dir"
	Symlink Kind = "symlink"
)

// File is a file that an overlay put into the image.
type File struct {
	Path   string // absolute, as in the running system
	Kind   Kind   // "" is not asserted
	Mode   uint32 // permission bits with setuid, setgid and sticky; not asserted for a symlink
	UID    int
	GID    int
	SHA256 string // of the content; "" is not asserted
	Target string // of a symlink; "" is not asserted
}

// Command is an assertion of the caller's own: a script for the guest's sh.
type Command struct {
	Name   string
	Script string
	Want   string // its standard output, white space at the ends apart
}

// Assertion is one thing that was looked at.
type Assertion struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Want string `json:"want"`
	Got  string `json:"got"`
	MS   int64  `json:"ms"`
	// Note helps with a failure: differences, the log of a failed unit.
	Note []string `json:"note,omitempty"`
}

// Run is one boot of an artifact and what was found.
type Run struct {
	Firmware string    `json:"firmware"`
	Way      string    `json:"way,omitempty"` // what it was booted from, where there is more than one
	Accel    string    `json:"accel"`
	Reason   string    `json:"accel-reason,omitempty"`
	Commit   string    `json:"commit,omitempty"` // that was expected
	Time     time.Time `json:"time"`             // when it began
	// LoginMS is power-on to the login prompt, MS the whole run, in milliseconds.
	LoginMS    int64       `json:"login-ms,omitempty"`
	MS         int64       `json:"ms"`
	OK         bool        `json:"ok"`
	Assertions []Assertion `json:"assertions"`
	// Timeline is what the machine said of its boots, in the order of time.
	Timeline []milestone.Milestone `json:"timeline,omitempty"`
	// Trouble is set when the guest did not boot to a shell.
	Trouble guest.Trouble `json:"trouble,omitempty"`
	// Console is the last lines of the console when something failed.
	Console []string `json:"console,omitempty"`
}

// Failed gives the assertions that do not hold.
func (r Run) Failed() []Assertion {
	return slices.DeleteFunc(slices.Clone(r.Assertions), func(a Assertion) bool { return a.OK })
}

// on is what a run was made on: there is one run of each in a result.
func (r Run) on() string { return strings.TrimSpace(r.Firmware + " " + r.Way) }

// Result is the content of check-ARTIFACT.json: the last run of each firmware and way.
type Result struct {
	V        int    `json:"v"` // 1
	Artifact string `json:"artifact"`
	OK       bool   `json:"ok"` // all runs
	Runs     []Run  `json:"runs"`
}

// ParseResult reads a check-ARTIFACT.json; empty data is an empty result.
func ParseResult(data []byte) (Result, error) {
	var r Result
	if len(data) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("parsing check result: %w", err)
	}
	if r.V != 1 {
		return r, fmt.Errorf("check result: version %d, want 1", r.V)
	}
	return r, nil
}

// Add gives the result with a run in place of the last one of its firmware and way,
// if that was of the same commit; runs of other commits are dropped.
func (r Result) Add(artifact string, run Run) Result {
	next := Result{V: 1, Artifact: artifact, OK: true}
	for _, old := range r.Runs {
		if old.on() != run.on() && old.Commit == run.Commit {
			next.Runs = append(next.Runs, old)
		}
	}
	next.Runs = append(next.Runs, run)
	slices.SortStableFunc(next.Runs, func(a, b Run) int { return strings.Compare(a.on(), b.on()) })
	for _, old := range next.Runs {
		next.OK = next.OK && old.OK
	}
	return next
}
