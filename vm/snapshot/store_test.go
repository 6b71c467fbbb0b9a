package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/workspace/event"
)

// workshop is a store, and how snapshots are made in it without a machine.
func workshop(t *testing.T) (Store, MakeOptions, string) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	spec := plain()
	spec.Disks[0].Path = filepath.Join(dir, "builds", "image.qcow2")
	if err := os.Mkdir(filepath.Dir(spec.Disks[0].Path), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "qemu-img", "create", "-q", "-f", "qcow2", spec.Disks[0].Path, "1M").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o := MakeOptions{Spec: spec, Origin: given, Now: time.Now(), save: writeFiles}
	key, err := Key(o.Spec, o.Origin)
	if err != nil {
		t.Fatal(err)
	}
	return Store{Dir: filepath.Join(dir, "cache", "snapshots")}, o, key
}

// writeFiles leaves what a saved machine leaves.
func writeFiles(_ context.Context, dir string, _ vm.Spec, info *Info) error {
	info.BootMS = 28500
	return errors.Join(
		os.WriteFile(filepath.Join(dir, stateName), []byte("devices"), 0o600),
		os.WriteFile(filepath.Join(dir, memName), bytes.Repeat([]byte("memory"), 1000), 0o600),
	)
}

func mustMake(t *testing.T, s Store, o MakeOptions) {
	t.Helper()
	if err := s.Make(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// usable says whether Find gives the snapshot, and if not, why.
func usable(t *testing.T, s Store, key string) error {
	t.Helper()
	snap, err := s.Find(t.Context(), key)
	if err != nil {
		if !errors.Is(err, ErrNone) {
			t.Errorf("%v is not ErrNone", err)
		}
		return err
	}
	return snap.Close()
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestMakeAndFind(t *testing.T) {
	s, o, key := workshop(t)
	if err := usable(t, s, key); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir); err == nil {
		t.Error("looking for a snapshot made the store")
	}
	mustMake(t, s, o)
	snap, err := s.Find(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if diff := cmp.Diff([]string{diskName, imageName, infoName, memName, stateName}, names(t, snap.Dir)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{key, key + lockSuffix}, names(t, s.Dir)); diff != "" {
		t.Error(diff)
	}
	if out, err := exec.CommandContext(t.Context(), "qemu-img", "check", filepath.Join(snap.Dir, diskName)).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	o.Spec.Boot.Kargs = "quiet"
	o.Spec.Disks[0].Grow.By = event.GiB
	fork := snap.Spec(o.Spec)
	want := o.Spec
	want.Boot = vm.BootChanges{}
	want.Disks = []vm.Disk{{Path: filepath.Join(snap.Dir, diskName), Format: "qcow2"}}
	want.Memory.Path, want.State = filepath.Join(snap.Dir, memName), filepath.Join(snap.Dir, stateName)
	want.Extra = []string{"-device", "vmgenid,guid=auto"}
	if diff := cmp.Diff(want, fork); diff != "" {
		t.Error(diff)
	}
	if o.Spec.Disks[0].Grow.By == 0 {
		t.Error("Spec changed the machine that it was given")
	}
	// All of it moved, the link to the image leads there still.
	top := filepath.Dir(filepath.Dir(s.Dir))
	if err := os.Rename(top, top+"-moved"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top + "-moved")
	if err := usable(t, Store{Dir: filepath.Join(top+"-moved", "cache", "snapshots")}, key); err != nil {
		t.Error(err)
	}
}

// Whatever happened to its files, a snapshot that is not as it was made is none,
// is gone, and can be made again.
func TestDamaged(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(dir string) error
	}{
		{"a file is gone", func(dir string) error { return os.Remove(filepath.Join(dir, memName)) }},
		{"a file is shorter", func(dir string) error { return os.Truncate(filepath.Join(dir, memName), 5) }},
		{"a file was written", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, memName), bytes.Repeat([]byte("MEMORY"), 1000), 0o600)
		}},
		{"the state is another with the same time", func(dir string) error {
			name := filepath.Join(dir, stateName)
			info, err := os.Stat(name)
			return errors.Join(err, os.WriteFile(name, []byte("DEVICES"), 0o600), os.Chtimes(name, info.ModTime(), info.ModTime()))
		}},
		{"the image is gone", func(dir string) error {
			image, err := filepath.EvalSymlinks(filepath.Join(dir, imageName))
			return errors.Join(err, os.Rename(image, image+".away"))
		}},
		{"no JSON", func(dir string) error { return os.WriteFile(filepath.Join(dir, infoName), []byte("{"), 0o600) }},
		{"an empty description", func(dir string) error { return os.WriteFile(filepath.Join(dir, infoName), []byte("{}"), 0o600) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, o, key := workshop(t)
			mustMake(t, s, o)
			if err := tc.damage(s.path(key)); err != nil {
				t.Fatal(err)
			}
			if err := usable(t, s, key); err == nil || !strings.Contains(err.Error(), "unusable") {
				t.Fatalf("found: %v", err)
			}
			if diff := cmp.Diff([]string{key + lockSuffix}, names(t, s.Dir)); diff != "" {
				t.Error(diff)
			}
			_ = os.Rename(o.Spec.Disks[0].Path+".away", o.Spec.Disks[0].Path)
			mustMake(t, s, o)
			if err := usable(t, s, key); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestKilled: a maker that dies after any of its steps leaves nothing that looks
// like a snapshot, no lock, and nothing that stands in the way of the next.
func TestKilled(t *testing.T) {
	if step := os.Getenv("NOSA_TEST_STEP"); step != "" {
		dieAt(t, step)
	}
	for _, step := range []string{"before", "state", "files", "info"} {
		t.Run(step, func(t *testing.T) {
			s, o, key := workshop(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
			cmd.Env = append(os.Environ(), "NOSA_TEST_STEP="+step, "NOSA_TEST_STORE="+s.Dir, "NOSA_TEST_DISK="+o.Spec.Disks[0].Path)
			if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != -1 {
				t.Fatalf("it was not killed: %v, %s", err, out)
			}
			if left := names(t, s.Dir); !slices.Contains(left, newPrefix+key) {
				t.Errorf("it was killed too early or too late: %v", left)
			}
			if err := usable(t, s, key); !errors.Is(err, ErrNone) {
				t.Errorf("found: %v", err)
			}
			mustMake(t, s, o)
			if err := usable(t, s, key); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{key, key + lockSuffix}, names(t, s.Dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// dieAt makes a snapshot in the store of the environment and is killed.
func dieAt(t *testing.T, step string) {
	die := func() {
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	}
	spec := plain()
	spec.Disks[0].Path = os.Getenv("NOSA_TEST_DISK")
	o := MakeOptions{Spec: spec, Origin: given}
	o.save = func(ctx context.Context, dir string, spec vm.Spec, info *Info) error {
		if step == "before" {
			die()
		}
		if err := os.WriteFile(filepath.Join(dir, stateName), []byte("devices"), 0o600); err != nil {
			return err
		}
		if step == "state" {
			die()
		}
		if err := writeFiles(ctx, dir, spec, info); err != nil {
			return err
		}
		if step == "info" {
			if err := finish(dir, info); err != nil {
				return err
			}
		}
		die()
		return nil
	}
	t.Fatal(Store{Dir: os.Getenv("NOSA_TEST_STORE")}.Make(t.Context(), o))
}

// Several makers boot once between them.
func TestMakersWait(t *testing.T) {
	s, o, key := workshop(t)
	var boots atomic.Int32
	o.save = func(ctx context.Context, dir string, spec vm.Spec, info *Info) error {
		boots.Add(1)
		if err := usable(t, s, key); !errors.Is(err, ErrNone) {
			t.Errorf("found while it is made: %v", err)
		}
		return writeFiles(ctx, dir, spec, info)
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if err := s.Make(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := boots.Load(); n != 1 {
		t.Errorf("%d boots", n)
	}
	if err := usable(t, s, key); err != nil {
		t.Error(err)
	}
}

// A guest that cannot be saved is not booted again and again; trouble that is
// not the guest's is not remembered.
func TestMakeFails(t *testing.T) {
	s, o, key := workshop(t)
	boots := 0
	fail := error(errors.New("no space left"))
	o.save = func(_ context.Context, dir string, _ vm.Spec, _ *Info) error {
		boots++
		return errors.Join(os.WriteFile(filepath.Join(dir, stateName), nil, 0o600), fail)
	}
	for i, tc := range []struct {
		err   error
		boots int
	}{
		{errors.New("no space left"), 1},
		{&guest.BootError{Trouble: guest.Timeout, Waiting: "the login prompt"}, 2},
		{&guest.BootError{Trouble: guest.NoWayIn, Waiting: "a shell"}, 3},
		{nil, 3},
	} {
		fail = tc.err
		if err := s.Make(t.Context(), o); err == nil || boots != tc.boots {
			t.Errorf("attempt %d: %v, %d boots, want %d", i, err, boots, tc.boots)
		}
	}
	if err := usable(t, s, key); err == nil || !strings.Contains(err.Error(), "waiting for a shell") {
		t.Errorf("Find does not say why: %v", err)
	}
	if diff := cmp.Diff([]string{key + lockSuffix, key + whySuffix}, names(t, s.Dir)); diff != "" {
		t.Error(diff)
	}
	long := time.Now().Add(-failedFor - time.Hour)
	if err := os.Chtimes(s.path(key)+whySuffix, long, long); err != nil {
		t.Fatal(err)
	}
	o.save = writeFiles
	mustMake(t, s, o)
}

// A snapshot is not taken away from one who uses it.
func TestInUse(t *testing.T) {
	s, o, key := workshop(t)
	mustMake(t, s, o)
	first, err := s.Find(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Find(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := second.Discard(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("discarded in use: %v", err)
	}
	if err := s.Trim(0); err != nil {
		t.Error(err)
	}
	if err := usable(t, s, key); err != nil {
		t.Error(err)
	}
	if err := first.Discard(t.Context()); err != nil {
		t.Error(err)
	}
	if err := usable(t, s, key); !errors.Is(err, ErrNone) {
		t.Errorf("found: %v", err)
	}
}

// Trim keeps what was used last, as much as there is room for, and sweeps what
// killed processes left.
func TestTrim(t *testing.T) {
	s, o, _ := workshop(t)
	var keys []string
	for i := range 4 {
		o.Origin.Image = fmt.Sprint(i)
		mustMake(t, s, o)
		key, err := Key(o.Spec, o.Origin)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		ago := time.Now().Add(-time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(s.path(key)+lockSuffix, ago, ago); err != nil {
			t.Fatal(err)
		}
	}
	if err := usable(t, s, keys[3]); err != nil { // used just now
		t.Fatal(err)
	}
	dead := strings.Repeat("d", keyLength)
	for _, name := range []string{newPrefix + dead, oldPrefix + dead, "foreign"} {
		if err := os.Mkdir(filepath.Join(s.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Trim(2 * onDisk(s.path(keys[0]))); err != nil {
		t.Fatal(err)
	}
	want := []string{"foreign", keys[0], keys[0] + lockSuffix, keys[3], keys[3] + lockSuffix}
	slices.Sort(want)
	if diff := cmp.Diff(want, names(t, s.Dir)); diff != "" {
		t.Error(diff)
	}
}
