package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// went is what of a pruning counts in a test.
func went(p Pruning) []string {
	var all []string
	for _, v := range p.Victims {
		all = append(all, fmt.Sprint(v.Kind, " ", v.Path))
	}
	for _, k := range p.Kept {
		all = append(all, strings.TrimSpace("kept "+k.Build+" "+k.Path)+": "+k.Reason)
	}
	return all
}

func TestPrune(t *testing.T) {
	tagged := "kept 40.2: tagged: good"
	for _, tt := range []struct {
		name  string
		o     PruneOptions
		want  []string
		state string // of the index and builds/
	}{
		{"keep all", PruneOptions{}, []string{tagged}, "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3"},
		{"tagged ones do not count", PruneOptions{KeepLast: 2}, []string{tagged}, "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3"},
		{"nor those elsewhere", PruneOptions{KeepLast: 1}, []string{"build builds/40.1", tagged}, "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\nlatest 40.3\n40.2\n40.3"},
		{"named", PruneOptions{Builds: []string{"40.3", "40.1", "40.3"}, KeepLast: 1}, []string{"build builds/40.3", "build builds/40.1"}, "40.9 x86_64\n40.2 x86_64,aarch64 whole #good\nlatest 40.2\n40.2"},
		{"images", PruneOptions{KeepLast: 1, Images: []string{"qemu", "metal"}}, []string{"image builds/40.1/x86_64/qemu", tagged}, "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole without image\nlatest 40.3\n40.1\n40.2\n40.3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := threeBuilds(t)
			before := state(t, w)
			tt.o.Now = crashNow
			plan, err := w.PlanPrune(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, went(plan)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, state(t, w)); diff != "" {
				t.Errorf("a plan changed something: %s", diff)
			}
			done, err := w.Prune(t.Context(), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plan, done); diff != "" {
				t.Errorf("another thing was done than planned: %s", diff)
			}
			if diff := cmp.Diff(tt.state, state(t, w)); diff != "" {
				t.Error(diff)
			}
			if exists(w.trashDir()) {
				t.Error("the trash was not emptied")
			}
		})
	}
}

func TestPruneRefuses(t *testing.T) {
	w := threeBuilds(t)
	before := state(t, w)
	for _, tt := range []struct {
		builds []string
		is     error
		names  string
	}{
		{[]string{"40.1", "40.2"}, ErrTagged, "build 40.2 is tagged: good"},
		{[]string{"good"}, ErrTagged, "build 40.2 is tagged: good"},
		{[]string{"40.9"}, ErrNotHere, "40.9"},
		{[]string{"40.7"}, ErrNoBuild, "40.7"},
	} {
		_, err := w.Prune(t.Context(), PruneOptions{Builds: tt.builds, Now: crashNow})
		if !errors.Is(err, tt.is) || !strings.Contains(fmt.Sprint(err), tt.names) {
			t.Errorf("%v: %v", tt.builds, err)
		}
		if _, err := w.Delete(t.Context(), tt.builds, DeleteOptions{Now: crashNow}); !errors.Is(err, tt.is) {
			t.Errorf("delete %v: %v", tt.builds, err)
		}
	}
	if diff := cmp.Diff(before, state(t, w)); diff != "" {
		t.Error(diff)
	}
}

// Images that could not be made again as they were stay.
func TestPruneImagesKeepsWhatCannotBeRemade(t *testing.T) {
	w := threeBuilds(t)
	if err := os.Remove(filepath.Join(w.BuildDir("40.1", "x86_64"), "ostree")); err != nil {
		t.Fatal(err)
	}
	err := UpdateMeta(t.Context(), w.BuildDir("40.3", "x86_64"), crashNow, func(m *Meta) error { m.NosaVersion = ""; return nil })
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Prune(t.Context(), PruneOptions{Builds: []string{"40.1", "40.3"}, Images: []string{"qemu"}, Now: crashNow})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"kept 40.1 builds/40.1/x86_64/qemu: the build's archive, from which it would be made again, is not here",
		"kept 40.3 builds/40.3/x86_64/qemu: another tool made it",
	}
	if diff := cmp.Diff(want, went(p)); diff != "" {
		t.Error(diff)
	}
	list, err := w.List()
	if err != nil {
		t.Fatal(err)
	}
	if a := list[3].Arches[0].Artifacts; a[1].Missing || a[1].Remade || !a[0].Missing || a[0].Remade {
		t.Errorf("%+v", a)
	}
}

// What removing frees: hard links count when the last of them goes.
func TestPruneCountsLinksOnce(t *testing.T) {
	w := threeBuilds(t)
	big := func(id string) string { return filepath.Join(w.BuildDir(id, "x86_64"), "big") }
	if err := os.WriteFile(big("40.1"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(big("40.1"), big("40.3")); err != nil {
		t.Fatal(err)
	}
	freed := func(builds ...string) int64 {
		p, err := w.PlanPrune(PruneOptions{Builds: builds, Now: crashNow})
		if err != nil {
			t.Fatal(err)
		}
		return p.Freed
	}
	one, other, both := freed("40.1"), freed("40.3"), freed("40.1", "40.3")
	if one >= 1<<20 || other >= 1<<20 || both < 1<<20 || both >= 2<<20 {
		t.Errorf("one of two links frees %d or %d, both free %d", one, other, both)
	}
}

func TestDeleteExpires(t *testing.T) {
	w := threeBuilds(t)
	del := func(id string, now time.Time) {
		t.Helper()
		gone, err := w.Delete(t.Context(), []string{id}, DeleteOptions{Now: now, Force: true})
		if err != nil || len(gone) != 1 || gone[0].Bytes < 3*4096 {
			t.Fatalf("%+v, %v", gone, err)
		}
	}
	del("40.1", crashNow)
	del("40.3", crashNow.Add(time.Hour))
	late := crashNow.Add(UndeleteFor)
	p, err := w.PlanPrune(PruneOptions{KeepLast: 3, Now: late})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"deleted builds/.trash/40.1", "kept 40.2: tagged: good"}, went(p)); diff != "" {
		t.Error(diff)
	}
	r, err := w.Repair(t.Context(), late)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"40.1"}, r.Expired); diff != "" {
		t.Error(diff)
	}
	if _, err := w.Undelete(t.Context(), []string{"40.1"}, late); !errors.Is(err, ErrNotDeleted) {
		t.Error(err)
	}
	// One that nothing emptied yet can still be had, and one is freed by its name.
	if _, err := w.Undelete(t.Context(), []string{"40.3"}, late.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	del("40.3", late)
	if p, err = w.Prune(t.Context(), PruneOptions{Builds: []string{"40.3"}, Now: late}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"deleted builds/.trash/40.3"}, went(p)); diff != "" {
		t.Error(diff)
	}
	if exists(w.binPath()) {
		t.Error("an empty trash stays")
	}
}

// The same id may be deleted twice; the newer comes back, unless a build of
// that id is there again. A tag that went elsewhere meanwhile stays there.
func TestUndeleteOfTheSameID(t *testing.T) {
	w := threeBuilds(t)
	retag := func(target string) {
		t.Helper()
		err := w.UpdateIndex(t.Context(), crashNow, func(x *Index) error { return x.Tag(Tag{Name: "x", Target: target}, crashNow) })
		if err != nil {
			t.Fatal(err)
		}
	}
	del := func(now time.Time) {
		t.Helper()
		if _, err := w.Delete(t.Context(), []string{"40.3"}, DeleteOptions{Now: now, Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	retag("40.3")
	del(crashNow)
	stage := w.path("tmp", "again")
	if err := os.CopyFS(stage, os.DirFS(w.binPath("40.3", deletedBuild, "x86_64"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stage, "second"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(t.Context(), IndexEntry{ID: "40.3", Arches: []string{"x86_64"}}, stage, crashNow); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Undelete(t.Context(), []string{"40.3"}, crashNow); !errors.Is(err, ErrThereAgain) {
		t.Error(err)
	}
	retag("40.3")
	del(crashNow.Add(time.Minute))
	retag("40.1")
	back, err := w.Undelete(t.Context(), []string{"40.3"}, crashNow)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x"}, back[0].LostTags); diff != "" {
		t.Error(diff)
	}
	if !exists(filepath.Join(w.BuildDir("40.3", "x86_64"), "second")) {
		t.Error("the older came back")
	}
	if bin, err := w.DeletedBuilds(); err != nil || len(bin) != 1 {
		t.Errorf("%v, %v", bin, err)
	}
	if _, err := w.Clean(t.Context(), CleanOptions{All: true, Now: crashNow}); err != nil || exists(w.binPath()) && len(mustBin(t, w)) > 0 {
		t.Errorf("after clean --all: %v", err)
	}
}

func mustBin(t *testing.T, w *Workspace) []Deleted {
	t.Helper()
	bin, err := w.DeletedBuilds()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// A record that cannot be read does not lose its build.
func TestUndeleteWithoutRecord(t *testing.T) {
	w := threeBuilds(t)
	if _, err := w.Delete(t.Context(), []string{"40.3"}, DeleteOptions{Now: crashNow}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.binPath("40.3", deletedFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Undelete(t.Context(), []string{"40.3"}, crashNow); err != nil {
		t.Fatal(err)
	}
	want := "40.9 x86_64\n40.3 x86_64 whole\n40.2 x86_64,aarch64 whole #good\n40.1 x86_64 whole\nlatest 40.3\n40.1\n40.2\n40.3"
	if diff := cmp.Diff(want, state(t, w)); diff != "" {
		t.Error(diff)
	}
}

// manyBuilds is a workspace of n builds with five files each.
func manyBuilds(b *testing.B, n int) *Workspace {
	b.Helper()
	w := &Workspace{Dir: b.TempDir()}
	x := Index{SchemaVersion: indexVersion}
	for i := range n {
		id := fmt.Sprintf("40.%05d", n-i)
		dir := w.BuildDir(id, "x86_64")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		for _, f := range []string{MetaFile, "a", "b", "c", "d"} {
			if err := os.WriteFile(filepath.Join(dir, f), []byte("{}"), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		x.Builds = append(x.Builds, IndexEntry{ID: id, Arches: []string{"x86_64"}})
	}
	if err := WriteJSON(w.indexPath(), x); err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkPrune is pruning all but three builds; the time per build should not
// depend on their number. One in which there is nothing to prune is beside it.
func BenchmarkPrune(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint("all-but-3-of-", n), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				w := manyBuilds(b, n)
				b.StartTimer()
				p, err := w.Prune(context.Background(), PruneOptions{KeepLast: 3, Now: crashNow})
				if err != nil || len(p.Victims) != n-3 {
					b.Fatal(len(p.Victims), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*(n-3)), "µs/build")
		})
		b.Run(fmt.Sprint("nothing-of-", n), func(b *testing.B) {
			w := manyBuilds(b, n)
			for b.Loop() {
				if _, err := w.PlanPrune(PruneOptions{KeepLast: n, Now: crashNow}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/build")
		})
	}
}
