package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
)

const testArch = "x86_64"

var begun = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func newBuildsWorkspace(t testing.TB) *workspace.Workspace {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"src/config", "builds", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ws, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// publish makes build 1.n, made n hours after begun.
func publish(t testing.TB, ws *workspace.Workspace, n int) string {
	t.Helper()
	id := fmt.Sprintf("1.%d", n)
	made := begun.Add(time.Duration(n) * time.Hour)
	dir := filepath.Join(ws.Tmp(), "new-"+id)
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sum := strings.Repeat(fmt.Sprintf("%02x", n%256), 32)
	write("os-"+id+"-qemu.qcow2", strings.Repeat("x", 5000+n))
	write("os-"+id+".ociarchive", strings.Repeat("y", 3000))
	write(workspace.GeneratedLockfile(testArch), fmt.Sprintf(`{"packages":{"bash":{"evra":"5.%d-1.x86_64"},"p%d":{"evra":"1-1.noarch"},"zlib":{"evra":"1-1.x86_64"}}}`, n, n))
	write("check-qemu.json", `{"v":1,"artifact":"qemu","ok":false,"runs":[{"firmware":"bios","commit":"`+sum+`","time":"2026-11-20T11:00:00Z","ms":70,"ok":true,"assertions":[{"name":"shell","ok":true}]},
		{"firmware":"uefi","commit":"`+sum+`","time":"2026-11-20T12:00:00Z","ms":30,"ok":false,"assertions":[{"name":"shell","ok":true},{"name":"no failed units","ok":false,"got":"degraded"}]}]}`)
	job := made.Format("20060102T150405Z") + "-build-0001"
	write("logs/"+job+".events.jsonl", fmt.Sprintf(`{"v":1,"time":%q,"kind":"start","title":"build"}
{"v":1,"time":%[1]q,"kind":"plan","step":"commit","title":"commit the tree"}
{"v":1,"time":%[1]q,"kind":"step","step":"commit","state":"done","ms":900}
{"v":1,"time":%[1]q,"kind":"finish","ms":1500}
`, made.Format(time.RFC3339)))
	write("logs/"+job+".log", "hello\n")
	m := workspace.Meta{
		BuildID: id, Name: "os", Arch: testArch, Commit: sum, Version: id, BuildTimestamp: workspace.Timestamp(made), NosaVersion: "test",
		CommitTimestamp: workspace.Timestamp(made), ContentChecksum: sum, InputHash: sum,
		ConfigGit: &workspace.Git{Commit: strings.Repeat("a", 40), Origin: "unknown", Branch: "main", Dirty: "true"},
		Images: map[string]workspace.Artifact{
			"qemu":   {Path: "os-" + id + "-qemu.qcow2", SHA256: sum, Size: int64(5000 + n)},
			"ostree": {Path: "os-" + id + ".ociarchive", SHA256: sum, Size: 3000, SkipCompression: true},
		},
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	write(workspace.MetaFile, string(data))
	if err := ws.Publish(t.Context(), workspace.IndexEntry{ID: id, Arches: []string{testArch}}, dir, made); err != nil {
		t.Fatal(err)
	}
	return id
}

// follower is a FollowBuilds and what it posted last.
type follower struct {
	t     *testing.T
	posts chan Builds
}

func follow(t *testing.T, ws *workspace.Workspace) follower {
	f := follower{t, make(chan Builds, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		FollowBuilds(ctx, ws, func(e any) { f.posts <- e.(Builds) })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

// until gives the first Builds for which ok holds.
func (f follower) until(what string, ok func(Builds) bool) Builds {
	f.t.Helper()
	var last Builds
	for {
		select {
		case last = <-f.posts:
			if ok(last) {
				return last
			}
		case <-time.After(30 * time.Second):
			f.t.Fatalf("%s: not seen; the last was %+v", what, last)
		}
	}
}

func ids(b Builds) string {
	var list []string
	for _, build := range b.List {
		list = append(list, build.ID)
	}
	return strings.Join(list, " ")
}

// What goes on in the workspace is seen, whoever does it.
func TestFollowBuilds(t *testing.T) {
	ws := newBuildsWorkspace(t)
	f := follow(t, ws)
	f.until("empty", func(b Builds) bool { return len(b.List) == 0 && b.Problem == "" })
	publish(t, ws, 1)
	f.until("published", func(b Builds) bool { return ids(b) == "1.1" && b.Reading == 0 })
	publish(t, ws, 2)
	b := f.until("a second, with its details", func(b Builds) bool { return ids(b) == "1.2 1.1" && b.Reading == 0 })
	if got := b.List[0]; !got.Latest || got.Packages != 3 || got.Size != 8002 || got.Disk == 0 || !got.Dirty() || got.MS() != 1500 {
		t.Errorf("1.2: %+v", got)
	}
	want := PackageChanges{
		Known:   true,
		Added:   []PackageChange{{"p2", "", "1-1.noarch"}},
		Removed: []PackageChange{{"p1", "1-1.noarch", ""}},
		Changed: []PackageChange{{"bash", "5.1-1.x86_64", "5.2-1.x86_64"}},
	}
	if diff := cmp.Diff(want, b.List[0].Changes); diff != "" {
		t.Error(diff)
	}
	if c := b.List[0].Checks; len(c) != 1 || c[0].OK || c[0].Problem != "uefi: no failed units: degraded" || c[0].MS != 100 || c[0].Stale || c[0].Runs[1].Passed != 1 {
		t.Errorf("checks: %+v", c)
	}
	if l := b.List[0].Logs; len(l) != 1 || l[0].Stage != "build" || l[0].Size != 6 || l[0].Steps[0] != (BuildStep{"commit", "commit the tree", 900, false}) {
		t.Errorf("logs: %+v", l)
	}

	if err := ws.UpdateIndex(t.Context(), begun, func(x *workspace.Index) error { return x.Tag(workspace.Tag{Name: "good", Target: "1.1"}, begun) }); err != nil {
		t.Fatal(err)
	}
	f.until("tagged", func(b Builds) bool { return len(b.List) == 2 && len(b.List[1].Tags) == 1 })

	if _, err := ws.Delete(t.Context(), []string{"1.2"}, workspace.DeleteOptions{Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	f.until("deleted", func(b Builds) bool { return ids(b) == "1.1" && len(b.Deleted) == 1 && b.Deleted[0].ID == "1.2" })
	if _, err := ws.Undelete(t.Context(), []string{"1.2"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	f.until("brought back", func(b Builds) bool { return ids(b) == "1.2 1.1" && len(b.Deleted) == 0 && b.Reading == 0 })

	meta := filepath.Join(ws.BuildDir("1.2", testArch), workspace.MetaFile)
	if err := os.WriteFile(meta, []byte("{\"buildid\": "), 0o644); err != nil {
		t.Fatal(err)
	}
	f.until("broken", func(b Builds) bool {
		return len(b.List) == 2 && strings.Contains(b.List[0].Problem, meta) && b.List[0].Meta == nil
	})

	if err := os.Remove(filepath.Join(ws.BuildDir("1.1", testArch), "os-1.1-qemu.qcow2")); err != nil {
		t.Fatal(err)
	}
	f.until("an image gone", func(b Builds) bool {
		return len(b.List) == 2 && len(b.List[1].Artifacts) == 2 && b.List[1].Artifacts[1].Missing && b.List[1].Size == 3000
	})
	if err := os.WriteFile(filepath.Join(ws.Builds(), "builds.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.until("a broken index", func(b Builds) bool { return strings.Contains(b.Problem, "builds.json") && b.Remedy != "" })
}

// A held lock is shown with its holder, and no longer when that is gone without a word.
func TestFollowBuildsBusy(t *testing.T) {
	ws := newBuildsWorkspace(t)
	id := publish(t, ws, 1)
	f := follow(t, ws)
	f.until("published", func(b Builds) bool { return ids(b) == "1.1" })
	l, err := ws.LockImage(t.Context(), workspace.ArtifactFile{ID: id, Arch: testArch, Type: "metal"}, workspace.LockOptions{Kind: lock.Exclusive, Holder: "20261120T120000Z-buildextend-metal-1234"})
	if err != nil {
		t.Fatal(err)
	}
	b := f.until("busy", func(b Builds) bool { return len(b.List[0].Busy) == 1 })
	if diff := cmp.Diff([]BuildBusy{{"metal", "20261120T120000Z-buildextend-metal-1234"}}, b.List[0].Busy); diff != "" {
		t.Error(diff)
	}
	if err := l.Close(); err != nil { // as the kernel does when the holder is killed
		t.Fatal(err)
	}
	f.until("free", func(b Builds) bool { return len(b.List[0].Busy) == 0 })
}

// The feed says what nosa list says.
func TestBuildsEqualList(t *testing.T) {
	ws := newBuildsWorkspace(t)
	for n := range 3 {
		publish(t, ws, n)
	}
	if err := os.WriteFile(filepath.Join(ws.BuildDir("1.1", testArch), workspace.MetaFile), []byte("no json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ws.UpdateIndex(t.Context(), begun, func(x *workspace.Index) error {
		x.Odd = append(x.Odd, json.RawMessage(`{"id": "../x"}`))
		return x.Insert("9.9", "aarch64")
	}); err != nil {
		t.Fatal(err)
	}
	r := newBuildsReader(ws)
	r.read()
	var got, want bytes.Buffer
	for _, b := range r.read().List { // from memory
		if err := json.NewEncoder(&got).Encode(workspace.Listed{ID: b.ID, Latest: b.Latest, Tags: b.Tags, Arches: []workspace.ListedArch{b.ListedArch}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := ws.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if err := json.NewEncoder(&want).Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Error(diff)
	}
}

// The first Builds of 100 builds waits for one file of each; one that has changed
// is all that is read later, and nothing when nothing has.
func TestBuildsReadsLittle(t *testing.T) {
	ws := newBuildsWorkspace(t)
	const n = 100
	for i := range n {
		publish(t, ws, i)
	}
	r := newBuildsReader(ws)
	b := r.read()
	if r.opened > n+1 || len(b.List) != n || b.Reading != n {
		t.Errorf("the first list opened %d files for %d builds, %d to be read", r.opened, len(b.List), b.Reading)
	}
	r.opened = 0
	r.readDetails(t.Context(), b.List, 16)
	if b = r.read(); b.Reading != n-16 || r.opened > 16*4+1 {
		t.Errorf("16 details opened %d files, %d to be read", r.opened, b.Reading)
	}
	r.readDetails(t.Context(), b.List, n)
	b = r.read()
	r.opened = 0
	again := r.read()
	if r.opened != 1 || !sameBuilds(b, again) || again.Reading != 0 {
		t.Errorf("nothing has changed: %d files opened, the same: %v", r.opened, sameBuilds(b, again))
	}
	meta := filepath.Join(again.List[5].Dir, workspace.MetaFile)
	if err := os.Chtimes(meta, begun, begun); err != nil {
		t.Fatal(err)
	}
	r.opened = 0
	if r.read(); r.opened != 2 {
		t.Errorf("one record has changed: %d files opened", r.opened)
	}
}

func TestParsePkgDiff(t *testing.T) {
	got := parsePkgDiff(json.RawMessage(`[["a",0,{"NewPackage":["a","1-1","x86_64"]}],["b",1,{"PreviousPackage":["b","2-1","noarch"]}],["c",3,{"PreviousPackage":["c","2-1","noarch"],"NewPackage":["c","1-1","noarch"]}],"odd",[1]]`))
	want := PackageChanges{
		Known: true, Added: []PackageChange{{"a", "", "1-1.x86_64"}}, Removed: []PackageChange{{"b", "2-1.noarch", ""}},
		Changed: []PackageChange{{"c", "2-1.noarch", "1-1.noarch"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := parsePkgDiff(json.RawMessage(`{}`)); got.Known {
		t.Error("what is no list is known")
	}
}

func BenchmarkBuildsRead(b *testing.B) {
	ws := newBuildsWorkspace(b)
	for i := range 100 {
		publish(b, ws, i)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			newBuildsReader(ws).read()
		}
	})
	b.Run("again", func(b *testing.B) {
		r := newBuildsReader(ws)
		r.readDetails(b.Context(), r.read().List, 100)
		for b.Loop() {
			r.read()
		}
	})
}
