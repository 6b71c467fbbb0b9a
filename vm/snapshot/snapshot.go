// Package snapshot keeps guests that have booted, so that others can go on from
// there instead of booting: a second instead of half a minute.
//
// A fork is an ordinary machine whose Spec comes from Snapshot.Spec: its disk is
// an overlay on the snapshot's, its memory a private mapping of the snapshot's
// memory file, so that any number of forks share what none of them has written.
// Store.Fork does all of it; where another process runs the machine, in order:
//
//	snapshot.Unfit(spec) == ""              // else boot
//	key, err := snapshot.Key(spec, origin)
//	snap, err := store.Find(ctx, key)       // ErrNone: boot, the text says why
//	m, err := vm.Start(ctx, snap.Spec(spec), …)  // an error: snap.Reject, boot
//	done, err := snapshot.Renew(ctx, guest.NewConsole(…), …) // the same
//	snap.Close()                            // QEMU has its files open
//
// A fork is a boot that somebody else has made: it has the snapshot's machine
// and boot ids, and what the first boot does is behind it. What tests a boot
// must not use it.
package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace/lock"
)

// ErrNone is that there is no snapshot to use; the text around it says why.
var ErrNone = errors.New("no snapshot")

// format is the version of what lies in a snapshot's directory.
const format = 1

// The files of a snapshot.
const (
	infoName  = "info.json" // written last: without it a directory is nothing
	stateName = "state"     // of the devices, as QEMU writes it
	memName   = "mem"       // the guest's memory
	diskName  = "disk0.qcow2"
	imageName = "image" // a link to the image that the disk is an overlay of
)

// Info says what a snapshot is.
type Info struct {
	V       int              `json:"v"`
	Key     string           `json:"key"`
	Created time.Time        `json:"created"`
	Image   string           `json:"image"` // sha256
	QEMU    string           `json:"qemu"`
	BootMS  int64            `json:"boot-ms"` // power-on to the login prompt
	MakeMS  int64            `json:"make-ms"` // power-on to the saved state
	State   string           `json:"state-sha256"`
	Files   map[string]stamp `json:"files"`
}

// stamp tells a file that was changed. The memory is too large for a checksum
// before every fork.
type stamp struct {
	Size  int64 `json:"size"`
	MTime int64 `json:"mtime"` // ns
}

func stampOf(name string) (stamp, error) {
	info, err := os.Stat(name) // of what a link leads to
	if err != nil {
		return stamp{}, err
	}
	return stamp{Size: info.Size(), MTime: info.ModTime().UnixNano()}, nil
}

// Store is a directory of snapshots, which need not exist. Any number of
// processes may use it at once.
type Store struct{ Dir string }

// Snapshot is one that can be used. While it is open it is not removed.
type Snapshot struct {
	Dir  string
	Info Info

	store Store
	lock  *lock.File
}

func (s Store) path(key string) string { return filepath.Join(s.Dir, key) }

// lockByte is what of a snapshot's lock file is locked: shared by those who use
// it, exclusively by who makes or removes it.
const lockByte = 0

// open opens the lock of a snapshot.
func (s Store) open(key string) (*lock.File, error) {
	return lock.Open(s.path(key) + ".lock")
}

// Find gives the snapshot with that key. ErrNone is that there is none or only
// another user's, whose guest's memory is his own, that it is just being removed, or that it was damaged and is removed now. The caller
// closes it.
func (s Store) Find(ctx context.Context, key string) (*Snapshot, error) {
	_, err := os.Stat(filepath.Join(s.path(key), infoName))
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: there is one, and it is another user's", ErrNone)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if why := s.failed(key); why != "" {
			return nil, fmt.Errorf("%w: making one was tried: %s", ErrNone, why)
		}
		return nil, ErrNone
	}
	l, err := s.open(key)
	if err != nil {
		return nil, fmt.Errorf("looking for a snapshot: %w", err)
	}
	if err := l.Try(lock.Shared, lockByte); err != nil {
		_ = l.Close()
		if errors.Is(err, lock.ErrHeld) {
			return nil, fmt.Errorf("%w: it is being made or removed", ErrNone)
		}
		return nil, fmt.Errorf("looking for a snapshot: %w", err)
	}
	info, err := load(s.path(key))
	if err != nil {
		_ = l.Close()
		gone := s.remove(ctx, key, func() bool { _, err := load(s.path(key)); return err != nil })
		return nil, errors.Join(fmt.Errorf("%w: it was unusable and is removed: %w", ErrNone, err), gone)
	}
	now := time.Now()
	_ = os.Chtimes(l.Path(), now, now) // least use decides what Trim removes
	return &Snapshot{Dir: s.path(key), Info: info, store: s, lock: l}, nil
}

// load reads a snapshot's description and looks whether its files are those.
func load(dir string) (Info, error) {
	var info Info
	data, err := os.ReadFile(filepath.Join(dir, infoName))
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, fmt.Errorf("%s: %w", infoName, err)
	}
	if info.V != format || info.Key != filepath.Base(dir) || len(info.Files) == 0 {
		return info, fmt.Errorf("%s describes another one", infoName)
	}
	for name, want := range info.Files {
		got, err := stampOf(filepath.Join(dir, filepath.Base(name)))
		if err != nil {
			return info, err
		}
		if got != want {
			return info, fmt.Errorf("%s was changed (%d bytes instead of %d)", name, got.Size, want.Size)
		}
	}
	sum, err := fileSum(filepath.Join(dir, stateName))
	if err == nil && sum != info.State {
		err = fmt.Errorf("%s was changed", stateName)
	}
	return info, err
}

// Spec is the machine that goes on from the snapshot, made of the one that would
// boot: the Spec that the snapshot's key was made from. The variables of UEFI are
// in the state; QEMU writes them to the fork's file.
func (p *Snapshot) Spec(spec vm.Spec) vm.Spec {
	spec = base(spec)
	spec.Disks[0] = frozen(spec.Disks[0], filepath.Join(p.Dir, diskName))
	spec.Memory = vm.MemoryFile{Path: filepath.Join(p.Dir, memName)}
	spec.State = filepath.Join(p.Dir, stateName)
	spec.Boot = vm.BootChanges{} // the disk has them, and is mounted
	return spec
}

// frozen is a disk with the contents of the snapshot's file.
func frozen(d vm.Disk, file string) vm.Disk {
	d.Path, d.Format, d.Writes, d.Grow = file, "qcow2", vm.Discard, vm.Resize{}
	return d
}

// Discard closes a snapshot that turned out to be of no use and removes it.
func (p *Snapshot) Discard(ctx context.Context) error {
	if err := p.Close(); err != nil {
		return err
	}
	return p.store.remove(ctx, p.Info.Key, func() bool { return true })
}

// Close lets go of the snapshot. Machines that run have what they need of it.
func (p *Snapshot) Close() error { return p.lock.Close() }

// fileSum is the sha256 of a file, in hex.
func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
