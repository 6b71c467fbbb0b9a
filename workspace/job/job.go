// Package job is one running stage on disk: create it, publish its events,
// follow, cancel and list it.
//
// It runs nothing and knows no stage: cmd/nosa starts the worker, builder does
// the work. A job's directory is tmp/jobs/ID:
//
//	job.json      Info, written before the directory gets its name, never changed
//	events.jsonl  the journal, one event.Event a line
//	log           output of the programs: time TAB step TAB text
//	lock          held while the job runs
//	cancel        made by whoever wants it to end
//
// The state is not stored: a held lock is running; else the journal's finish
// or fail event says how it ended; neither is lost.
package job

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// idTime is the form of the time at the beginning of an ID.
const idTime = "20060102T150405Z"

// ID names a job: its start in UTC, its stage and four hex digits, so that names sort by time.
type ID string

// Info is job.json: what was asked for, by whom, where.
type Info struct {
	V         int             `json:"v"`
	ID        ID              `json:"id"`
	Stage     string          `json:"stage"`
	Argv      []string        `json:"argv"`
	Request   json.RawMessage `json:"request,omitempty"`
	Backend   string          `json:"backend"`
	Container string          `json:"container,omitempty"`
	Host      string          `json:"host"`
	User      string          `json:"user"`
	Version   string          `json:"version"`
	Created   time.Time       `json:"created"`
	Parent    ID              `json:"parent,omitempty"`
	Token     string          `json:"token,omitempty"` // of whoever started it, so that it finds the job again
}

// State is how a job stands.
type State string

// The states of a job.
const (
	Running  State = "running"
	Finished State = "finished"
	Failed   State = "failed"
	// Lost is a job whose processes are gone and which never said how it ended.
	Lost State = "lost"
)

// ErrNotFound is a job id that names no job of the workspace.
var ErrNotFound = errors.New("no such job")

// The bytes of the lock file: the host's nosa holds the first, the one inside a
// container the second.
const (
	HostByte  = 0
	InnerByte = 1
)

// Job is a job of this process: created and locked by it.
type Job struct {
	Info Info
	Dir  string
	lock *lock.File
}

// Create makes the job's directory below jobs (made if missing) with the lock
// held, so that it is never seen unlocked before it has run. Info.ID, V and
// Created are filled in. Close releases the lock.
func Create(jobs string, info Info) (*Job, error) {
	if err := share.MkdirAll(jobs); err != nil {
		return nil, fmt.Errorf("creating job: %w", err)
	}
	sweep(jobs)
	for try := 1; ; try++ {
		j, err := create(jobs, info)
		taken := errors.Is(err, fs.ErrExist)
		swept := errors.Is(err, fs.ErrNotExist) || errors.Is(err, lock.ErrHeld)
		if !taken && !swept || try == createTries {
			return j, err
		}
	}
}

// createTries bounds how often a job gets another id because its own is taken,
// or because another process took its directory for a leftover.
const createTries = 10

func create(jobs string, info Info) (*Job, error) {
	id, err := newID(info.Stage, info.Created)
	if err != nil {
		return nil, err
	}
	info.V, info.ID = event.Version, id
	dir := filepath.Join(jobs, hidden+string(id))
	j := &Job{Info: info, Dir: filepath.Join(jobs, string(id))}
	if j.lock, err = lockedDir(dir); err != nil {
		return nil, fmt.Errorf("creating job %s: %w", id, err)
	}
	if err := j.fill(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("creating job %s: %w", id, err), os.RemoveAll(dir), j.lock.Close())
	}
	return j, nil
}

// hidden begins the name of a directory that is not a job yet.
const hidden = "."

// lockedDir makes the directory with the lock in it held.
func lockedDir(dir string) (*lock.File, error) {
	if err := share.MkdirKept(dir); err != nil {
		return nil, err
	}
	l, err := lock.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := l.Try(lock.Exclusive, HostByte); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// fill writes the job's files into dir and gives it its name.
func (j *Job) fill(dir string) error {
	data, err := json.MarshalIndent(j.Info, "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"job.json": append(data, '\n'), "events.jsonl": nil, "log": nil} {
		if err := share.Create(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return os.Rename(dir, j.Dir)
}

// sweep removes what killed processes left of jobs that they were creating. What
// it cannot remove stays for the next one.
func sweep(jobs string) {
	entries, err := os.ReadDir(jobs)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), hidden) {
			continue
		}
		dir := filepath.Join(jobs, e.Name())
		l, err := lock.OpenThere(filepath.Join(dir, "lock"))
		if errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(dir) // if it is empty: just made, or left
		}
		if err != nil {
			continue // another process sweeps it
		}
		// Held while it goes, so that one who is about to lock it makes another.
		if l.Try(lock.Exclusive, HostByte) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = l.Close()
	}
}

func newID(stage string, created time.Time) (ID, error) {
	var b [2]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("naming job: %w", err)
	}
	return ID(created.UTC().Format(idTime) + "-" + stage + "-" + hex.EncodeToString(b[:])), nil
}

// LockFile is the held lock, for a child process to inherit: the lock lasts
// until the last process that has it is gone.
func (j *Job) LockFile() *os.File { return j.lock.File() }

// Close releases the lock, unless a child still has it.
func (j *Job) Close() error { return j.lock.Close() }

// Open reads the job in dir, whoever made it.
func Open(dir string) (Info, error) {
	data, err := os.ReadFile(filepath.Join(dir, "job.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, fmt.Errorf("%s: %w", filepath.Base(dir), ErrNotFound)
	}
	if err != nil {
		return Info{}, fmt.Errorf("reading job: %w", err)
	}
	var info Info
	if err := json.Unmarshal(data, &info); err != nil {
		return Info{}, fmt.Errorf("reading %s: %w", filepath.Join(dir, "job.json"), err)
	}
	return info, nil
}

// Status is a job and how it stands.
type Status struct {
	Info  Info        `json:"job"`
	State State       `json:"state"`
	Last  event.Event `json:"last"` // the last event of the journal, zero when there is none
	Dir   string      `json:"-"`
}

// Look gives the status of the job in dir without disturbing it: the lock is
// asked about, never taken. A job.json that cannot be read says nothing about
// whether the job runs, so one broken file hides no other job; the Info then
// has the directory's name as its ID and nothing else.
func Look(dir string) (Status, error) {
	info, err := Open(dir)
	if errors.Is(err, ErrNotFound) {
		return Status{}, err
	}
	if err != nil {
		info = Info{ID: ID(filepath.Base(dir)), Stage: "unreadable"}
	}
	st := Status{Info: info, Dir: dir}
	held, err := Held(filepath.Join(dir, "lock"))
	if err != nil {
		return Status{}, fmt.Errorf("job %s: %w", info.ID, err)
	}
	if st.Last, err = lastEvent(filepath.Join(dir, "events.jsonl")); err != nil {
		return Status{}, err
	}
	switch {
	case held:
		st.State = Running
	case st.Last.Kind == event.Finish:
		st.State = Finished
	case st.Last.Kind == event.Fail:
		st.State = Failed
	default:
		st.State = Lost
	}
	return st, nil
}

// Held says if the host's nosa or the one inside a container holds the lock file.
func Held(path string) (bool, error) {
	for _, b := range []int64{HostByte, InnerByte} {
		if held, err := lock.Probe(path, lock.Exclusive, b); held || err != nil {
			return held, err
		}
	}
	return false, nil
}

// List gives the jobs below jobs, newest first. Directories that hold no job are passed over.
func List(jobs string) ([]Status, error) {
	entries, err := os.ReadDir(jobs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	var list []Status
	for _, e := range entries {
		if !e.IsDir() || e.Name()[0] == '.' {
			continue
		}
		st, err := Look(filepath.Join(jobs, e.Name()))
		if errors.Is(err, ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, st)
	}
	sort.SliceStable(list, func(a, b int) bool { return list[a].Info.Created.After(list[b].Info.Created) })
	return list, nil
}

// Live gives the jobs of jobs that run, newest first.
func Live(jobs string) ([]Status, error) {
	all, err := List(jobs)
	if err != nil {
		return nil, err
	}
	var live []Status
	for _, st := range all {
		if st.State == Running {
			live = append(live, st)
		}
	}
	return live, nil
}

// Find gives the one job of jobs whose id is, or starts with, or ends in, id.
func Find(jobs, id string) (Status, error) {
	all, err := List(jobs)
	if err != nil {
		return Status{}, err
	}
	var hits []Status
	for _, st := range all {
		name := string(st.Info.ID)
		if name == id {
			return st, nil
		}
		if id != "" && (len(name) > len(id)) && (name[:len(id)] == id || name[len(name)-len(id):] == id) {
			hits = append(hits, st)
		}
	}
	switch len(hits) {
	case 0:
		return Status{}, fmt.Errorf("%s: %w", id, ErrNotFound)
	case 1:
		return hits[0], nil
	}
	return Status{}, fmt.Errorf("%s names %d jobs; give more of the id", id, len(hits))
}

// Cancel asks the job in dir to end. It works from anywhere the directory is visible.
func Cancel(dir string) error {
	f, err := share.Open(filepath.Join(dir, "cancel"), os.O_CREATE|os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("cancelling job: %w", err)
	}
	return f.Close()
}
