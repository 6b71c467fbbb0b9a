package feed

import (
	"time"

	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
)

// Builds is the builds of a workspace at one moment. What was posted is never
// changed; a build that is the same in the next Builds is the same pointer.
type Builds struct {
	List    []*Build            // newest first, one for each architecture of a build
	Deleted []workspace.Deleted // those that can be had back, newest deletion first
	Problem string              // why the index cannot be read; "" is no problem
	Remedy  string              // what mends that
	Reading int                 // builds of List whose details are still to be read
	Notice  string              // why changes are seen late; "" is none
}

// Find gives the build of a Key; nil when there is none.
func (b Builds) Find(key string) *Build {
	for _, have := range b.List {
		if have.Key() == key {
			return have
		}
	}
	return nil
}

// Build is a build for one architecture.
type Build struct {
	ID     string
	Latest bool
	Tags   []string
	workspace.ListedArch

	Meta       *workspace.Meta // nil where there is none, or none that can be read
	Dir        string          // absolute
	Time       time.Time       // of the record; else when its directory changed last, zero where it is not here
	Size, Disk int64           // of the artifacts that are here, in bytes: apparent, and on disk
	Busy       []BuildBusy     // what is being made or changed now
	BuildDetail
}

// BuildDetail is what is read of a build after the list is there.
type BuildDetail struct {
	Detailed bool           // this was read
	Packages int            // how many; 0: not known
	Changes  PackageChanges // against the build before
	Checks   []BuildCheck
	Logs     []BuildLog // of the jobs that made it, oldest first
}

// Key is what a build is known by in a list: ID/ARCH.
func (b *Build) Key() string { return b.ID + "/" + b.Arch }

// Dirty says if the config had changes that no commit has.
func (b *Build) Dirty() bool { return b.Config != nil && b.Config.Dirty == "true" }

// Compressed says if an artifact is kept compressed.
func (b *Build) Compressed(kind string) bool {
	return b.Meta != nil && b.Meta.Images[kind].UncompressedSHA256 != ""
}

// MS is how long the jobs took that made it, in milliseconds.
func (b *Build) MS() int64 {
	var ms int64
	for _, l := range b.Logs {
		ms += l.MS
	}
	return ms
}

// BuildBusy is an artifact of a build on which somebody works: its lock is held.
type BuildBusy struct {
	Type   string // of artifact
	Holder string // who, as the lock says: mostly the ID of a job
}

// PackageChanges is by which packages a build differs from the one before it.
type PackageChanges struct {
	Known   bool
	Added   []PackageChange
	Removed []PackageChange
	Changed []PackageChange // up and down
}

// PackageChange is a package by which two builds differ.
type PackageChange struct{ Name, From, To string }

// BuildCheck is the result of a check.
type BuildCheck struct {
	Name    string // of the artifact; "tests", "upgrade"
	OK      bool
	Problem string    // why the result cannot be read, else the first that failed
	Stale   bool      // it was of another commit
	Time    time.Time // when the last run began
	MS      int64     // of all runs
	Runs    []CheckRun
}

// CheckRun is one boot of a check, or one test.
type CheckRun struct {
	Name   string // the firmware, or the test's name
	OK     bool
	Text   string // what failed, else what is remarkable
	Passed int    // assertions that hold, of Of
	Of     int
	MS     int64
	Accel  string                // of a boot
	Began  time.Time             // of a boot
	Marks  []milestone.Milestone // what a boot came to
}

// BuildLog is the journal of a job that made a build or a part of it.
type BuildLog struct {
	Job    string
	Stage  string
	Events string // path of the journal
	Log    string // path of the log
	Size   int64  // of the log, in bytes
	Start  time.Time
	MS     int64  // of the job; 0 while it is not over
	State  string // finished, failed; "" where the journal has no end
	Steps  []BuildStep
}

// BuildStep is a step of a job that has ended.
type BuildStep struct {
	Name    string
	Title   string
	MS      int64
	Skipped bool
}
