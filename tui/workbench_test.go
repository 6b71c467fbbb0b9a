package tui

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
)

// buildNosa builds the nosa that the tests drive, once.
var buildNosa = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nosa-tui-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nosa")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", path, "github.com/nestos/nosa/cmd/nosa")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

// TestMain is also a program: a workbench over a guest's console.
func TestMain(m *testing.M) {
	if os.Getenv("NOSA_TUI_CHILD") == "guest" {
		os.Exit(guestChild())
	}
	code := m.Run()
	if path, err := buildNosa(); err == nil && code >= 0 {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func nosa(t *testing.T) string {
	t.Helper()
	path, err := buildNosa()
	if err != nil {
		t.Fatalf("building nosa: %v", err)
	}
	return path
}

// sample makes a workspace of the sample's config.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), nosa(t), "-C", dir, "init", "--sample", "--transient").CombinedOutput()
	if err != nil {
		t.Fatalf("nosa init: %v\n%s", err, out)
	}
	return dir
}

// From an empty directory to the screens of a workspace, by the real nosa.
func TestWelcome(t *testing.T) {
	dir := t.TempDir()
	d := newDriver(t, Options{Dir: dir, Nosa: nosa(t)}, 80, 24)
	d.want("No workspace here yet", dir, "The sample", "A config repository", "Another directory")
	d.keys("s")
	d.until("the workspace", func() bool { return d.ws != nil })
	d.settle()
	d.want("[1 Source]", "2 Stages", "3 Builds", "manifest.yaml")
}

// What nosa init says against a directory is on the screen, with what to do.
func TestWelcomeFails(t *testing.T) {
	dir := t.TempDir()
	d := newDriver(t, Options{Dir: dir, Nosa: nosa(t)}, 80, 24)
	d.keys("g")
	d.types("/nowhere/at/all")
	d.keys("enter enter enter enter")
	d.until("the failure", func() bool { return strings.Contains(d.text(), "✗") })
	d.want("No workspace here yet", "/nowhere/at/all")
	if d.ws != nil {
		t.Error("there is a workspace")
	}
}

// ctrl+c leaves the innermost thing, twice it quits; nothing asks where nothing would be lost.
func TestInterrupt(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 80, 24)
	d.keys("?")
	d.want("Keys", "type to search")
	d.key(keyNamed("ctrl+c"))
	d.wantNot("type to search")
	d.want("ctrl+c again quits")
	d.run(batch(d.key(keyNamed("ctrl+c"))))
	d.settle()
	if !d.quitted {
		t.Error("still there")
	}
}

// Letters that come together, as over a slow line, are keys of their own.
func TestFastTyping(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 80, 24)
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("3:sho w")})
	if got := d.screen().Name(); got != screen.Builds {
		t.Errorf("on %s", got)
	}
	d.want("> sho w")
}

// The palette runs what it lists, says why it cannot, and copies the command.
func TestPalette(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 100, 30)
	d.keys(":")
	d.types("show builds")
	d.want("Show Builds")
	d.keys("enter")
	if got := d.screen().Name(); got != screen.Builds {
		t.Errorf("on %s", got)
	}
	d.until("the files", func() bool { return len(d.files.Entries) > 0 })
	d.keys(":")
	d.types("@manifest")
	d.want("src/config/manifest.yaml")
	d.keys("enter")
	if got := d.screen().Name(); got != screen.Source {
		t.Errorf("on %s", got)
	}
}

// Keys of a user's file count as soon as it is written; what is wrong with it is said with its place.
func TestRebind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tui.yaml")
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t), settingsPath: path}, 100, 30)
	if err := os.WriteFile(path, []byte("keys:\n  app.go-build: [ctrl+i]\n  app.stages: [ctrl+t]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.until("the settings", func() bool { return len(d.settings.Keys) > 0 })
	d.settle()
	d.want(path+":2:", "ctrl+i cannot")
	d.keys("esc esc ctrl+t")
	if got := d.screen().Name(); got != screen.Stages {
		t.Errorf("on %s", got)
	}
}

// No two actions share a key where both count, and none takes a key that is the workbench's own.
func TestKeysAreApart(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 80, 24)
	for _, double := range settings.Doubles(d.table()) {
		t.Error(double)
	}
	own := map[string]string{}
	for _, a := range d.global() {
		for _, key := range a.Keys {
			if key != "@" { // in a log it leads to a time
				own[key] = a.ID
			}
		}
	}
	seen := map[string]bool{}
	for _, a := range d.table() {
		if seen[a.ID] {
			t.Errorf("%s is there twice", a.ID)
		}
		seen[a.ID] = true
		if a.Title == "" || a.Run == nil {
			t.Errorf("%s: no title or nothing to run", a.ID)
		}
		for _, key := range a.Keys {
			if have := own[key]; have != "" && a.Screen != "" {
				t.Errorf("%s takes %q from %s", a.ID, key, have)
			}
		}
	}
}

// Every screen at every size: nothing outside of it, no panic, the focused pane is there.
func TestEverySize(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 80, 24)
	for i, s := range d.screens {
		d.current = i
		for _, w := range []int{36, 39, 40, 41, 60, 79, 80, 99, 100, 119, 120, 159, 160, 200, 300} {
			for _, h := range []int{8, 9, 10, 11, 12, 23, 24, 29, 30, 40, 60, 100} {
				d.w, d.h = w, h
				_ = d.text()
				if w < minWidth || h < minHeight {
					continue
				}
				body := layout(w, h).body
				focused := false
				for _, p := range s.Panes(body.W, body.H) {
					focused = focused || p.ID == s.Focus()
				}
				if !focused {
					t.Fatalf("%s at %dx%d: the pane %q is not shown", s.Name(), w, h, s.Focus())
				}
			}
		}
	}
}

// A frame in which nothing has happened costs nothing; one after a key costs no more than the screen needs.
func TestFramesAreCheap(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 200, 60)
	_ = d.View()
	if n := testing.AllocsPerRun(100, func() { _ = d.View() }); n > 0 {
		t.Errorf("%.0f allocations for a frame that was there already", n)
	}
	for i, s := range d.screens {
		d.current = i
		_ = d.text()
		n := testing.AllocsPerRun(50, func() {
			d.stale = true
			_ = d.View()
		})
		t.Logf("%s: %.0f allocations a frame", s.Name(), n)
		if n > 250 {
			t.Errorf("%s: %.0f allocations a frame", s.Name(), n)
		}
	}
}
