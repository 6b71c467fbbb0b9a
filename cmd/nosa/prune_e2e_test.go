//go:build e2e && amd64

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace"
)

// history is a workspace with the builds 1, 2 and 3 of a few bytes each; 2 is in
// the trash if deleted says so.
func history(t *testing.T, deleted bool) nosa {
	t.Helper()
	n := nosa{t: t, dir: scratch(t)}
	for _, name := range []string{"builds", "src", "tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(n.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ws, err := workspace.Open(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	arch, err := workspace.HostArch()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sum := strings.Repeat("0a", 32)
	for _, id := range []string{"1", "2", "3"} {
		stage := filepath.Join(n.dir, "tmp", id)
		m := workspace.Meta{
			BuildID: id, Name: "n", Arch: arch.Name, Commit: sum, ContentChecksum: sum, InputHash: sum, Version: id, NosaVersion: "1",
			CommitTimestamp: workspace.Timestamp(now), BuildTimestamp: workspace.Timestamp(now), Images: map[string]workspace.Artifact{},
		}
		if err := os.Mkdir(stage, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, typ := range []string{"ostree", "qemu"} {
			m.Images[typ] = workspace.Artifact{Path: typ, SHA256: sum, Size: 4}
			if err := os.WriteFile(filepath.Join(stage, typ), []byte("1234"), 0o444); err != nil {
				t.Fatal(err)
			}
		}
		if err := workspace.WriteMeta(t.Context(), stage, m, now); err != nil {
			t.Fatal(err)
		}
		if err := ws.Publish(t.Context(), workspace.IndexEntry{ID: id, Arches: []string{arch.Name}}, stage, now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	if deleted {
		if _, err := ws.Delete(t.Context(), []string{"2"}, workspace.DeleteOptions{Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// where says where build 2 is after a repair: listed, without its image, deleted
// or gone. Everything that is anywhere must be whole, and nothing else be there.
func (n nosa) where() string {
	n.t.Helper()
	ws, err := workspace.Open(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := ws.Repair(n.t.Context(), time.Now()); err != nil {
		n.t.Fatal(err)
	}
	list, err := ws.List()
	if err != nil {
		n.t.Fatal(err)
	}
	place := []string{}
	var ids []string
	for _, l := range list {
		ids = append(ids, l.ID)
		for _, a := range l.Arches[0].Artifacts {
			switch {
			case a.Missing && (l.ID != "2" || a.Type != "qemu"), a.Changed, !l.Arches[0].Local:
				n.t.Errorf("build %s is not whole: %+v", l.ID, l)
			case l.ID == "2" && a.Type == "qemu":
				place = append(place, map[bool]string{true: "without image", false: "listed"}[a.Missing])
			}
		}
	}
	bin, err := ws.DeletedBuilds()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, d := range bin {
		files, err := filepath.Glob(filepath.Join(n.dir, "builds/.trash", d.ID, "build/*/[^.]*"))
		if err != nil || len(files) != 3 {
			n.t.Errorf("of deleted build %s there is %q, %v", d.ID, files, err)
		}
		place = append(place, "deleted")
	}
	if len(place) == 0 {
		place = append(place, "gone")
	}
	entries, err := os.ReadDir(ws.Builds())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name[0] != '.' && name != "latest" && name != "builds.json" && !slices.Contains(ids, name) ||
			name[0] == '.' && name != ".lock" && name != ".trash" && name != ".history.jsonl" {
			n.t.Errorf("left in builds/: %s", name)
		}
	}
	if _, err := os.Lstat(filepath.Join(n.dir, "tmp/.trash")); err == nil {
		n.t.Error("tmp/.trash is left")
	}
	if latest, err := os.Readlink(filepath.Join(ws.Builds(), "latest")); err != nil || latest != "3" {
		n.t.Errorf("latest is %q, %v", latest, err)
	}
	return strings.Join(place, " and ")
}

// TestE2EHistoryKilled kills what changes the history before each of its renames.
func TestE2EHistoryKilled(t *testing.T) {
	historyKilled(t, func(r traceRule) bool { return r.Die && strings.Contains(r.Key, " rename ") })
}

// TestFullHistoryKilled does so before every call that matters, and lets each of
// them fail.
func TestFullHistoryKilled(t *testing.T) {
	historyKilled(t, func(traceRule) bool { return true })
}

// historyKilled injects what it is asked to: the build is where it was or where
// it was to go, whole, and the command can be given again.
func historyKilled(t *testing.T, wanted func(traceRule) bool) {
	t.Helper()
	for _, tt := range []struct {
		args          []string
		deleted       bool // before
		before, after string
	}{
		{args: []string{"delete", "2"}, before: "listed", after: "deleted"},
		{args: []string{"undelete", "2"}, deleted: true, before: "deleted", after: "listed"},
		{args: []string{"prune", "--build", "2"}, before: "listed", after: "gone"},
		{args: []string{"prune", "--build", "2"}, deleted: true, before: "deleted", after: "gone"},
		{args: []string{"prune", "--images", "--build", "2"}, before: "listed", after: "without image"},
	} {
		name := strings.Join(tt.args, " ")
		if tt.deleted {
			name += " when deleted"
		}
		t.Run(name, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "calls")
			n := history(t, tt.deleted)
			if code, out := exitOf(n.traced(traceRequest{Record: record}, tt.args...)); code != 0 || n.where() != tt.after {
				t.Fatalf("exit %d\n%s", code, out)
			}
			keys, counts := recordedKeys(t, record)
			runs, places := 0, map[string]int{}
			for _, key := range keys {
				if !strings.Contains(key, " builds") && !strings.Contains(key, " tmp/.trash") {
					continue
				}
				for nth := range counts[key] {
					for _, rule := range []traceRule{{Key: key, Nth: nth + 1, Die: true}, {Key: key, Nth: nth + 1, Errno: syscall.ENOSPC}} {
						if !wanted(rule) {
							continue
						}
						n := history(t, tt.deleted)
						code, out := exitOf(n.traced(traceRequest{Rules: []traceRule{rule}}, tt.args...))
						at := n.where()
						places[at]++
						runs++
						if at != tt.before && at != tt.after || code == 0 && at != tt.after {
							t.Errorf("%s: build 2 is %s, exit %d\n%s", rule.describe(), at, code, out)
						}
						if at == tt.before {
							n.run(exitOK, tt.args...)
							if again := n.where(); again != tt.after {
								t.Errorf("%s: after another try build 2 is %s", rule.describe(), again)
							}
						}
					}
				}
			}
			t.Logf("%d runs: %v", runs, places)
		})
	}
}
