package workspace_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
)

// populated has three builds (40.1 tagged, 40.9 known only), work in tmp/ and a cache.
func populated(t *testing.T) *workspace.Workspace {
	t.Helper()
	w := newWorkspace(t)
	publish(t, w, "40.1", "x86_64", day(4)) // built last, see the repair of an interrupted clean
	publish(t, w, "40.2", "x86_64", day(2))
	publish(t, w, "40.3", "x86_64", day(3))
	err := w.UpdateIndex(t.Context(), day(5), func(x *workspace.Index) error {
		if err := x.Tag(workspace.Tag{Name: "good", Target: "40.1"}, day(5)); err != nil {
			return err
		}
		if err := x.Insert("40.3", "aarch64"); err != nil { // the other architecture is elsewhere
			return err
		}
		return x.Insert("40.9", "x86_64")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"src/config/manifest.yaml", "overrides/rpm/a.rpm", "pool/b.rpm", "builds/40.2/release.json", "builds/.history.jsonl",
		"tmp/jobs/20261101T000000Z-build-0000/log", "tmp/vms/1/vm.json", "tmp/relay/nosa-1/lock", "tmp/repo/config", "tmp/nosa-transient", "cache/repo/config", "cache/fetched.json",
	} {
		writeFile(t, filepath.Join(w.Dir, name), "x")
	}
	ro := filepath.Join(w.Dir, "tmp", "tree", "usr")
	writeFile(t, filepath.Join(ro, "file"), strings.Repeat("x", 100_000))
	if err := os.Chmod(ro, 0o500); err != nil {
		t.Fatal(err)
	}
	return w
}

func ids(t *testing.T, w *workspace.Workspace) []string {
	t.Helper()
	x, err := w.ReadIndex()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range x.Builds {
		all = append(all, e.ID+" "+strings.Join(e.Arches, ","))
	}
	return all
}

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      workspace.CleanOptions
		index  []string
		latest string
		here   []string
		gone   []string
		tagged []string
	}{
		{
			name: "plain", index: []string{"40.9 x86_64", "40.3 aarch64", "40.1 x86_64"}, latest: "40.1",
			here:   []string{"builds/40.1/x86_64/meta.json", "builds/.history.jsonl", "cache/repo/config", "src/config/manifest.yaml", "overrides/rpm/a.rpm", "pool/b.rpm"},
			gone:   []string{"builds/40.2", "builds/40.3", "tmp/repo", "tmp/tree", "tmp/nosa-transient", "tmp/.trash", "tmp/jobs/20261101T000000Z-build-0000", "tmp/vms/1"},
			tagged: []string{"40.1"},
		},
		{
			name: "all, by force", o: workspace.CleanOptions{All: true, Force: true}, index: []string{"40.9 x86_64", "40.3 aarch64"},
			here: []string{"src/config/manifest.yaml", "overrides/rpm/a.rpm", "pool/b.rpm", "cache", "tmp/relay/nosa-1/lock"},
			gone: []string{"builds/40.1", "builds/latest", "cache/repo", "cache/fetched.json"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := populated(t)
			tt.o.Now = day(9)
			c, err := w.Clean(t.Context(), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.index, ids(t, w)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.tagged, c.Tagged); diff != "" {
				t.Error(diff)
			}
			if c.Freed < 100_000 {
				t.Errorf("freed %v", c.Freed)
			}
			latest, _ := os.Readlink(filepath.Join(w.Builds(), "latest"))
			if latest != tt.latest {
				t.Errorf("latest = %q", latest)
			}
			for _, name := range tt.here {
				if _, err := os.Lstat(filepath.Join(w.Dir, name)); err != nil {
					t.Error(err)
				}
			}
			for _, name := range tt.gone {
				if _, err := os.Lstat(filepath.Join(w.Dir, name)); err == nil {
					t.Errorf("%s is still there", name)
				}
			}
			if _, err := workspace.Open(w.Dir); err != nil {
				t.Errorf("no workspace any more: %v", err)
			}
		})
	}
}

func TestCleanLeavesNoEmptyIndex(t *testing.T) {
	w := newWorkspace(t)
	publish(t, w, "40.1", "x86_64", day(2))
	if _, err := w.Clean(t.Context(), workspace.CleanOptions{Now: day(3)}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(w.Builds())
	if err != nil || len(entries) != 1 || entries[0].Name() != ".lock" {
		t.Errorf("left in builds: %v, %v", entries, err)
	}
}

func TestCleanRefuses(t *testing.T) {
	w := populated(t)
	before := ids(t, w)
	live := func() ([]string, error) { return []string{"job 20261101T000000Z-build-0000"}, nil }
	_, err := w.Clean(t.Context(), workspace.CleanOptions{Live: live})
	if !errors.Is(err, workspace.ErrLive) || !strings.Contains(err.Error(), "build-0000") {
		t.Errorf("with a live job: %v", err)
	}
	use, err := w.LockBuilds(t.Context(), workspace.LockOptions{Kind: lock.Shared, Holder: "check 7"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Clean(t.Context(), workspace.CleanOptions{}); !errors.Is(err, workspace.ErrLocked) || !strings.Contains(err.Error(), "check 7") {
		t.Errorf("while builds are read: %v", err)
	}
	_ = use.Close()
	cache, err := w.LockCache(t.Context(), workspace.LockOptions{Kind: lock.Exclusive, Holder: "fetch 8"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Clean(t.Context(), workspace.CleanOptions{}); !errors.Is(err, workspace.ErrLocked) || !strings.Contains(err.Error(), "fetch 8") {
		t.Errorf("while the cache is written: %v", err)
	}
	_ = cache.Close()
	if diff := cmp.Diff(before, ids(t, w)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(w.Tmp(), "repo")); err != nil {
		t.Error(err)
	}
}

// Clean dies after it wrote the index and before it moved the builds: they are
// whole, and Repair puts them back in their place by age.
func TestInterruptedClean(t *testing.T) {
	w := populated(t)
	err := w.UpdateIndex(t.Context(), day(6), func(x *workspace.Index) error {
		return errors.Join(x.Remove("40.2"), x.Remove("40.3"))
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Repair(t.Context(), day(7))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"40.2/x86_64", "40.3/x86_64"}, r.Inserted); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"40.9 x86_64", "40.1 x86_64", "40.3 x86_64", "40.2 x86_64"}, ids(t, w)); diff != "" {
		t.Error(diff)
	}
	if latest, _ := os.Readlink(filepath.Join(w.Builds(), "latest")); latest != "40.1" {
		t.Errorf("latest = %s", latest)
	}
}

func TestList(t *testing.T) {
	w := populated(t)
	writeFile(t, filepath.Join(w.BuildDir("40.1", "x86_64"), "nestos-40.1-ostree.x86_64.ociarchive"), "1234567")
	writeFile(t, filepath.Join(w.BuildDir("40.2", "x86_64"), "nestos-40.2-ostree.x86_64.ociarchive"), "cut")
	writeFile(t, filepath.Join(w.BuildDir("40.3", "x86_64"), "meta.json"), "{")
	got, err := w.List()
	if err != nil {
		t.Fatal(err)
	}
	artifact := func(id string) workspace.ListedArtifact {
		return workspace.ListedArtifact{Type: "ostree", Path: "builds/" + id + "/x86_64/nestos-" + id + "-ostree.x86_64.ociarchive", Size: 7, Checksum: hash}
	}
	whole, cut := artifact("40.1"), artifact("40.2")
	cut.Changed = true
	arch := func(id string, built time.Time, a workspace.ListedArtifact) workspace.ListedArch {
		return workspace.ListedArch{Arch: "x86_64", Local: true, Timestamp: workspace.Timestamp(built), Commit: hash, Version: id, Artifacts: []workspace.ListedArtifact{a}}
	}
	want := []workspace.Listed{
		{ID: "40.9", Arches: []workspace.ListedArch{{Arch: "x86_64"}}},
		{ID: "40.3", Latest: true, Arches: []workspace.ListedArch{{Arch: "x86_64", Local: true, Problem: "x"}, {Arch: "aarch64"}}},
		{ID: "40.2", Arches: []workspace.ListedArch{arch("40.2", day(2), cut)}},
		{ID: "40.1", Tags: []string{"good"}, Arches: []workspace.ListedArch{arch("40.1", day(4), whole)}},
	}
	for i := range got {
		for j := range got[i].Arches {
			a := &got[i].Arches[j]
			if a.Problem != "" {
				a.Problem = "x"
			}
			for k := range a.Artifacts {
				if d := &a.Artifacts[k].Disk; *d%512 != 0 {
					t.Errorf("disk use %d", *d)
				} else {
					*d = 0
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHistory(t *testing.T) {
	w := newWorkspace(t)
	if h, err := w.ReadHistory(); h != nil || err != nil {
		t.Fatalf("%v, %v", h, err)
	}
	for i, ms := range []int64{9000, 10, 20, 30, 1000, 40} {
		err := w.AppendHistory(
			workspace.Duration{Stage: "build", Step: "compose", MS: ms, When: day(1 + i)},
			workspace.Duration{Stage: "build", MS: 2 * ms, When: day(1 + i)},
			workspace.Duration{Stage: "build", Step: "qemu", MS: ms + 1, When: day(1 + i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(w.Builds(), ".history.jsonl")
	if err := w.AppendHistory(workspace.Duration{Stage: "image", Step: "metal", MS: 7000, When: day(8)}); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, readFile(t, path)+`{"stage":"build","st`) // a crash
	h, err := w.ReadHistory()
	if err != nil || len(h) != 19 {
		t.Fatalf("%d, %v", len(h), err)
	}
	for _, tt := range []struct {
		stage, step string
		want        time.Duration
		ok          bool
	}{
		{"build", "compose", 30 * time.Millisecond, true}, // median of the last five
		{"build", "", 60 * time.Millisecond, true},
		{"fetch", "compose", 0, false},
		{"buildextend-metal", "metal", 7 * time.Second, true},
		{"buildextend-qemu", "qemu", 31 * time.Millisecond, true}, // as builds made it
		{"buildextend-metal4k", "metal4k", 0, false},
	} {
		if d, ok := h.Estimate(tt.stage, tt.step); d != tt.want || ok != tt.ok {
			t.Errorf("Estimate(%s, %s) = %v, %v", tt.stage, tt.step, d, ok)
		}
	}
	many := make([]workspace.Duration, 4000)
	for i := range many {
		many[i] = workspace.Duration{Stage: "build", Step: "s", MS: int64(i), When: day(9)}
	}
	if err := w.AppendHistory(many...); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 256<<10 {
		t.Errorf("the history has %d bytes, %v", info.Size(), err)
	}
	if h, err = w.ReadHistory(); err != nil || h[len(h)-1].MS != 3999 {
		t.Errorf("the newest is gone, %v", err)
	}
}
