package workspace

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var crashNow = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// threeBuilds has the builds 40.1, 40.2 (tagged good; aarch64 is elsewhere) and
// 40.3, an archive and an image in each, and 40.9 that is elsewhere.
func threeBuilds(t *testing.T) *Workspace {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"builds", "src", "tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := &Workspace{Dir: dir}
	sum := strings.Repeat("0a", 32)
	for n := 1; n <= 3; n++ {
		id := "40." + strconv.Itoa(n)
		stage := w.path("tmp", id)
		built := Timestamp(crashNow.Add(time.Duration(n-10) * 24 * time.Hour))
		m := Meta{
			BuildID: id, Name: "n", Arch: "x86_64", Commit: sum, ContentChecksum: sum, InputHash: sum, Version: id,
			CommitTimestamp: built, BuildTimestamp: built, NosaVersion: "1", Images: map[string]Artifact{},
		}
		if err := os.Mkdir(stage, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, typ := range []string{"ostree", "qemu"} {
			m.Images[typ] = Artifact{Path: typ, SHA256: sum, Size: 8192}
			if err := os.WriteFile(filepath.Join(stage, typ), make([]byte, 8192), 0o444); err != nil {
				t.Fatal(err)
			}
		}
		if err := WriteMeta(t.Context(), stage, m, crashNow); err != nil {
			t.Fatal(err)
		}
		if err := w.Publish(t.Context(), IndexEntry{ID: id, Arches: []string{"x86_64"}}, stage, crashNow); err != nil {
			t.Fatal(err)
		}
	}
	err := w.UpdateIndex(t.Context(), crashNow, func(x *Index) error {
		x.Builds = slices.Insert(x.Builds, 0, IndexEntry{ID: "40.9", Arches: []string{"x86_64"}})
		x.Builds[2].Arches = append(x.Builds[2].Arches, "aarch64")
		return x.Tag(Tag{Name: "good", Target: "40.2"}, crashNow)
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// state is what a user can see: each build, with where it is and what is whole.
func state(t *testing.T, w *Workspace) string {
	t.Helper()
	x, err := w.ReadIndex()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	whole := func(dir string) string {
		for _, f := range []string{MetaFile, "ostree"} {
			if !exists(filepath.Join(dir, f)) {
				return "BROKEN"
			}
		}
		if !exists(filepath.Join(dir, "qemu")) {
			return "whole without image"
		}
		return "whole"
	}
	for _, e := range x.Builds {
		line := e.ID + " " + strings.Join(e.Arches, ",")
		if w.HasBuild(e.ID, "x86_64") {
			line += " " + whole(w.BuildDir(e.ID, "x86_64"))
		}
		lines = append(lines, line+strings.Join(append([]string{""}, x.TagsOf(e.ID)...), " #"))
	}
	bin, err := w.DeletedBuilds()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range bin {
		lines = append(lines, "deleted "+d.ID+" "+whole(w.binPath(d.dir, deletedBuild, "x86_64")))
	}
	latest, _ := os.Readlink(filepath.Join(w.Builds(), latestLink))
	lines = append(lines, "latest "+latest)
	names, err := filepath.Glob(filepath.Join(w.Builds(), "[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		lines = append(lines, filepath.Base(n))
	}
	return strings.Join(lines, "\n")
}

// A process that dies between any two steps leaves what Repair makes one of the
// two states that the user knows, and a second Repair finds nothing to do.
func TestCrashes(t *testing.T) {
	deleted := func(t *testing.T, w *Workspace, id string) Deleted {
		t.Helper()
		if !w.HasBuild(id, "x86_64") {
			bin, err := w.DeletedBuilds()
			if err != nil || len(bin) != 1 {
				t.Fatal(bin, err)
			}
			return bin[0]
		}
		gone, err := w.Delete(t.Context(), []string{id}, DeleteOptions{Now: crashNow, Force: true})
		if err != nil {
			t.Fatal(err)
		}
		return gone[0]
	}
	for _, tt := range []struct {
		name  string
		steps func(*testing.T, *Workspace) []func() error
		// begun is the number of steps after which the change is not taken back.
		begun  int
		before string
		after  string
	}{
		{
			name: "delete",
			steps: func(t *testing.T, w *Workspace) []func() error {
				x, err := w.ReadIndex()
				if err != nil {
					t.Fatal(err)
				}
				d, err := w.toDelete(&x, "40.3", DeleteOptions{Now: crashNow})
				if err != nil {
					t.Fatal(err)
				}
				return w.deleteSteps(&d, crashNow)
			},
			begun:  3,
			before: "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3",
			after:  "40.9 x86_64\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\ndeleted 40.3 whole\nlatest 40.2\n40.1\n40.2",
		},
		{
			name: "undelete",
			steps: func(t *testing.T, w *Workspace) []func() error {
				d := deleted(t, w, "40.2")
				return w.undeleteSteps(&d, crashNow)
			},
			begun:  1,
			before: "40.9 x86_64\n40.3 x86_64 whole\n40.2 aarch64 #good\n40.1 x86_64 whole\ndeleted 40.2 whole\nlatest 40.3\n40.1\n40.3",
			after:  "40.9 x86_64\n40.3 x86_64 whole\n40.2 aarch64,x86_64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3",
		},
		{
			name: "prune", // what was not moved yet comes back, whole
			steps: func(t *testing.T, w *Workspace) []func() error {
				p, err := w.PlanPrune(PruneOptions{Builds: []string{"40.3"}, Now: crashNow})
				if err != nil {
					t.Fatal(err)
				}
				return w.pruneSteps(p, crashNow)
			},
			begun:  3,
			before: "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3",
			after:  "40.9 x86_64\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.2\n40.1\n40.2",
		},
		{
			name: "prune images",
			steps: func(t *testing.T, w *Workspace) []func() error {
				p, err := w.PlanPrune(PruneOptions{Builds: []string{"40.3"}, Images: []string{"qemu"}, Now: crashNow})
				if err != nil {
					t.Fatal(err)
				}
				return w.pruneSteps(p, crashNow)
			},
			begun:  3,
			before: "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3",
			after:  "40.9 x86_64\n40.3 x86_64 whole without image\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := 0; ; n++ {
				w := threeBuilds(t)
				steps := tt.steps(t, w)
				if n > len(steps) {
					break
				}
				for _, step := range steps[:n] {
					if err := step(); err != nil {
						t.Fatal(err)
					}
				}
				want := tt.before
				if n >= tt.begun {
					want = tt.after
				}
				for again := range 2 {
					r, err := w.Repair(t.Context(), crashNow)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, state(t, w)); diff != "" {
						t.Fatalf("dead after %d steps of %d: %s", n, len(steps), diff)
					}
					if again > 0 && !cmp.Equal(r, Repaired{}) {
						t.Errorf("a second repair found %+v", r)
					}
				}
				if n >= tt.begun {
					continue
				}
				for _, step := range tt.steps(t, w) { // it can be done anew
					if err := step(); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(tt.after, state(t, w)); diff != "" {
					t.Errorf("done anew after %d steps: %s", n, diff)
				}
			}
		})
	}
}

// A build that cannot be moved, here because of a directory in its place, is
// not lost from the index.
func TestDeleteThatCannotMove(t *testing.T) {
	w := threeBuilds(t)
	before := state(t, w)
	x, err := w.ReadIndex()
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.toDelete(&x, "40.3", DeleteOptions{Now: crashNow})
	if err != nil {
		t.Fatal(err)
	}
	steps := w.deleteSteps(&d, crashNow)
	for _, step := range steps[:4] {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	block := w.binPath(d.dir, deletedBuild, "x")
	if err := os.MkdirAll(block, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := steps[4](); err == nil {
		t.Fatal("moved over a directory")
	}
	if err := os.RemoveAll(w.binPath(d.dir)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, state(t, w)); diff != "" {
		t.Error(diff)
	}
}
