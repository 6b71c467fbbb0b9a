// Package machine is a virtual machine on disk: who runs it, what it runs, how
// it stands, and when it reached what.
//
// It starts nothing: cmd/nosa does, and vm runs QEMU. A machine's directory is
// tmp/vms/ID:
//
//	vm.json        Info, replaced by rename whenever it changes
//	events.jsonl   what it came to, one event.Event a line
//	console.log    what its serial port printed from power-on; what is too long for
//	               it goes on in console.log.tail
//	console.sock   where the hub answers while it runs
//	lock           held while it runs
//
// and, only while it runs, files that nobody else needs: disk overlays, keys,
// its Ignition config. Whether a machine lives is never guessed from a process
// id: a held lock is a running machine.
package machine

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// Version is the value of Info.V that this package writes.
const Version = 1

// idTime is the form of the time at the beginning of an ID.
const idTime = "20060102T150405Z"

// hidden begins the name of a directory that is not a machine yet.
const hidden = "."

// KeepRecords is how many records of ended machines are kept for a look.
const KeepRecords = 20

// ID names a machine: its start in UTC and four hex digits, so that names sort by time.
type ID string

// State is how a machine stands.
type State string

// The states. A machine whose lock is free is Ended or, when its hub did not
// come to say so, Lost.
const (
	Starting State = "starting"
	Running  State = "running"
	Paused   State = "paused"
	Ended    State = "ended"
	Lost     State = "lost"
)

// Info is vm.json.
type Info struct {
	V        int       `json:"v"`
	ID       ID        `json:"id"`
	Name     string    `json:"name,omitempty"` // of a machine whose disk is kept
	State    State     `json:"state"`
	User     string    `json:"user"`
	Host     string    `json:"host"`
	Version  string    `json:"version"` // nosa's
	Argv     []string  `json:"argv"`    // the command line that started it
	Created  time.Time `json:"created"`
	Detached bool      `json:"detached"`       // lives on without the command that started it
	Loop     bool      `json:"loop,omitempty"` // nosa watch booted it: of those that it left the next one takes the place

	Build    string `json:"build,omitempty"`
	Artifact string `json:"artifact,omitempty"`
	Image    string `json:"image"` // the file of the first disk, absolute; never written

	Arch      string `json:"arch"`
	Firmware  string `json:"firmware"`
	Accel     string `json:"accel"`
	Reason    string `json:"accel_reason,omitempty"`
	CPUs      int    `json:"cpus"`
	MemoryMiB int    `json:"memory_mib"`
	Resumed   bool   `json:"resumed,omitempty"` // forked from a snapshot instead of booted

	SSH *SSH `json:"ssh,omitempty"`

	Reached string     `json:"reached,omitempty"` // the last milestone
	Ended   *time.Time `json:"ended,omitempty"`
	Why     string     `json:"why,omitempty"` // it ended
	Console int64      `json:"console_bytes"`
}

// SSH is the way in over the network.
type SSH struct {
	Port int    `json:"port"` // on 127.0.0.1
	User string `json:"user"`
	Key  string `json:"key"` // the private key's file, absolute; "" when the caller has his own
	// KnownHosts is where the guest's host key is remembered, absolute.
	KnownHosts string `json:"known_hosts"`
}

// ErrNotFound is a name that no machine has.
var ErrNotFound = errors.New("no such machine")

// ErrNone is that no machine runs.
var ErrNone = errors.New("no machine runs here")

// ErrRuns is that a machine has not ended.
var ErrRuns = errors.New("it runs")

// SeveralError is a command that is meant for one of several running machines.
type SeveralError struct{ IDs []ID }

// Error names the machines.
func (e *SeveralError) Error() string {
	names := make([]string, len(e.IDs))
	for i, id := range e.IDs {
		names[i] = string(id)
	}
	return fmt.Sprintf("%d machines run, which one? %s", len(names), strings.Join(names, ", "))
}

// Machine is a machine of this process: created and locked by it, or taken over.
type Machine struct {
	Dir  string
	lock *lock.File
}

// Create makes the machine's directory below vms (made if missing) with the
// lock held. Info.ID, V and State are filled in. Close releases the lock.
func Create(vms string, info Info) (*Machine, error) {
	if err := share.MkdirAll(vms); err != nil {
		return nil, fmt.Errorf("creating a machine: %w", err)
	}
	for try := 1; ; try++ {
		m, err := create(vms, info)
		if !lostTo(err) || try == createTries {
			return m, err
		}
	}
}

// createTries bounds how often a machine gets another id.
const createTries = 10

// lostTo says if a machine was not created because its id was taken, or because another process's Sweep took its
// directory for a leftover: it may have removed it, or hold its lock to do so.
func lostTo(err error) bool {
	return errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, lock.ErrHeld)
}

func create(vms string, info Info) (*Machine, error) {
	var b [2]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, fmt.Errorf("naming a machine: %w", err)
	}
	info.V, info.State = Version, Starting
	info.ID = ID(info.Created.UTC().Format(idTime) + "-" + hex.EncodeToString(b[:]))
	dir := filepath.Join(vms, hidden+string(info.ID))
	if err := share.MkdirKept(dir); err != nil {
		return nil, fmt.Errorf("creating machine %s: %w", info.ID, err)
	}
	m, err := fill(dir, info)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating machine %s: %w", info.ID, err), os.RemoveAll(dir))
	}
	m.Dir = filepath.Join(vms, string(info.ID))
	if err := os.Rename(dir, m.Dir); err != nil {
		return nil, errors.Join(fmt.Errorf("creating machine %s: %w", info.ID, err), os.RemoveAll(dir), m.Close())
	}
	return m, nil
}

func fill(dir string, info Info) (*Machine, error) {
	l, err := lock.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	m := &Machine{Dir: dir, lock: l}
	err = l.Try(lock.Exclusive, 0)
	if err == nil {
		err = m.write(info)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return m, nil
}

// Adopt is the machine in dir for a process that inherited its lock as f.
func Adopt(dir string, f *os.File) *Machine {
	return &Machine{Dir: dir, lock: lock.Inherited(f, filepath.Join(dir, "lock"))}
}

// LockFile is the held lock, for a child to inherit.
func (m *Machine) LockFile() *os.File { return m.lock.File() }

// Update changes vm.json. One process at a time does so: the creator until the
// hub has begun, then the hub.
func (m *Machine) Update(edit func(*Info)) error {
	info, err := read(m.Dir)
	if err != nil {
		return err
	}
	edit(&info)
	return m.write(info)
}

func (m *Machine) write(info Info) error {
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	if err := share.Replace(filepath.Join(m.Dir, "vm.json"), append(data, '\n')); err != nil {
		return fmt.Errorf("writing the machine's record: %w", err)
	}
	return nil
}

// Close releases the lock, unless a child still has it.
func (m *Machine) Close() error { return m.lock.Close() }

// Entry is a machine and where it lies.
type Entry struct {
	Info
	Dir string `json:"-"`
}

// Live says whether the machine runs.
func (e Entry) Live() bool { return e.State != Ended && e.State != Lost }

func read(dir string) (Info, error) {
	data, err := os.ReadFile(filepath.Join(dir, "vm.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, fmt.Errorf("%s: %w", filepath.Base(dir), ErrNotFound)
	}
	if err != nil {
		return Info{}, fmt.Errorf("reading a machine: %w", err)
	}
	var info Info
	if err := json.Unmarshal(data, &info); err != nil {
		return Info{}, fmt.Errorf("reading %s: %w", filepath.Join(dir, "vm.json"), err)
	}
	return info, nil
}

// Look gives the machine in dir without disturbing it. A vm.json that cannot be
// read says nothing about whether the machine runs; the Info then has the
// directory's name as its ID and nothing else.
func Look(dir string) (Entry, error) {
	// The lock first: a machine that ends between the two has said so in its record.
	held, err := lock.Probe(filepath.Join(dir, "lock"), lock.Exclusive, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, fmt.Errorf("%s: %w", filepath.Base(dir), ErrNotFound)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("looking at machine %s: %w", filepath.Base(dir), err)
	}
	info, err := read(dir)
	if errors.Is(err, ErrNotFound) {
		return Entry{}, err
	}
	if err != nil {
		info = Info{ID: ID(filepath.Base(dir)), State: Running}
	}
	if !held && info.Ended == nil {
		info.State = Lost
	}
	return Entry{Info: info, Dir: dir}, nil
}

// List gives the machines below vms, newest first. Directories that hold none are passed over.
func List(vms string) ([]Entry, error) {
	entries, err := os.ReadDir(vms)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing machines: %w", err)
	}
	var list []Entry
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), hidden) {
			continue
		}
		m, err := Look(filepath.Join(vms, e.Name()))
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b Entry) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return list, nil
}

// Live gives the machines below vms that run, newest first.
func Live(vms string) ([]Entry, error) {
	list, err := List(vms)
	return slices.DeleteFunc(list, func(e Entry) bool { return !e.Live() }), err
}

// Find gives the machine that a person means: by its name, its ID or the
// beginning or end of that; "" is the only one that runs. A running machine is
// preferred to ended ones of the same name.
func Find(vms, word string) (Entry, error) {
	all, err := List(vms)
	if err != nil {
		return Entry{}, err
	}
	var hits []Entry
	for _, e := range all {
		switch id := string(e.ID); {
		case id == word:
			return e, nil
		case word == "" && e.Live(), word != "" && (e.Name == word || strings.HasPrefix(id, word) || strings.HasSuffix(id, word)):
			hits = append(hits, e)
		}
	}
	if live := slices.DeleteFunc(slices.Clone(hits), func(e Entry) bool { return !e.Live() }); len(live) > 0 {
		hits = live
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil
	case len(hits) > 1 && hits[0].Name != "" && hits[0].Name == word:
		return hits[0], nil // several ended runs of one kept disk: the newest
	case len(hits) > 1:
		several := &SeveralError{}
		for _, e := range hits {
			several.IDs = append(several.IDs, e.ID)
		}
		return Entry{}, several
	case word == "":
		return Entry{}, ErrNone
	}
	return Entry{}, fmt.Errorf("%s: %w", word, ErrNotFound)
}
