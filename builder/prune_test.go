package builder

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// sinkFunc is a sink that is a function.
type sinkFunc func(event.Event)

// Emit implements event.Sink.
func (f sinkFunc) Emit(e event.Event) { f(e) }

// prunable is a workspace with the builds 1.1, 1.2 and 1.3 (the newest), a
// commit of 100 kB of its own for each and for two of the builder's refs, one
// of them of long ago; and refs that are nobody's to prune.
func prunable(t *testing.T) (*Env, *[]event.Event) {
	t.Helper()
	if _, err := exec.LookPath("ostree"); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal("ostree is missing")
		}
		t.Skip("ostree is missing")
	}
	dir := t.TempDir()
	for _, name := range []string{"builds", "src", "tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var events []event.Event
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	env, err := NewEnv(Env{Dir: dir, Job: "j", Now: func() time.Time { return now }, Sink: sinkFunc(func(e event.Event) { events = append(events, e) })})
	if err != nil {
		t.Fatal(err)
	}
	repo := env.Repo(nil)
	if err := repo.Init(t.Context(), ostree.BareUser); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(dir, "tmp", "tree")
	for i, ref := range []string{"1.1", "1.2", "1.3", "nosa/old", "nosa/new", "overlay/05core", "plain"} {
		if err := os.MkdirAll(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, "file"), slices.Repeat([]byte{byte(i)}, 100_000), 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := repo.Commit(t.Context(), ostree.CommitRequest{Trees: []ostree.Source{{Dir: tree}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := repo.SetRef(ref, c.Checksum); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(ref, "1.") {
			continue
		}
		stage := filepath.Join(dir, "tmp", ref)
		sum := c.Checksum
		m := workspace.Meta{
			BuildID: ref, Name: "n", Ref: "plain", Commit: sum, ContentChecksum: sum, InputHash: sum, Version: ref, CommitTimestamp: workspace.Timestamp(now),
			Images: map[string]workspace.Artifact{"ostree": {Path: "o", SHA256: sum}},
		}
		if err := os.Mkdir(stage, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := workspace.WriteMeta(t.Context(), stage, m, now); err != nil {
			t.Fatal(err)
		}
		if err := env.WS.Publish(t.Context(), workspace.IndexEntry{ID: ref, Arches: []string{env.Arch.Name}}, stage, now); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(filepath.Join(repo.Path, "refs/heads/nosa/old"), long, long); err != nil {
		t.Fatal(err)
	}
	return env, &events
}

func refNames(t *testing.T, env *Env) string {
	t.Helper()
	refs, err := env.Repo(nil).Refs()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for ref := range refs {
		names = append(names, ref)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestPruneRepo(t *testing.T) {
	for _, tt := range []struct {
		name string
		req  PruneRequest
		refs string
	}{
		{"builds", PruneRequest{History: true, KeepLast: 2}, "1.2 1.3 nosa/new nosa/old overlay/05core plain"},
		{"cache below its limit", PruneRequest{Cache: true, Limit: event.GiB}, "1.1 1.2 1.3 nosa/new nosa/old overlay/05core plain"},
		// What the newest build needs stays; old builds have their archives.
		{"cache above its limit", PruneRequest{Cache: true, Limit: 1}, "1.3 nosa/new overlay/05core plain"},
		{"cache a little above its limit", PruneRequest{Cache: true, Limit: -50_000}, "1.1 1.2 1.3 nosa/new overlay/05core plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env, events := prunable(t)
			if tt.req.Limit < 0 {
				t, err := env.WS.TrimCache(t.Context(), workspace.TrimOptions{Limit: event.GiB, DryRun: true})
				if err != nil {
					panic(err)
				}
				tt.req.Limit += t.Bytes
			}
			plan, err := DescribePrune(t.Context(), env, tt.req)
			if err != nil {
				t.Fatal(err)
			}
			if err := Prune(t.Context(), env, tt.req); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.refs, refNames(t, env)); diff != "" {
				t.Error(diff)
			}
			if err := env.Repo(nil).Fsck(t.Context()); err != nil {
				t.Error(err)
			}
			gone := 7 - len(strings.Fields(tt.refs))
			last := (*events)[len(*events)-1]
			if last.Reason != "freed" || last.Total < int64(gone)*100_000 || last.Total > int64(gone)*200_000 {
				t.Errorf("%d refs of 100 kB: %+v", gone, last)
			}
			for _, v := range plan.Victims {
				if _, err := os.Lstat(filepath.Join(env.WS.Dir, v.Path)); err == nil {
					t.Errorf("was planned to go: %s", v.Path)
				}
			}
		})
	}
}

// Refs of a build that a crash or clean took away go with the next prune; those
// of a deleted build stay as long as it can be had back.
func TestStaleRefs(t *testing.T) {
	env, _ := prunable(t)
	if _, err := env.WS.Delete(t.Context(), []string{"1.1"}, workspace.DeleteOptions{Now: env.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(env.WS.Builds(), "1.2")); err != nil {
		t.Fatal(err)
	}
	stale, err := staleRefs(env, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.2"}, stale); diff != "" {
		t.Error(diff)
	}
	if reason, err := (&PruneRepo{}).Skip(t.Context(), env); reason != "" || err != nil {
		t.Error(reason, err)
	}
}
