package workspace_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
)

var hash = strings.Repeat("0a", 32)

func day(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }

// newWorkspace is an initialised workspace without a config.
func newWorkspace(t *testing.T) *workspace.Workspace {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"builds", "src", "tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func testMeta(id, arch string, built time.Time) workspace.Meta {
	return workspace.Meta{
		BuildID: id, Name: "nestos", Arch: arch,
		Commit: hash, ContentChecksum: hash, InputHash: hash, Version: id,
		CommitTimestamp: workspace.Timestamp(built), BuildTimestamp: workspace.Timestamp(built),
		Images: map[string]workspace.Artifact{"ostree": {Path: "nestos-" + id + "-ostree." + arch + ".ociarchive", SHA256: hash, Size: 7}},
	}
}

// stage makes a finished build in tmp/, ready to be published.
func stage(t *testing.T, w *workspace.Workspace, m workspace.Meta) string {
	t.Helper()
	dir := filepath.Join(w.Tmp(), "stage-"+m.BuildID+"-"+m.Arch)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := workspace.WriteMeta(t.Context(), dir, m, day(1)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func publish(t *testing.T, w *workspace.Workspace, id, arch string, built time.Time) {
	t.Helper()
	dir := stage(t, w, testMeta(id, arch, built))
	if err := w.Publish(t.Context(), workspace.IndexEntry{ID: id, Arches: []string{arch}}, dir, built); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPublishWritesTheIndexOthersRead(t *testing.T) {
	w := newWorkspace(t)
	publish(t, w, "40.1", "x86_64", day(2))
	publish(t, w, "40.2", "x86_64", day(3))
	publish(t, w, "40.1", "aarch64", day(4))
	want := `{
    "builds": [
        {
            "arches": [
                "x86_64"
            ],
            "id": "40.2"
        },
        {
            "arches": [
                "x86_64",
                "aarch64"
            ],
            "id": "40.1"
        }
    ],
    "schema-version": "1.0.0",
    "timestamp": "2026-11-04T12:00:00Z"
}
`
	if diff := cmp.Diff(want, readFile(t, filepath.Join(w.Builds(), "builds.json"))); diff != "" {
		t.Error(diff)
	}
	if link, err := os.Readlink(filepath.Join(w.Builds(), "latest")); err != nil || link != "40.2" {
		t.Errorf("latest = %q, %v", link, err)
	}
	dir := stage(t, w, testMeta("40.2", "x86_64", day(5)))
	if err := w.Publish(t.Context(), workspace.IndexEntry{ID: "40.2", Arches: []string{"x86_64"}}, dir, day(5)); err == nil {
		t.Error("publishing over an existing build succeeded")
	}
}

func TestIndexKeepsWhatItDoesNotKnow(t *testing.T) {
	w := newWorkspace(t)
	path := filepath.Join(w.Builds(), "builds.json")
	writeFile(t, path, `{"schema-version":"1.1.0","timestamp":"2026-01-01T00:00:00Z","retention":{"days":12345678901234567890},
"builds":[{"id":"39.1","arches":["s390x"],"policy-cleanup":["images"]}],
"tags":[{"name":"good","created":"2026-01-01T00:00:00Z","target":"39.1","by":"me"}]}`)
	if err := w.UpdateIndex(t.Context(), day(2), func(x *workspace.Index) error { return x.Insert("40.1", "x86_64") }); err != nil {
		t.Fatal(err)
	}
	var got, want any
	for text, v := range map[string]*any{
		readFile(t, path): &got,
		`{"schema-version":"1.1.0","timestamp":"2026-11-02T12:00:00Z","retention":{"days":12345678901234567890},
"builds":[{"id":"40.1","arches":["x86_64"]},{"id":"39.1","arches":["s390x"],"policy-cleanup":["images"]}],
"tags":[{"name":"good","created":"2026-01-01T00:00:00Z","target":"39.1","by":"me"}]}`: &want,
	} {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadIndexRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no version":  `{"builds":[]}`,
		"version 2":   `{"schema-version":"2.0.0","builds":[]}`,
		"not JSON":    `{`,
		"wrong shape": `{"schema-version":"1.0.0","builds":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkspace(t)
			writeFile(t, filepath.Join(w.Builds(), "builds.json"), text)
			if x, err := w.ReadIndex(); err == nil {
				t.Errorf("read %+v", x)
			}
		})
	}
}

func TestTagsAndResolve(t *testing.T) {
	w := newWorkspace(t)
	publish(t, w, "40.1", "x86_64", day(2))
	publish(t, w, "40.2", "x86_64", day(3))
	err := w.UpdateIndex(t.Context(), day(4), func(x *workspace.Index) error {
		if err := x.Insert("40.3", "x86_64"); err != nil { // known, not here
			return err
		}
		return x.Tag(workspace.Tag{Name: "good", Target: "40.1"}, day(4))
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "40.2", "latest": "40.2", "40.1": "40.1", "good": "40.1", "40.3": "40.3", "bad": ""} {
		got, err := w.Resolve(name, "x86_64")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Resolve(%q) = %q, %v; want %q", name, got, err, want)
		}
		if want == "" && !errors.Is(err, workspace.ErrNoBuild) {
			t.Errorf("Resolve(%q): %v is not ErrNoBuild", name, err)
		}
	}
	err = w.UpdateIndex(t.Context(), day(5), func(x *workspace.Index) error {
		if err := x.Tag(workspace.Tag{Name: "good", Target: "40.9"}, day(5)); !errors.Is(err, workspace.ErrNoBuild) {
			t.Errorf("tagging an unknown build: %v", err)
		}
		if err := x.Tag(workspace.Tag{Name: "good", Target: "40.2"}, day(5)); err != nil {
			return err
		}
		if diff := cmp.Diff([]string{"good"}, x.TagsOf("40.2")); diff != "" || x.TagsOf("40.1") != nil {
			t.Errorf("the tag did not move: %s", diff)
		}
		return x.Remove("40.2")
	})
	if err != nil {
		t.Fatal(err)
	}
	x, err := w.ReadIndex()
	if err != nil || len(x.Tags) != 0 {
		t.Errorf("after Remove: tags %v, %v", x.Tags, err)
	}
	if link, _ := os.Readlink(filepath.Join(w.Builds(), "latest")); link != "40.1" {
		t.Errorf("latest = %q, want the newest that is indexed and here", link)
	}
}

// Every point at which a publisher may die leaves something that Repair puts right.
func TestRepairAfterCrash(t *testing.T) {
	type state struct {
		Builds []string
		Latest string
	}
	for _, tt := range []struct {
		name  string
		crash func(t *testing.T, w *workspace.Workspace)
		want  state
		did   workspace.Repaired
	}{
		{
			name:  "nothing wrong",
			crash: func(*testing.T, *workspace.Workspace) {},
			want:  state{[]string{"40.1"}, "40.1"},
		},
		{
			name: "before the rename",
			crash: func(t *testing.T, w *workspace.Workspace) {
				stage(t, w, testMeta("40.2", "x86_64", day(3)))
			},
			want: state{[]string{"40.1"}, "40.1"},
		},
		{
			name: "between rename and index, twice",
			crash: func(t *testing.T, w *workspace.Workspace) {
				for n, id := range []string{"40.3", "40.2"} { // built in this order
					dir := stage(t, w, testMeta(id, "x86_64", day(3+n)))
					if err := os.Mkdir(filepath.Join(w.Builds(), id), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(dir, w.BuildDir(id, "x86_64")); err != nil {
						t.Fatal(err)
					}
				}
			},
			want: state{[]string{"40.2", "40.3", "40.1"}, "40.2"},
			did:  workspace.Repaired{Inserted: []string{"40.3/x86_64", "40.2/x86_64"}, Relinked: true},
		},
		{
			name: "between index and latest",
			crash: func(t *testing.T, w *workspace.Workspace) {
				publish(t, w, "40.2", "x86_64", day(3))
				link := filepath.Join(w.Builds(), "latest")
				if err := errors.Join(os.Remove(link), os.Symlink("40.1", link)); err != nil {
					t.Fatal(err)
				}
			},
			want: state{[]string{"40.2", "40.1"}, "40.2"},
			did:  workspace.Repaired{Relinked: true},
		},
		{
			name: "a half-written directory is no build",
			crash: func(t *testing.T, w *workspace.Workspace) {
				writeFile(t, filepath.Join(w.BuildDir("40.2", "x86_64"), "meta.json"), `{"buildid":`)
				writeFile(t, filepath.Join(w.BuildDir("40.4", "x86_64"), "meta.json"), `{"buildid":"40.3"}`)
				if err := os.MkdirAll(w.BuildDir("40.5", "x86_64"), 0o755); err != nil {
					t.Fatal(err)
				}
			},
			want: state{[]string{"40.1"}, "40.1"},
		},
		{
			name: "clean died while it emptied the trash",
			crash: func(t *testing.T, w *workspace.Workspace) {
				writeFile(t, filepath.Join(w.Tmp(), ".trash", "39.1", "x86_64", "disk.raw"), "half")
			},
			want: state{[]string{"40.1"}, "40.1"},
			did:  workspace.Repaired{Trash: []string{"39.1"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkspace(t)
			publish(t, w, "40.1", "x86_64", day(2))
			tt.crash(t, w)
			did, err := w.Repair(t.Context(), day(9))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.did, did); diff != "" {
				t.Error(diff)
			}
			x, err := w.ReadIndex()
			if err != nil {
				t.Fatal(err)
			}
			var got state
			for _, e := range x.Builds {
				got.Builds = append(got.Builds, e.ID)
			}
			got.Latest, _ = os.Readlink(filepath.Join(w.Builds(), "latest"))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			again, err := w.Repair(t.Context(), day(10))
			if err != nil || !cmp.Equal(again, workspace.Repaired{}) {
				t.Errorf("a second Repair did %+v, %v", again, err)
			}
		})
	}
}

func TestUpdateIndexIsAlone(t *testing.T) {
	w := newWorkspace(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := "40." + string(rune('a'+i))
			if err := w.UpdateIndex(t.Context(), day(2), func(x *workspace.Index) error { return x.Insert(id, "x86_64") }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	x, err := w.ReadIndex()
	if err != nil || len(x.Builds) != 8 {
		t.Errorf("%d builds, %v; want 8", len(x.Builds), err)
	}
}

func TestLockBuilds(t *testing.T) {
	w := newWorkspace(t)
	use, err := w.LockBuilds(t.Context(), workspace.LockOptions{Kind: lock.Shared, Holder: "build 1"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := w.LockBuilds(t.Context(), workspace.LockOptions{Kind: lock.Shared, NoWait: true, Holder: "build 2"})
	if err != nil {
		t.Fatalf("a second reader: %v", err)
	}
	// A stage that reads builds can still write the index while others read.
	if err := w.UpdateIndex(t.Context(), day(2), func(x *workspace.Index) error { return x.Insert("40.1", "x86_64") }); err != nil {
		t.Fatal(err)
	}
	_, err = w.LockBuilds(t.Context(), workspace.LockOptions{Kind: lock.Exclusive, NoWait: true})
	if !errors.Is(err, workspace.ErrLocked) || !strings.Contains(err.Error(), "builds/.lock is in use by build 2") {
		t.Errorf("exclusive lock while others read: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	cancel(cause)
	if _, err := w.LockBuilds(ctx, workspace.LockOptions{Kind: lock.Exclusive}); !errors.Is(err, cause) {
		t.Errorf("a cancelled wait: %v", err)
	}
	if err := errors.Join(use.Close(), other.Close()); err != nil {
		t.Fatal(err)
	}
	l, err := w.LockBuilds(t.Context(), workspace.LockOptions{Kind: lock.Exclusive, NoWait: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
