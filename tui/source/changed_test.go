package source

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
)

// TestBranchUnderOpenFiles checks out, so to speak, another branch: what was not changed here
// follows or goes, what was changed here stays and is told.
func TestBranchUnderOpenFiles(t *testing.T) {
	d := newDesk(t, small())
	const seen, behind, edited = "src/config/x.repo", "src/config/image.yaml", "src/config/manifests/base.yaml"
	d.edit(edited, "# mine\n")
	d.open(behind)
	d.open(seen)
	d.do(os.Remove(filepath.Join(d.dir, seen)))
	d.do(os.Remove(filepath.Join(d.dir, behind)))
	d.do(os.RemoveAll(filepath.Join(d.dir, filepath.Dir(edited))))
	d.write("src/config/manifest.yaml", "releasever: '13'\n")
	d.snapshot("src/config")
	if diff := cmp.Diff([]string{edited}, d.s.Dirty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{edited, seen}, d.s.open); diff != "" {
		t.Errorf("open: %s", diff)
	}
	d.shows("deleted on disk")

	// Back again: nothing has happened.
	for name, text := range small() {
		d.write(name, text)
	}
	d.snapshot("src/config")
	if diff := cmp.Diff([]string{edited}, d.s.Dirty()); diff != "" {
		t.Error(diff)
	}
	if len(d.asks) > 0 || d.s.docs[edited].theirs != nil || d.s.docs[edited].absent || d.s.docs[seen].absent {
		t.Errorf("after all is back: %+v, %+v", d.asks, d.s.docs[edited])
	}
	d.open(edited)
	d.keys("ctrl+s")
	if got := d.read(edited); got != "# mine\n"+small()[edited] {
		t.Errorf("saved %q", got)
	}
}

// TestGoneIsSavedAgain makes a file anew from text that was not changed.
func TestGoneIsSavedAgain(t *testing.T) {
	d := newDesk(t, small())
	const path = "src/config/manifests/base.yaml"
	d.open(path)
	d.do(os.RemoveAll(filepath.Join(d.dir, filepath.Dir(path))))
	d.snapshot(filepath.Dir(path))
	d.keys("ctrl+s")
	if got := d.read(path); got != small()[path] {
		t.Errorf("saved %q", got)
	}
}

// TestConflictThatEnds has a file change and change back while its text is edited.
func TestConflictThatEnds(t *testing.T) {
	d := newDesk(t, small())
	const path = "src/config/manifests/base.yaml"
	d.edit(path, "# mine\n")
	d.write(path, "packages: [theirs]\n")
	d.snapshot(path)
	d.write(path, small()[path])
	d.snapshot(path)
	d.keys("ctrl+s")
	if len(d.asks) > 0 {
		t.Errorf("asks %+v", d.asks)
	}
	if got := d.read(path); got != "# mine\n"+small()[path] {
		t.Errorf("saved %q", got)
	}
}

// TestNothingToType has keys mean what they say where a file cannot be edited.
func TestNothingToType(t *testing.T) {
	d := newDesk(t, small())
	d.write("src/config/logo.yaml", "\x00\x01")
	d.snapshot("src/config/logo.yaml")
	d.s.tree.Select("src/config/logo.yaml")
	d.keys("enter")
	d.keys("enter")
	if d.s.Typing() {
		t.Error("keys are text")
	}
	d.shows("cannot be edited here", "it is not text", "e opens it")
}

// TestWhatNosaSaidGoesWithItsLine has what only nosa knows stay with the line that it was
// said of, until that line is another.
func TestWhatNosaSaidGoesWithItsLine(t *testing.T) {
	d := newDesk(t, small())
	d.write("nosa", "#!/bin/sh\nfor a; do case $a in *unsaved-*) cat \"$a\" >asked; exit 1;; esac; done\n"+
		"echo '{\"diagnostics\":[{\"severity\":\"error\",\"code\":\"PK001\",\"file\":\"src/config/manifests/base.yaml\",\"line\":3,\"column\":5,\"message\":\"no repository has it\"}]}'\nexit 3\n")
	d.do(os.Chmod(filepath.Join(d.dir, "nosa"), 0o755))
	d.keys("V")
	d.open("src/config/manifests/base.yaml")
	for _, tt := range []struct {
		keys []string
		line int // 0: it is not said any more
	}{
		{[]string{"enter", "enter"}, 4},
		{[]string{"down", "enter"}, 5},
		{[]string{"end", "x"}, 5},
		{[]string{"down", "end", "x"}, 0},
	} {
		d.keys(tt.keys...)
		line := 0
		for _, p := range d.s.problems.all {
			if p.Code == "PK001" {
				line = p.Line
			}
		}
		if line != tt.line {
			t.Errorf("after %v: at %d, want %d\n%s", tt.keys, line, tt.line, d.s.current().ed.Text())
		}
	}
}

// TestUnsavedTextIsToldNosa has nosa look at what is typed, where there is metadata.
func TestUnsavedTextIsToldNosa(t *testing.T) {
	d := newDesk(t, small())
	d.write("nosa", "#!/bin/sh\nfor a; do case $a in *unsaved-*) cat \"$a\" >\"${0%/*}/asked\";; esac; done\necho '{\"diagnostics\":[]}'\n")
	d.do(os.Chmod(filepath.Join(d.dir, "nosa"), 0o755))
	d.s.names.stamp = "fetched"
	d.edit("src/config/manifests/base.yaml", "# x\n")
	if got, want := d.read("asked"), `{"src/config/manifests/base.yaml":"# x\npackages:\n  - systemd\n  - kernel\n"}`; got != want {
		t.Errorf("nosa was told %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(swapDir(d.dir), draftsPattern)); left != nil {
		t.Errorf("left: %v", left)
	}
}

// TestErasingBeginsTyping has the keys that can only mean the text do so.
func TestErasingBeginsTyping(t *testing.T) {
	d := newDesk(t, small())
	const path = "src/config/manifests/base.yaml"
	d.open(path)
	d.keys("delete")
	if got := d.s.docs[path].ed.Text(); got != small()[path][1:] || !d.s.Typing() {
		t.Errorf("text %q, typing %t", got, d.s.Typing())
	}
}

// TestFilterOfEffectiveTakesLetters: they are no keys of actions then.
func TestFilterOfEffectiveTakesLetters(t *testing.T) {
	d := newDesk(t, small())
	d.keys("m", "/")
	if !d.s.Typing() {
		t.Error("letters are commands while the filter is typed")
	}
}

func TestTrashIsPruned(t *testing.T) {
	dir := t.TempDir()
	now := clock()
	at := func(ago time.Duration) string {
		return strconv.FormatInt(now.Add(-ago).UnixNano(), 36)
	}
	young, old, other := at(trashKept-time.Hour), at(trashKept+time.Hour), "not a time"
	for _, name := range []string{young, old, other} {
		if err := os.MkdirAll(filepath.Join(dir, trash, name, "d"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pruneTrash(dir, now)
	got := map[string]bool{}
	for _, name := range []string{young, old, other} {
		_, err := os.Stat(filepath.Join(dir, trash, name, "d"))
		got[name] = err == nil
	}
	if diff := cmp.Diff(map[string]bool{young: true, old: false, other: true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestChosen(t *testing.T) {
	d := newDesk(t, small())
	d.s.tree.Select("src/config/image.yaml")
	if diff := cmp.Diff(screen.Target{File: "src/config/image.yaml"}, d.s.Chosen()); diff != "" {
		t.Error(diff)
	}
	d.open("src/config/manifests/base.yaml")
	d.keys("down", "right")
	if diff := cmp.Diff(screen.Target{File: "src/config/manifests/base.yaml", Line: 2, Column: 2}, d.s.Chosen()); diff != "" {
		t.Error(diff)
	}
}
