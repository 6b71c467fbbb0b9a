//go:build e2e

package vm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// saved is a machine that ran the probe's code and was saved into dir.
func saved(t *testing.T, dir string) Spec {
	t.Helper()
	spec := Spec{
		Disks: []Disk{{Path: bootDisk(t)}}, MemoryMiB: 128,
		Memory: MemoryFile{Path: filepath.Join(dir, "mem,1"), Writes: Keep},
	}
	m, err := Start(t.Context(), spec, StartOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	readSerial(t, m, probeSays)
	f, err := os.Create(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.Save(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	spec.Memory.Writes, spec.State = Discard, f.Name()
	return spec
}

// Real QEMU: what was saved goes on running as often as one likes, and neither
// the state nor the memory's file changes by it.
func TestE2ESave(t *testing.T) {
	dir := t.TempDir()
	spec := saved(t, dir)
	before := contents(t, spec.State, spec.Memory.Path)
	for range 2 {
		m, err := Start(t.Context(), spec, StartOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		status, err := m.QMP(t.Context(), "query-status", nil)
		if err != nil || !bytes.Contains(status, []byte(`"running": true`)) {
			t.Errorf("status %s, %v", status, err)
		}
		if end := m.Serial().End(); end != 0 {
			t.Errorf("%d bytes on the console: the machine has booted", end)
		}
		if err := m.Reset(t.Context()); err != nil { // writes memory, and reads the disk
			t.Error(err)
		}
		readSerial(t, m, probeSays)
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(before, contents(t, spec.State, spec.Memory.Path)) {
		t.Error("a file of the saved machine was written")
	}
}

// A state that is damaged or of another machine is told from one that cannot
// be read, and nothing is left of the attempt.
func TestE2ESaveRefused(t *testing.T) {
	dir := t.TempDir()
	spec := saved(t, dir)
	work := t.TempDir()
	refuse := func(name string, spec Spec, want error) {
		if m, err := Start(t.Context(), spec, StartOptions{Dir: work}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
			if err == nil {
				m.Stop()
			}
		}
	}
	other := spec
	other.CPUs = 1
	refuse("fewer processors", other, ErrState)
	other = spec
	other.State = filepath.Join(dir, "none")
	refuse("no file", other, os.ErrNotExist)
	for _, size := range []int{0, 5, 5000} {
		data := contents(t, spec.State)
		other.State = filepath.Join(dir, "short")
		if err := os.WriteFile(other.State, data[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		refuse("a cut state", other, ErrState)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func contents(t *testing.T, names ...string) []byte {
	t.Helper()
	var all []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}
