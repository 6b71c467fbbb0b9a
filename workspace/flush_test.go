package workspace

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/lock"
)

// elsewhere is a directory on another filesystem than the temporary directory.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "nosa-test-") //nolint:usetesting // another filesystem
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	here, there := filepath.Join(t.TempDir(), "f"), filepath.Join(dir, "f")
	if err := os.WriteFile(here, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if os.Rename(here, there) == nil {
		t.Skip("/dev/shm and the temporary directory are one filesystem")
	}
	return dir
}

// With builds/ on another filesystem everything works as with one, and leaves
// nothing behind.
func TestBuildsOnAnotherFilesystem(t *testing.T) {
	w := threeBuilds(t)
	dir := elsewhere(t)
	builds := filepath.Join(dir, "builds")
	if err := os.CopyFS(builds, os.DirFS(w.Builds())); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.Builds()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(builds, w.Builds()); err != nil {
		t.Fatal(err)
	}
	stage := w.path("tmp", "stage")
	m, err := ReadMeta(w.BuildDir("40.3", "x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	m.BuildID, m.Version = "40.4", "40.4"
	if err := os.Mkdir(stage, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteMeta(t.Context(), stage, m, crashNow); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(t.Context(), IndexEntry{ID: "40.4", Arches: []string{"x86_64"}}, stage, crashNow); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Resolve("latest", "x86_64"); got != "40.4" {
		t.Errorf("latest is %s, want 40.4 (%v)", got, err)
	}
	image := w.path("tmp", "image")
	if err := os.WriteFile(image, []byte("an image"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := PutFile(t.Context(), image, filepath.Join(w.BuildDir("40.4", "x86_64"), "image")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{stage, image} {
		if exists(name) {
			t.Errorf("%s is still there", name)
		}
	}
	c, err := w.Clean(t.Context(), CleanOptions{Force: true, All: true, Now: crashNow})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{".lock", "builds.json"}, namesIn(t, builds)); diff != "" {
		t.Errorf("after a clean that removed %v: %s", c.Removed, diff)
	}
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What killed processes were writing goes; what is somebody's stays.
func TestRepairSweepsBuilds(t *testing.T) {
	w := threeBuilds(t)
	before, inBuild := namesIn(t, w.Builds()), namesIn(t, w.BuildDir("40.1", "x86_64"))
	for _, name := range []string{
		".builds.json123", ".latest77/tmp.symlink", ".gone-40.0/x86_64/meta.json", ".40.8-x86_64.new/meta.json", "40.7/",
		"40.1/x86_64/.meta.json99", "40.1/x86_64/.disk.qcow2.new", "40.2/x86_64/.meta.json98",
	} {
		path := w.path("builds", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := lock.Open(w.path("builds", "40.2", "x86_64", ".meta.json.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Try(lock.Exclusive, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Repair(t.Context(), crashNow); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, namesIn(t, w.Builds())); diff != "" {
		t.Errorf("builds: %s", diff)
	}
	if diff := cmp.Diff(inBuild, namesIn(t, w.BuildDir("40.1", "x86_64"))); diff != "" {
		t.Errorf("a build: %s", diff)
	}
	if !exists(w.path("builds", "40.2", "x86_64", ".meta.json98")) {
		t.Error("a file that another process writes was removed")
	}
}
