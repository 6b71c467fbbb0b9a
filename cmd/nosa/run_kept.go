package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/share"
)

// keptDisk is what --keep NAME keeps.
type keptDisk struct {
	workspace.KeptDisk

	dir   string
	again bool       // it has been started before
	lock  *lock.File // held while the machine is being started
}

// openKept opens or makes the directory of a kept disk and locks it. Two
// machines never share one.
func (p *runPlan) openKept() (*keptDisk, error) {
	k := &keptDisk{dir: filepath.Join(p.ws.KeptDir(), p.o.keep)}
	err := p.makeKept(k.dir)
	if err == nil {
		k.lock, err = lock.Open(filepath.Join(k.dir, "lock"))
	}
	if errors.Is(err, fs.ErrPermission) {
		err = hinted{err, "what a machine keeps is of who started it first: another name for --keep"}
	}
	if err != nil {
		return nil, fmt.Errorf("keeping %s: %w", p.o.keep, err)
	}
	err = k.lock.Try(lock.Exclusive, 0)
	if errors.Is(err, lock.ErrHeld) {
		err = fmt.Errorf("%s is being started by another nosa: %w", p.o.keep, workspace.ErrLocked)
	}
	if err == nil {
		err = p.notRunning()
	}
	if err == nil {
		err = k.read()
	}
	if err != nil {
		return nil, errors.Join(err, k.lock.Close())
	}
	return k, nil
}

// makeKept makes the directory: its user's only or, in a shared workspace, one that others can look into, so that
// nobody deletes the build that it is a change of.
func (p *runPlan) makeKept(dir string) error {
	if !share.Shared(p.ws.Dir) {
		return os.MkdirAll(dir, 0o700)
	}
	return share.MkdirPlain(dir)
}

// notRunning refuses a kept disk that a machine uses.
func (p *runPlan) notRunning() error {
	live, err := machine.Live(p.vms)
	if err != nil {
		return err
	}
	for _, e := range live {
		if e.Name == p.o.keep {
			return hinted{fmt.Errorf("%s runs already, as machine %s: %w", p.o.keep, e.ID, workspace.ErrLocked), "nosa console " + p.o.keep + ", or nosa stop " + p.o.keep}
		}
	}
	return nil
}

func (k *keptDisk) read() error {
	data, err := os.ReadFile(filepath.Join(k.dir, workspace.KeptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return k.begin()
	}
	if err == nil {
		err = json.Unmarshal(data, &k.KeptDisk)
	}
	if err != nil {
		return hinted{fmt.Errorf("reading %s: %w", filepath.Join(k.dir, workspace.KeptFile), err), "another name for --keep, or remove " + k.dir + ", which loses what the machine changed"}
	}
	k.again = true
	return nil
}

// begin removes what a start that was killed has left.
func (k *keptDisk) begin() error {
	entries, err := os.ReadDir(k.dir)
	for _, e := range entries {
		if e.Name() != "lock" && err == nil {
			err = os.RemoveAll(filepath.Join(k.dir, e.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("beginning anew in %s: %w", k.dir, err)
	}
	return nil
}

// write notes what the disk is a change of, once there is a disk.
func (k *keptDisk) write() error {
	data, err := json.MarshalIndent(k.KeptDisk, "", "  ")
	if err == nil {
		err = share.Replace(filepath.Join(k.dir, workspace.KeptFile), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keeping the disk in %s: %w", k.dir, err)
	}
	return nil
}

// sameAs refuses to go on with a kept disk as a change of something else.
func (p *runPlan) sameAs(k *keptDisk) error {
	o, anew := p.o, "another name for --keep, or remove "+k.dir
	build, image := k.Build, k.Image
	var err error
	if o.build != "latest" {
		build, err = p.ws.Resolve(o.build, string(k.Arch))
	}
	if o.image != "" && err == nil {
		image, err = filepath.Abs(o.image)
	}
	switch {
	case err != nil:
		return err
	case build != k.Build || image != k.Image:
		return hinted{fmt.Errorf("%s keeps the changes to %s", o.keep, k.Image), anew}
	case o.ignition != "" || o.butane != "" || o.addIgnition != nil || o.injectIgnition:
		return hinted{fmt.Errorf("%s has had its first boot: a config for that comes too late", o.keep), anew}
	case o.kargs != nil || o.firstbootKargs != nil:
		return hinted{fmt.Errorf("%s has had its first boot: kernel arguments are its own now", o.keep), anew}
	}
	return nil
}
