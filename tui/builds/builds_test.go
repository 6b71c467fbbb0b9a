package builds_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/builds"
	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace"
)

var now = time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)

// bench is a screen with a stand-in for tui around it.
type bench struct {
	t       testing.TB
	s       *builds.Screen
	now     time.Time
	dir     string
	asked   string // file with what nosa was asked
	effects []screen.Effect
	w, h    int
}

func newBench(t testing.TB, b feed.Builds, answers map[string]string) *bench {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"/src/config", "/builds"} {
		if err := os.MkdirAll(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ws, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if answers == nil {
		answers = map[string]string{}
	}
	if answers["stages"] == "" {
		answers["stages"] = "stages.json"
	}
	path, asked := fakeNosa(t, answers)
	x := &bench{t: t, dir: dir, now: now, asked: asked, w: 120, h: 36}
	x.s = builds.New(screen.Env{WS: ws, Nosa: path, Now: func() time.Time { return x.now }})
	x.does(x.s.Handle(b))
	if err := os.Remove(asked); err != nil { // that the stages were asked for is not what is tested
		t.Fatal(err)
	}
	x.draw()
	return x
}

func (x *bench) draw() *canvas.Canvas { return x.drawAs(theme.New(theme.Options{Mono: true})) }

func (x *bench) drawAs(t *theme.Theme) *canvas.Canvas {
	c := canvas.New(x.w, x.h)
	x.s.Draw(c.Area(), screen.Frame{Theme: t, Now: x.now, Active: true})
	return c
}

// does does effects as tui would; what it cannot do it keeps.
func (x *bench) does(effects []screen.Effect) {
	x.t.Helper()
	for _, e := range effects {
		if w, ok := e.(screen.Work); ok {
			if got := w.Do(x.t.Context()); got != nil {
				if n, ok := got.(screen.Notice); ok {
					x.effects = append(x.effects, n)
				}
				x.does(x.s.Handle(got))
			}
			continue
		}
		x.effects = append(x.effects, e)
	}
}

// press gives keys to the screen, and to its actions before.
func (x *bench) press(keys ...string) {
	x.t.Helper()
	for _, name := range keys {
		x.does(x.key(name))
		x.draw()
	}
}

func (x *bench) key(name string) []screen.Effect {
	if !x.s.Typing() {
		var found *screen.Action
		for _, a := range x.s.Actions() {
			if slices.Contains(a.Keys, name) && (a.Pane == x.s.Focus() || a.Pane == "" && found == nil) {
				found = &a
			}
		}
		if found != nil {
			if found.Off != nil && found.Off() != "" {
				return []screen.Effect{screen.Notice{Level: screen.Warn, Text: found.ID + ": " + found.Off()}}
			}
			return found.Run()
		}
	}
	k := term.Key{Name: name}
	if len([]rune(name)) == 1 {
		k.Text = name
	}
	return x.s.Key(k)
}

func (x *bench) last() screen.Effect {
	if len(x.effects) == 0 {
		return nil
	}
	return x.effects[len(x.effects)-1]
}

func (x *bench) commands() string {
	data, err := os.ReadFile(x.asked)
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(data), x.dir, "WS")
}

func (x *bench) golden(name string) {
	x.t.Helper()
	for _, size := range [][2]int{{80, 21}, {120, 37}, {200, 57}} { // what tui leaves of 80x24, 120x40, 200x60
		x.w, x.h = size[0], size[1]
		tuitest.Golden(x.t, fmt.Sprintf("%s-%d", name, x.w), x.draw())
	}
}

// sample is builds of all kinds.
func sample() feed.Builds {
	sum := func(c string) string { return strings.Repeat(c, 64) }
	build := func(id string, age time.Duration, change func(*feed.Build)) *feed.Build {
		at := now.Add(-age)
		b := &feed.Build{ID: id, Dir: "/ws/builds/" + id + "/x86_64", Time: at, ListedArch: workspace.ListedArch{
			Arch: "x86_64", Local: true, Timestamp: workspace.Timestamp(at), Commit: sum("9"), Version: id,
			Config: &workspace.Git{Commit: strings.Repeat("4f2e1c", 7)[:40], Branch: "main", Origin: "unknown"},
			Artifacts: []workspace.ListedArtifact{
				{Type: "ostree", Path: "builds/" + id + "/x86_64/os.ociarchive", Size: 600 << 20, Disk: 600 << 20, Checksum: sum("a")},
				{Type: "qemu", Path: "builds/" + id + "/x86_64/os.qcow2", Size: 1300 << 20, Disk: 900 << 20, Checksum: sum("b")},
			},
		}, Size: 1900 << 20, Disk: 1500 << 20, Meta: &workspace.Meta{BuildID: id, Version: id, NosaVersion: "1.2", Engine: "dnf", Rootfs: "ext4"}}
		b.Detailed, b.Packages = true, 412
		b.Changes.Known = true
		change(b)
		return b
	}
	return feed.Builds{
		List: []*feed.Build{
			build("42.20261122.dev.3", 3*time.Minute, func(b *feed.Build) {
				b.Latest = true
				b.Config.Dirty = "true"
				b.Changes.Added = []feed.PackageChange{{Name: "crun-vm", To: "0.3-1.x86_64"}, {Name: "podman-tui", To: "1.4-1.x86_64"}}
				b.Changes.Changed = []feed.PackageChange{{Name: "kernel", From: "6.15.2-200.x86_64", To: "6.15.3-200.x86_64"}}
				b.Checks = []feed.BuildCheck{{Name: "qemu", OK: true, MS: 79214, Runs: []feed.CheckRun{{Name: "bios", OK: true, Passed: 7, Of: 7, MS: 40000}, {Name: "uefi", OK: true, Passed: 7, Of: 7, MS: 39214}}}}
				b.Logs = []feed.BuildLog{{
					Job: "20261122T115700Z-build-7f3a", Stage: "build", State: "finished", MS: 242000, Size: 1_200_000, Log: "testdata/job.log", Events: "testdata/job.events.jsonl",
					Steps: []feed.BuildStep{{Name: "packages", Title: "packages from the cache", MS: 115000}, {Name: "initramfs", Title: "make the initramfs", Skipped: true}, {Name: "commit", Title: "commit the tree", MS: 90000}},
				}}
				b.Busy = []feed.BuildBusy{{Type: "metal", Holder: "20261122T120300Z-buildextend-metal-1a2b"}}
			}),
			build("42.20261122.dev.2", 80*time.Minute, func(b *feed.Build) {
				b.Tags = []string{"good"}
				b.Artifacts = append(b.Artifacts, workspace.ListedArtifact{Type: "metal", Path: "x", Size: 1100 << 20, Missing: true, Remade: true, Checksum: sum("c")})
				b.Checks = []feed.BuildCheck{{Name: "qemu", OK: true}, {Name: "tests", OK: true}}
				b.Meta.Images = map[string]workspace.Artifact{"qemu": {UncompressedSHA256: sum("d"), UncompressedSize: 2000 << 20}}
			}),
			build("42.20261121.dev.9", 25*time.Hour, func(b *feed.Build) {
				b.Checks = []feed.BuildCheck{{Name: "qemu", Problem: "uefi: no failed units: degraded", Runs: []feed.CheckRun{{Name: "uefi", Text: "no failed units: degraded", Passed: 6, Of: 7}}}}
				b.Changes.Removed = []feed.PackageChange{{Name: "nano", From: "7.2-1.x86_64"}}
			}),
			{ID: "42.20261121.dev.8", Dir: "/ws/builds/42.20261121.dev.8/x86_64", Time: now.Add(-30 * time.Hour), ListedArch: workspace.ListedArch{
				Arch: "x86_64", Local: true, Problem: "reading /ws/builds/42.20261121.dev.8/x86_64/meta.json: unexpected end of JSON input",
			}},
			{ID: "42.20261120.dev.1", ListedArch: workspace.ListedArch{Arch: "x86_64"}},
			build("42.20261120.dev.0", 49*time.Hour, func(b *feed.Build) {
				b.Changes = feed.PackageChanges{}
				b.Checks = []feed.BuildCheck{{Name: "qemu", OK: true, Stale: true}}
				b.Artifacts[1].Changed = true
			}),
		},
		Deleted: []workspace.Deleted{{ID: "42.20261119.dev.4", Arches: []string{"x86_64"}, Deleted: now.Add(-2 * time.Hour), Expires: now.Add(22 * time.Hour), Bytes: 1 << 30}},
	}
}

func TestGoldens(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.golden("history")
	x.w, x.h = 120, 37
	tuitest.GoldenStyles(t, "history-styles", x.drawAs(tuitest.RoleTheme()), tuitest.RoleTheme())
	x.press("j", "j", "j")
	x.golden("broken")
	x.press("G")
	x.golden("deleted")
	newBench(t, feed.Builds{}, nil).golden("empty")
	recording := newBench(t, recordedBuilds(t), nil)
	recording.now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	recording.s.SetFocus("detail")
	recording.golden("recorded")
	x = newBench(t, sample(), nil)
	x.w, x.h = 40, 10
	tuitest.Golden(t, "history-40", x.draw())
	x.press("enter")
	tuitest.Golden(t, "detail-40", x.draw())
}

func TestGoldenCompare(t *testing.T) {
	x := newBench(t, sample(), map[string]string{"diff": "diff.json"})
	x.press("space", "j", "space", "d") // the first and the third
	if got, want := x.commands(), "-C WS --output json diff 42.20261121.dev.9 42.20261122.dev.3 --arch x86_64 --packages --files --kargs --image-config --config --sizes --size-details\n"; got != want {
		t.Errorf("asked %q", got)
	}
	x.golden("compare")
	x.press("/", "u", "s", "r", "enter")
	x.golden("compare-filter")
	x.press("esc", "Z")
	x.w, x.h = 80, 21
	tuitest.Golden(t, "compare-folded-80", x.draw())
	x.press("esc")
	if x.s.Focus() != "builds" {
		t.Errorf("esc leads to %s", x.s.Focus())
	}
	r := newBench(t, recordedBuilds(t), map[string]string{"diff": "recorded-diff.json"})
	r.press("d")
	r.w, r.h = 120, 37
	tuitest.Golden(t, "recorded-compare-120", r.draw())
}

// With the ASCII theme nothing else reaches the screen.
func TestASCII(t *testing.T) {
	x := newBench(t, sample(), map[string]string{"diff": "diff.json"})
	th := theme.New(theme.Options{Mono: true, ASCII: true})
	for _, keys := range []string{"", "s", "d", "Z", "esc", "P"} {
		x.press(strings.Fields(keys)...)
		c := canvas.New(x.w, x.h)
		c.Ellipsis = th.Glyphs.Ellipsis
		x.s.Draw(c.Area(), screen.Frame{Theme: th, Now: now, Active: true})
		for _, r := range tuitest.Text(c) {
			if r >= 0x80 {
				t.Fatalf("%q after %q:\n%s", r, keys, tuitest.Text(c))
			}
		}
	}
}

// While both commits are read one can see that, and leave it.
func TestWaiting(t *testing.T) {
	x := newBench(t, recordedBuilds(t), nil)
	effects := x.key("d")
	x.now = now.Add(3 * time.Second)
	if got := tuitest.Text(x.draw()); !strings.Contains(got, "Reading both commits…  3s") {
		t.Errorf("what goes on is not shown:\n%s", got)
	}
	x.does(x.key("esc"))
	late := effects[0].(screen.Work).Do(t.Context())
	x.does(x.s.Handle(late))
	if got := tuitest.Text(x.draw()); strings.Contains(got, "did not work") || x.s.Focus() != "builds" {
		t.Errorf("an answer that nobody waits for is shown:\n%s", got)
	}
}

// A record that cannot be read is shown as the file is.
func TestBrokenRecord(t *testing.T) {
	b := sample()
	broken := *b.List[3]
	broken.Dir = t.TempDir()
	if err := os.WriteFile(broken.Dir+"/meta.json", []byte("{\"buildid\": \x1b[31m"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.List[3] = &broken
	x := newBench(t, b, nil)
	x.press("j", "j", "j", "I")
	if got := tuitest.Text(x.draw()); !strings.Contains(got, `{"buildid": ?[31m`) {
		t.Errorf("it is not shown:\n%s", got)
	}
}

// What would go is seen before anything goes.
func TestPrune(t *testing.T) {
	x := newBench(t, recordedBuilds(t), map[string]string{"prune": "recorded-prune.json"})
	x.press("P")
	ask := x.last().(screen.Ask)
	x.does(x.s.Handle(screen.Answer{Tag: ask.Tag, Choice: "preview", Values: map[string]string{"what": ask.Fields[0].Value, "keep": "1"}}))
	if got := x.commands(); got != "-C WS --output json prune --keep-last-n 1 --dry-run\n" {
		t.Errorf("asked %q", got)
	}
	x.golden("prune")
	x.press("P")
	ask = x.last().(screen.Ask)
	if !ask.Danger || !strings.Contains(ask.Text[0], "1.67 GiB") {
		t.Errorf("%+v", ask)
	}
	x.does(x.s.Handle(screen.Answer{Tag: ask.Tag, Choice: "prune"}))
	if diff := cmp.Diff(screen.Start{Args: []string{"prune", "--keep-last-n", "1"}, Tag: "builds.prune"}, x.last()); diff != "" {
		t.Error(diff)
	}
	if x.s.Focus() != "builds" {
		t.Error("the preview is still open")
	}
}

// Each key does what the command line of its action does.
func TestActions(t *testing.T) {
	start := func(tag string, args ...string) screen.Effect { return screen.Start{Args: args, Tag: "builds." + tag} }
	for _, tt := range []struct {
		name string
		keys string
		want screen.Effect
	}{
		{"check", "j j B", start("check", "check", "--build", "42.20261121.dev.9", "--artifact", "qemu")},
		{"verify", "v", start("verify", "verify", "--build", "42.20261122.dev.3")},
		{"compress", "c", start("compress", "compress", "--build", "42.20261122.dev.3")},
		{"nothing is compressed", "C", screen.Notice{Level: screen.Warn, Text: "builds.decompress: nothing of it is compressed"}},
		{"decompress", "j C", start("decompress", "decompress", "--build", "42.20261122.dev.2")},
		{"build", "b", start("build", "build")},
		{"busy", "D", screen.Notice{Level: screen.Warn, Text: "builds.delete: its metal is being worked on"}},
		{"broken", "j j j v", screen.Notice{Level: screen.Warn, Text: "builds.verify: its record cannot be read"}},
		{"not here", "j j j j !", screen.Notice{Level: screen.Warn, Text: "builds.shell: its files are not here"}},
		{"deleted", "G t", screen.Notice{Level: screen.Warn, Text: "builds.tag: the build is deleted; u brings it back"}},
		{"undelete", "u", screen.Notice{Level: screen.Good, Text: "42.20261119.dev.4 is back"}},
		{"one marked", "space d", screen.Notice{Level: screen.Warn, Text: "builds.compare: mark two builds with space; 1 marked"}},
		{"the one before is broken", "j j d", screen.Notice{Level: screen.Warn, Text: "builds.compare: the record of one cannot be read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newBench(t, sample(), nil)
			x.press(strings.Fields(tt.keys)...)
			if diff := cmp.Diff(tt.want, x.last()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The image under the cursor of the detail is the one that is made.
func TestMakeImage(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("m")
	pick := x.last().(screen.Pick)
	var ids []string
	for _, item := range pick.Items {
		ids = append(ids, item.ID)
	}
	if diff := cmp.Diff([]string{"metal", "metal4k", "live"}, ids); diff != "" {
		t.Error(diff)
	}
	x.does(x.s.Handle(screen.Picked{Tag: pick.Tag, ID: "metal4k"}))
	if diff := cmp.Diff(screen.Start{Args: []string{"buildextend-metal4k", "--build", "42.20261122.dev.3"}, Tag: "builds.buildextend-metal4k"}, x.last()); diff != "" {
		t.Error(diff)
	}
}

func TestDelete(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("j", "D")
	ask := x.last().(screen.Ask)
	if ask.Typed != "42.20261122.dev.2" || !ask.Danger || !strings.Contains(strings.Join(ask.Text, " "), "is tagged: good") {
		t.Errorf("%+v", ask)
	}
	x.does(x.s.Handle(screen.Answer{Tag: ask.Tag, Choice: "cancel"}))
	if got := x.commands(); got != "" {
		t.Errorf("cancelled, and asked %q", got)
	}
	x.does(x.s.Handle(screen.Answer{Tag: ask.Tag, Choice: "delete"}))
	if got, want := x.commands(), "-C WS --output json --no-wait delete 42.20261122.dev.2 --force\n"; got != want {
		t.Errorf("asked %q", got)
	}
}

func TestTag(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("j", "j", "t")
	ask := x.last().(screen.Ask)
	for name, ok := range map[string]bool{"stable": true, "": false, "a b": false, "latest": false, "-x": false, "42.20261122.dev.3": false} {
		if got := ask.Fields[0].Check(name); (got == "") != ok {
			t.Errorf("%q: %q", name, got)
		}
	}
	x.does(x.s.Handle(screen.Answer{Tag: ask.Tag, Choice: "ok", Values: map[string]string{"name": "stable", "description": "it boots"}}))
	x.press("k", "T")
	want := "-C WS --output json --no-wait tag update --tag stable --build 42.20261121.dev.9 --description it boots\n-C WS --output json --no-wait tag delete --tag good\n"
	if diff := cmp.Diff(want, x.commands()); diff != "" {
		t.Error(diff)
	}
	x.press("#")
	x.does(x.s.Handle(screen.Picked{Tag: x.last().(screen.Pick).Tag, ID: "good"}))
	if got := tuitest.Text(x.draw()); !strings.Contains(got, "1 of 7") {
		t.Errorf("the tag does not filter:\n%s", got)
	}
}

// What nosa refuses is said with its hint, and shown where it was to be read.
func TestRefused(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("I")
	if got := tuitest.Text(x.draw()); !strings.Contains(got, "ended with status 2") {
		t.Errorf("the reason is not shown:\n%s", got)
	}
}

func TestMetadata(t *testing.T) {
	x := newBench(t, recordedBuilds(t), map[string]string{"meta": "recorded-meta.json"})
	x.press("I", "/", "c", "o", "m", "m", "i", "t", "enter")
	x.w, x.h = 80, 21
	tuitest.Golden(t, "metadata-80", x.draw())
}

func TestCopy(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("y")
	pick := x.last().(screen.Pick)
	var lines []string
	for _, item := range pick.Items {
		lines = append(lines, item.Title)
	}
	if diff := cmp.Diff([]string{"id", "path", "commit", "commit of the config", "path of ostree", "path of qemu", "checksum of ostree", "checksum of qemu"}, lines); diff != "" {
		t.Error(diff)
	}
	x.does(x.s.Handle(screen.Picked{Tag: pick.Tag, ID: pick.Items[7].ID}))
	if diff := cmp.Diff(screen.Copy{Text: strings.Repeat("b", 64), What: "the checksum of qemu"}, x.last()); diff != "" {
		t.Error(diff)
	}
}

// The panes fill the screen without overlap, whatever is open, and the focused one is there.
func TestPanes(t *testing.T) {
	for _, keys := range []string{"", "enter", "d", "d tab", "L", "L z", "z", "wide", "wide d"} {
		x := newBench(t, recordedBuilds(t), map[string]string{"diff": "recorded-diff.json"})
		for key := range strings.FieldsSeq(keys) {
			switch key {
			case "z":
				x.s.SetZoomed(true)
			case "tab":
				x.s.SetFocus("builds")
			case "wide": // the third pane is there without anything open in it
				x.w = 200
				x.draw()
				x.s.SetFocus("content")
			default:
				x.press(key)
			}
		}
		for w := 40; w <= 300; w += 3 {
			for h := 10; h <= 100; h += 3 {
				var rects []canvas.Rect
				area, focused := 0, false
				for _, p := range x.s.Panes(w, h) {
					rects = append(rects, p.Rect)
					area += p.Rect.W * p.Rect.H
					focused = focused || p.ID == x.s.Focus()
					if p.Rect.W < 10 || p.Rect.H < 4 || p.Rect.X < 0 || p.Rect.Y < 0 || p.Rect.X+p.Rect.W > w || p.Rect.Y+p.Rect.H > h {
						t.Fatalf("%q at %dx%d: pane %+v", keys, w, h, p)
					}
				}
				if a, b, ok := canvas.Overlap(rects); ok {
					t.Fatalf("%q at %dx%d: %v and %v overlap", keys, w, h, a, b)
				}
				if area != w*h || !focused {
					t.Fatalf("%q at %dx%d: %d of %d cells, focus shown: %v", keys, w, h, area, w*h, focused)
				}
			}
		}
		for _, size := range [][2]int{{40, 10}, {1, 1}, {300, 100}} {
			x.w, x.h = size[0], size[1]
			x.draw()
		}
	}
}

// Builds that come and go leave cursor and marks where they are.
func TestSelectionStays(t *testing.T) {
	b := sample()
	x := newBench(t, b, nil)
	x.press("j", "space")
	next := b
	next.List = append([]*feed.Build{{ID: "42.20261122.dev.4", ListedArch: workspace.ListedArch{Arch: "x86_64"}}}, b.List...)
	next.Deleted = nil
	x.s.Handle(next)
	if got := x.s.Chosen().Build; got != "42.20261121.dev.9" {
		t.Errorf("at %s", got)
	}
	if got := x.s.Hint(); got != "1 marked: mark another and d compares them" {
		t.Error(got)
	}
	saved := x.s.Save()
	y := newBench(t, feed.Builds{}, nil)
	y.s.Restore(saved)
	y.s.Handle(next)
	if diff := cmp.Diff(x.s.Chosen(), y.s.Chosen()); diff != "" || y.s.Hint() != x.s.Hint() {
		t.Errorf("another session: %s, %q", diff, y.s.Hint())
	}
	y.s.Restore([]byte(`{"sort": "x"}`))
	if e := y.s.Open(screen.Target{Build: "42.20261120.dev.0"}); e != nil {
		t.Errorf("open: %v", e)
	}
	if got := y.s.Chosen().Build; got != "42.20261120.dev.0" {
		t.Errorf("open leads to %s", got)
	}
}

// A log opens in the third pane with keys of its own, and is followed until it is left.
func TestLog(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("L")
	if f, ok := x.last().(screen.Follow); !ok || f.Key != "builds.log" || x.s.Focus() != "log" {
		t.Fatalf("%T, focus %s", x.last(), x.s.Focus())
	}
	x.press("/")
	if !x.s.Typing() {
		t.Error("/ does not begin to type")
	}
	x.press("e", "r", "r", "enter", "t", "esc", "esc")
	if u, ok := x.last().(screen.Unfollow); !ok || u.Key != "builds.log" || x.s.Focus() != "builds" {
		t.Errorf("%T, focus %s", x.last(), x.s.Focus())
	}
}

func TestGoldenLog(t *testing.T) {
	x := newBench(t, sample(), nil)
	x.press("L")
	follow := x.last().(screen.Follow)
	ctx, cancel := context.WithCancel(t.Context())
	news, done := make(chan screen.Event), make(chan struct{})
	go func() {
		defer close(done)
		follow.Do(ctx, func(e screen.Event) {
			select {
			case news <- e:
			case <-ctx.Done():
			}
		})
	}()
	x.w, x.h = 120, 37
	for deadline := time.After(30 * time.Second); !strings.Contains(tuitest.Text(x.draw()), "done ***"); {
		select {
		case e := <-news:
			x.s.Handle(e)
		case <-deadline:
			t.Fatalf("the log is not shown:\n%s", tuitest.Text(x.draw()))
		}
	}
	cancel()
	<-done
	x.press("/")
	tuitest.Golden(t, "log-120", x.draw())
}

func TestMouse(t *testing.T) {
	x := newBench(t, sample(), nil)
	press := func(px, py, clicks int) {
		for _, p := range x.s.Panes(x.w, x.h) {
			if p.Rect.Contains(px, py) {
				x.s.SetFocus(p.ID)
			}
		}
		x.does(x.s.Mouse(term.Mouse{Kind: term.Press, Button: 1, X: px, Y: py, Clicks: clicks, Lines: 1}))
		x.draw()
	}
	press(5, 4, 1)
	x.press("v")
	if got := x.last().(screen.Start).Args[2]; got != "42.20261121.dev.9" {
		t.Errorf("a click leads to %s", got)
	}
	press(5, 4, 2)
	if x.s.Focus() != "detail" {
		t.Errorf("a double click leads to %s", x.s.Focus())
	}
}

// Every action has a title and keys that do not collide in its pane.
func TestActionTable(t *testing.T) {
	x := newBench(t, feed.Builds{}, nil)
	ids, keys := map[string]bool{}, map[string]string{}
	for _, a := range x.s.Actions() {
		if a.ID == "" || a.Title == "" || a.Run == nil || ids[a.ID] {
			t.Errorf("%+v", a)
		}
		ids[a.ID] = true
		for _, k := range a.Keys {
			if other := keys[a.Pane+" "+k]; other != "" {
				t.Errorf("%s: %s and %s", k, other, a.ID)
			}
			keys[a.Pane+" "+k] = a.ID
		}
		if a.Off == nil || a.Off() == "" { // nothing may fail on an empty workspace
			a.Run()
		}
		if a.Command != nil {
			a.Command()
		}
	}
}

func TestDrawAllocatesLittle(t *testing.T) {
	of := func(n int) *bench {
		b := sample()
		for i := range n {
			one := *b.List[2]
			one.ID = fmt.Sprint("1.", i)
			b.List = append(b.List, &one)
		}
		return newBench(t, b, nil)
	}
	allocs := func(x *bench) float64 {
		c, th := canvas.New(x.w, x.h), theme.New(theme.Options{Mono: true})
		return testing.AllocsPerRun(20, func() {
			c.Reset(x.w, x.h)
			x.s.Draw(c.Area(), screen.Frame{Theme: th, Now: now, Active: true})
		})
	}
	if few, many := allocs(of(100)), allocs(of(5000)); many > few+5 {
		t.Errorf("a frame of 106 builds allocates %v times, of 5006 %v", few, many)
	}
}
