package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace"
)

// desk is a screen over a real directory, without a workbench: what it asks for is
// done at once and one after the other.
type desk struct {
	t       *testing.T
	dir     string
	s       *Screen
	size    [2]int
	theme   *theme.Theme
	notices []screen.Notice
	asks    []screen.Ask
	execs   []screen.Exec
	copies  []screen.Copy
	went    []screen.Go
	starts  []string // commands, their words joined
	posts   []screen.Event
}

func clock() time.Time { return time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC) }

// newDesk makes a workspace of the files and a screen over it.
func newDesk(t *testing.T, files map[string]string) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), size: [2]int{120, 37}, theme: theme.New(theme.Options{Mono: true})}
	for _, dir := range []string{"builds", "src/config", "overrides/rpm", "overrides/rootfs", "tmp"} {
		d.do(os.MkdirAll(filepath.Join(d.dir, dir), 0o755))
	}
	for name, text := range files {
		d.write(name, text)
	}
	d.begin()
	return d
}

// begin starts a screen, as after the start of a workbench.
func (d *desk) begin() {
	d.s = New(screen.Env{WS: &workspace.Workspace{Dir: d.dir}, Nosa: filepath.Join(d.dir, "nosa"), User: "ann", Now: clock})
	d.run(d.s.Restore(nil))
	d.snapshot()
}

func (d *desk) do(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	d.do(os.MkdirAll(filepath.Dir(path), 0o755))
	d.do(os.WriteFile(path, []byte(text), 0o644))
}

func (d *desk) read(name string) string {
	d.t.Helper()
	data, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return "error: " + cause(err).Error()
	}
	return string(data)
}

// snapshot has the screen see the files as they are.
func (d *desk) snapshot(changed ...string) {
	d.t.Helper()
	f := feed.ReadFiles(d.t.Context(), d.s.env.WS)
	f.Revision, f.Changed = d.s.files.Revision+1, changed
	f.Watch.Dirs = 1204
	d.run(d.s.Handle(f))
}

// run does what the screen asks for, also what comes of that. Works of which a newer one
// has the same key are left out, as the workbench does.
func (d *desk) run(effects []screen.Effect) {
	d.t.Helper()
	for n := 0; len(effects) > 0; n++ {
		if n > 1000 {
			d.t.Fatal("the screen asks for ever more")
		}
		e := effects[0]
		effects = effects[1:]
		switch e := e.(type) {
		case screen.Work:
			newer := slices.ContainsFunc(effects, func(o screen.Effect) bool {
				w, ok := o.(screen.Work)
				return ok && e.Key != "" && w.Key == e.Key
			})
			if newer {
				continue
			}
			if ev := e.Do(d.t.Context()); ev != nil {
				effects = append(effects, d.s.Handle(ev)...)
			}
		case screen.Notice:
			d.notices = append(d.notices, e)
		case screen.Ask:
			d.asks = append(d.asks, e)
		case screen.Exec:
			d.execs = append(d.execs, e)
		case screen.Copy:
			d.copies = append(d.copies, e)
		case screen.Go:
			d.went = append(d.went, e)
		case screen.Start:
			d.starts = append(d.starts, strings.Join(e.Args, " ")+" "+e.Tag)
		case screen.Post:
			d.posts = append(d.posts, e.Event)
		default:
			d.t.Fatalf("an effect that this test does not know: %T", e)
		}
	}
}

// keys presses keys: those of actions, else those of the screen.
func (d *desk) keys(list ...string) {
	d.t.Helper()
	for _, name := range list {
		d.key(term.Key{Name: name})
	}
}

// typed types a text.
func (d *desk) typed(text string) {
	d.t.Helper()
	for _, r := range text {
		k := term.Key{Name: string(r), Text: string(r)}
		switch r {
		case ' ':
			k.Name = "space"
		case '\n':
			k = term.Key{Name: "enter"}
		}
		d.key(k)
	}
}

func (d *desk) key(k term.Key) {
	d.t.Helper()
	if len([]rune(k.Name)) == 1 {
		k.Text = k.Name
	}
	var found *screen.Action
	for _, a := range d.s.Actions() {
		if (a.Pane == "" || a.Pane == d.s.Focus()) && (a.Text || !d.s.Typing()) && slices.Contains(a.Keys, k.Name) && (found == nil || a.Pane != "") {
			found = &a
		}
	}
	if found == nil {
		d.run(d.s.Key(k))
		return
	}
	if found.Off != nil {
		if why := found.Off(); why != "" {
			d.notices = append(d.notices, screen.Notice{Level: screen.Warn, Text: found.Title + ": " + why})
			return
		}
	}
	d.run(found.Run())
}

// answer answers the dialog that was opened last.
func (d *desk) answer(choice string, values ...string) {
	d.t.Helper()
	if len(d.asks) == 0 {
		d.t.Fatal("no dialog is open")
	}
	a := screen.Answer{Tag: d.asks[len(d.asks)-1].Tag, Choice: choice, Values: map[string]string{}}
	for _, f := range d.asks[len(d.asks)-1].Fields {
		a.Values[f.Name] = f.Value
	}
	d.asks = d.asks[:len(d.asks)-1]
	for i := 0; i+1 < len(values); i += 2 {
		a.Values[values[i]] = values[i+1]
	}
	d.run(d.s.Handle(a))
}

func (d *desk) open(path string) {
	d.t.Helper()
	d.run(d.s.Open(screen.Target{File: path}))
}

// edit opens a file and types at its beginning.
func (d *desk) edit(path, text string) {
	d.t.Helper()
	d.open(path)
	d.keys("enter")
	d.typed(text)
}

func (d *desk) draw() *canvas.Canvas {
	c := canvas.New(d.size[0], d.size[1])
	c.Ellipsis = d.theme.Glyphs.Ellipsis
	d.s.Draw(c.Area(), screen.Frame{Theme: d.theme, Now: clock(), Active: true})
	return c
}

func (d *desk) text() string {
	c := d.draw()
	var b strings.Builder
	for y := range d.size[1] {
		b.WriteString(c.Text(y) + "\n")
	}
	return b.String()
}

// shows fails the test unless a text is on the screen.
func (d *desk) shows(texts ...string) {
	d.t.Helper()
	all := d.text()
	for _, text := range texts {
		if !strings.Contains(all, text) {
			d.t.Errorf("%q is not on the screen:\n%s", text, all)
		}
	}
}

func (d *desk) said(text string) {
	d.t.Helper()
	if !slices.ContainsFunc(d.notices, func(n screen.Notice) bool { return strings.Contains(n.Text, text) }) {
		d.t.Errorf("%q was not said, but %v", text, d.notices)
	}
	d.notices = nil
}

// small is a config that has nothing wrong with it.
func small() map[string]string {
	return map[string]string{
		"src/config/manifest.yaml":       "ref: os/${basearch}/stable\nrojig:\n  name: os\n  summary: An OS\n  license: MIT\nrepos: [x]\ninclude: manifests/base.yaml\npackages:\n  - bash\n",
		"src/config/manifests/base.yaml": "packages:\n  - systemd\n  - kernel\n",
		"src/config/image.yaml":          "rootfs: ext4\nsize: 8\n",
		"src/config/platforms.yaml":      "x86_64:\n  qemu:\n    kernel_arguments: [console=ttyS0]\n",
		"src/config/x.repo":              "[x]\nname=x\nbaseurl=https://example.com/x\ngpgcheck=1\ngpgkey=https://example.com/key\n",
	}
}

func TestBrokenManifestIsSeenAndFixed(t *testing.T) {
	d := newDesk(t, small())
	d.open("src/config/manifest.yaml")
	d.keys("G", "enter")
	d.typed("recomends: false\n")
	d.shows("unknown key \"recomends\"", "[fix: f]", "● unsaved", "1✗")
	if got := d.s.Dirty(); len(got) != 1 || d.read("src/config/manifest.yaml") == d.s.current().ed.Text() {
		t.Errorf("unsaved: %v", got)
	}
	d.keys("esc", "}", "f")
	if !strings.HasSuffix(d.s.current().ed.Text(), "recommends: false\n") {
		t.Errorf("after the fix: %q", d.s.current().ed.Text())
	}
	if c, _ := d.s.problems.counts(); c.errors != 0 {
		t.Errorf("after the fix there is still: %v", d.s.problems.all)
	}
	d.keys("u")
	d.shows("unknown key \"recomends\"")
	d.keys("U", "ctrl+s")
	d.said("saved src/config/manifest.yaml")
	if !strings.HasSuffix(d.read("src/config/manifest.yaml"), "recommends: false\n") || d.s.Dirty() != nil {
		t.Errorf("saved: %q", d.read("src/config/manifest.yaml"))
	}
}

func TestProblemsOfOtherFilesAreMarked(t *testing.T) {
	d := newDesk(t, small())
	d.edit("src/config/manifests/base.yaml", "nonsense: 1\n")
	d.keys("esc", "esc")
	d.s.tree.SetExpanded([]string{"src/config"})
	d.s.rebuildTree()
	for line := range strings.SplitSeq(d.text(), "\n") {
		if strings.Contains(line, "manifests/ ") && !strings.Contains(line, "1✗") {
			t.Errorf("the folded directory does not tell of its problem: %s", line)
		}
	}
	if d.s.Focus() != paneFiles {
		t.Errorf("esc leads to %s", d.s.Focus())
	}
	d.keys("!", "enter")

	if line, _ := d.s.current().ed.Position(); d.s.Focus() != paneEditor || line != 1 {
		t.Errorf("the problem leads to %s, line %d: %v", d.s.Focus(), line, d.s.problems.all)
	}
}

func TestStaleResultsAreDropped(t *testing.T) {
	d := newDesk(t, small())
	d.open("src/config/manifest.yaml")
	d.keys("enter")
	var works []screen.Work
	for _, text := range []string{"x", "y"} {
		for _, e := range d.s.Key(term.Key{Name: text, Text: text}) {
			if w, ok := e.(screen.Work); ok && w.Key == workQuick {
				works = append(works, w)
			}
		}
	}
	late, now := works[0].Do(t.Context()), works[1].Do(t.Context())
	d.s.Handle(now)
	want := fmt.Sprint(d.s.problems.all)
	d.s.Handle(late)
	if got := fmt.Sprint(d.s.problems.all); got != want || !d.s.problems.all.HasErrors() {
		t.Errorf("after a late result: %s, want %s", got, want)
	}
}

func TestFullValidationIsTakenFromNosa(t *testing.T) {
	d := newDesk(t, small())
	d.write("nosa", "#!/bin/sh\necho '{\"diagnostics\":[{\"severity\":\"error\",\"code\":\"PK001\",\"file\":\"src/config/manifest.yaml\",\"line\":9,\"column\":5,\"message\":\"no repository has the package bash\",\"fix\":\"dash\"}]}'\nexit 3\n")
	d.do(os.Chmod(filepath.Join(d.dir, "nosa"), 0o755))
	d.keys("V")
	d.shows("no repository has the package bash")
	d.edit("src/config/manifests/base.yaml", "# a remark\n")
	d.shows("no repository has the package bash") // in a file that is not being edited
	d.keys("esc")
	d.open("src/config/manifest.yaml")
	d.keys("}", "f")
	if got := d.s.current().ed.Line(9); got != "  - dash" {
		t.Errorf("fixed: %q", got)
	}
	if c, _ := d.s.problems.counts(); c.errors != 0 {
		t.Errorf("what was said of the old text stays: %v", d.s.problems.all)
	}
}

func TestPanes(t *testing.T) {
	d := newDesk(t, small())
	for _, problems := range []bool{false, true} {
		if problems {
			d.write("src/config/manifest.yaml", "x: 1\ny: 2\nz: 3\n")
			d.snapshot("src/config/manifest.yaml")
		}
		for _, focus := range []string{paneFiles, paneEditor, paneProblems, paneSide} {
			for _, zoomed := range []bool{false, true} {
				d.s.SetFocus(focus)
				d.s.SetZoomed(zoomed)
				for w := 40; w <= 300; w++ {
					for h := 7; h <= 100; h++ {
						checkPanes(t, d.s, w, h)
					}
				}
			}
		}
	}
}

func checkPanes(t *testing.T, s *Screen, w, h int) {
	t.Helper()
	var rects []canvas.Rect
	shown := false
	for _, p := range s.Panes(w, h) {
		r := p.Rect
		if r.X < 0 || r.Y < 0 || r.X+r.W > w || r.Y+r.H > h || r.W < 3 || r.H < 3 {
			t.Fatalf("%dx%d: pane %s at %v", w, h, p.ID, r)
		}
		rects = append(rects, r)
		shown = shown || p.ID == s.Focus()
	}
	if a, b, ok := canvas.Overlap(rects); ok {
		t.Fatalf("%dx%d: %v and %v overlap", w, h, a, b)
	}
	if !shown {
		t.Fatalf("%dx%d: the focused pane %s is not shown", w, h, s.Focus())
	}
}

// TestDrawEverywhere draws every pane at many sizes: nothing panics, and drawing
// changes nothing that is drawn.
func TestDrawEverywhere(t *testing.T) {
	d := newDesk(t, small())
	d.write("src/config/manifest.yaml", "x: 1\nrecomends: true\n")
	d.snapshot("src/config/manifest.yaml")
	d.open("src/config/manifest.yaml")
	for _, focus := range []string{paneFiles, paneEditor, paneProblems, paneSide} {
		d.s.SetFocus(focus)
		for _, size := range [][2]int{{1, 1}, {5, 3}, {20, 6}, {40, 7}, {40, 8}, {63, 13}, {64, 14}, {80, 21}, {99, 27}, {100, 37}, {160, 40}, {200, 57}, {300, 100}} {
			d.size = size
			first := d.text()
			if again := d.text(); again != first {
				t.Errorf("%v, %s: drawn twice it differs:\n%s\n%s", size, focus, first, again)
			}
		}
	}
}

func TestActionKeys(t *testing.T) {
	d := newDesk(t, nil)
	seen := map[string]string{}
	for _, a := range d.s.Actions() {
		if a.Title == "" || a.Run == nil || !strings.HasPrefix(a.ID, "source.") {
			t.Errorf("action %+v is not complete", a)
		}
		if a.Off != nil {
			a.Off() // with nothing open
		}
		if a.Command != nil {
			a.Command()
		}
		for _, k := range a.Keys {
			for _, place := range []string{a.Pane + " " + k} {
				if other, ok := seen[place]; ok {
					t.Errorf("%s and %s share %q", other, a.ID, place)
				}
				seen[place] = a.ID
			}
			if slices.Contains([]string{"1", "2", "3", "4", "5", "tab", "shift+tab", "z", ":", "ctrl+p", "?", "q", "ctrl+c", "ctrl+l", "ctrl+z", "M", "@", "#"}, k) {
				t.Errorf("%s binds the global key %s", a.ID, k)
			}
		}
	}
}

func TestWorksEndWithTheirContext(t *testing.T) {
	d := newDesk(t, small())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range d.s.validate(0) {
		if c, ok := e.(screen.Work).Do(ctx).(checked); !ok || c.err == nil {
			t.Errorf("a look whose context has ended gives %+v", c)
		}
	}
}
