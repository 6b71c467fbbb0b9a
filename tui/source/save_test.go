package source

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

func TestSaveKeeps(t *testing.T) {
	d := newDesk(t, small())
	file := filepath.Join(d.dir, "src/config/manifest.yaml")
	d.do(os.Chmod(file, os.ModeSetgid|0o751))
	attributes := unix.Setxattr(file, "user.nosa", []byte("kept"), 0) == nil
	owner := os.Geteuid() == 0
	if owner {
		d.do(os.Chown(file, 12, 34))
		d.do(os.Chmod(file, os.ModeSetgid|0o751))
	}
	d.edit("src/config/manifest.yaml", "# a\n")
	d.keys("ctrl+s")
	info, err := os.Stat(file)
	d.do(err)
	if got := info.Mode(); got&os.ModePerm != 0o751 || got&os.ModeSetgid == 0 {
		t.Errorf("mode %v", got)
	}
	if sys := info.Sys().(*syscall.Stat_t); owner && (sys.Uid != 12 || sys.Gid != 34) {
		t.Errorf("owner %d:%d", sys.Uid, sys.Gid)
	}
	value := make([]byte, 16)
	if n, err := unix.Getxattr(file, "user.nosa", value); attributes && (err != nil || string(value[:n]) != "kept") {
		t.Errorf("attribute %q, %v", value[:max(n, 0)], err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.dir, "src/config/.manifest*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	d.said("saved")
}

func TestSaveThroughLinks(t *testing.T) {
	d := newDesk(t, small())
	d.write("elsewhere/secret", "theirs\n")
	d.do(os.Symlink("manifest.yaml", filepath.Join(d.dir, "src/config/link.yaml")))
	d.do(os.Symlink("../../elsewhere/secret", filepath.Join(d.dir, "src/config/out.yaml")))
	d.do(os.Symlink("../../elsewhere", filepath.Join(d.dir, "src/config/dir")))
	d.snapshot()
	d.edit("src/config/link.yaml", "# x\n")
	d.keys("ctrl+s")
	if link, err := os.Readlink(filepath.Join(d.dir, "src/config/link.yaml")); err != nil || link != "manifest.yaml" {
		t.Errorf("the link is now %q, %v", link, err)
	}
	if got := d.read("src/config/manifest.yaml"); !strings.HasPrefix(got, "# x\n") {
		t.Errorf("written through: %q", got)
	}
	for _, path := range []string{"src/config/out.yaml", "src/config/dir/secret", "builds/x", "src/config/.git/config", "src/config/../../builds/x"} {
		text, err := readText(d.dir, path)
		if err == nil {
			t.Errorf("%s is read: %q", path, text)
		}
		if _, err := (saving{dir: d.dir, path: path, base: []byte("theirs\n"), text: []byte("mine")}).save(); err == nil {
			t.Errorf("%s is written", path)
		}
	}
	if d.read("elsewhere/secret") != "theirs\n" {
		t.Error("a file outside of the sources was changed")
	}
}

// TestConflicts has a file change on disk in every way while its text is changed here or not.
func TestConflicts(t *testing.T) {
	const path = "src/config/manifests/base.yaml"
	const before, mine, theirs = "packages:\n  - systemd\n  - kernel\n", "# mine\npackages:\n  - systemd\n  - kernel\n", "packages: [theirs]\n"
	tests := []struct {
		name   string
		edit   bool
		disk   string // what becomes of the file: "" nothing, "gone", else its text
		told   bool   // the watcher tells before it is saved
		choice string // of the dialog
		file   string // on disk at the end
		text   string // in the editor
		dirty  bool
	}{
		{"nothing happens", true, "", true, "", mine, mine, false},
		{"follows silently", false, theirs, true, "", theirs, theirs, false},
		{"mine, told", true, theirs, true, "mine", mine, mine, false},
		{"mine, not told", true, theirs, false, "mine", mine, mine, false},
		{"theirs, told", true, theirs, true, "theirs", theirs, theirs, false},
		{"theirs, not told", true, theirs, false, "theirs", theirs, theirs, false},
		{"left", true, theirs, true, "leave", theirs, mine, true},
		{"the same", true, mine, true, "", mine, mine, false},
		{"gone, told", true, "gone", true, "", mine, mine, false},
		{"gone, not told", true, "gone", false, "again", mine, mine, false},
		{"gone, not edited", false, "gone", true, "-", "error: no such file or directory", before, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, small())
			d.open(path)
			if tt.edit {
				d.keys("enter")
				d.typed("# mine\n")
			}
			switch tt.disk {
			case "":
			case "gone":
				d.do(os.Remove(filepath.Join(d.dir, path)))
			default:
				d.write(path, tt.disk)
			}
			if tt.told {
				d.snapshot(path)
			}
			if tt.choice != "-" {
				d.keys("ctrl+s")
			}
			if tt.choice != "" && tt.choice != "-" {
				d.answer(tt.choice)
			}
			if len(d.asks) > 0 {
				t.Errorf("unexpected dialog: %+v", d.asks)
			}
			got := []any{d.read(path), d.s.docs[path].ed.Text(), len(d.s.Dirty()) > 0}
			if diff := cmp.Diff([]any{tt.file, tt.text, tt.dirty}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConflictIsNeverSilent(t *testing.T) {
	d := newDesk(t, small())
	d.edit("src/config/manifest.yaml", "# mine\n")
	d.write("src/config/manifest.yaml", "theirs: 1\n")
	d.snapshot("src/config/manifest.yaml")
	d.said("changed on disk while it is edited here")
	d.shows("▲ changed on disk")
	d.keys("ctrl+s")
	d.answer("difference")
	d.shows("-theirs: 1", "+# mine")
	d.keys("esc")
	d.answer("theirs")
	d.keys("u")
	d.shows("# mine")
}

func TestCursorStaysWhenTheFileIsReadAgain(t *testing.T) {
	d := newDesk(t, small())
	d.open("src/config/manifest.yaml")
	d.s.current().ed.GoTo(9, 3)
	d.write("src/config/manifest.yaml", "# new\n"+d.read("src/config/manifest.yaml"))
	d.snapshot("src/config/manifest.yaml")
	if line, column := d.s.current().ed.Position(); line != 10 || column != 3 {
		t.Errorf("the cursor is at %d:%d", line, column)
	}
}

func TestUnsavedTextIsOfferedBack(t *testing.T) {
	const path = "src/config/manifest.yaml"
	leave := func(t *testing.T) (*desk, string) {
		d := newDesk(t, small())
		d.edit(path, "# unsaved\n")
		text := d.s.current().ed.Text()
		swaps, err := filepath.Glob(filepath.Join(d.dir, "tmp/tui/swap-*.json"))
		d.do(err)
		if len(swaps) != 1 {
			t.Fatalf("swap files: %v", swaps)
		}
		info, err := os.Stat(swaps[0])
		d.do(err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		data, err := os.ReadFile(swaps[0])
		d.do(err)
		left := strings.Replace(string(data), `"begun":"`, `"begun":"1`, 1) // of a process that is no more
		left = strings.Replace(left, `"pid":`, `"pid":9`, 1)
		d.do(os.Rename(swaps[0], filepath.Join(d.dir, "tmp/tui/swap-left.json")))
		d.do(os.WriteFile(filepath.Join(d.dir, "tmp/tui/swap-left.json"), []byte(left), 0o600))
		d.begin()
		if len(d.asks) != 1 || d.asks[0].Title != "Unsaved text was left" {
			t.Fatalf("dialogs: %+v", d.asks)
		}
		return d, text
	}
	swaps := func(d *desk) int {
		names, err := filepath.Glob(filepath.Join(d.dir, "tmp/tui/swap-*.json"))
		d.do(err)
		return len(names)
	}
	t.Run("restore", func(t *testing.T) {
		d, text := leave(t)
		d.answer("restore")
		if got := d.s.current().ed.Text(); got != text || !slices.Equal(d.s.Dirty(), []string{path}) || swaps(d) != 1 {
			t.Errorf("restored: %q, unsaved %v, %d swap files", got, d.s.Dirty(), swaps(d))
		}
		if len(d.went) != 1 || d.went[0].Screen != screen.Source { // it may have been asked on another
			t.Errorf("went to %v", d.went)
		}
		d.keys("ctrl+s")
		if d.read(path) != text || swaps(d) != 0 {
			t.Errorf("saved: %q, %d swap files", d.read(path), swaps(d))
		}
	})
	t.Run("discard", func(t *testing.T) {
		d, _ := leave(t)
		d.answer("discard")
		if swaps(d) != 0 || d.s.Dirty() != nil {
			t.Errorf("discarded: %d swap files, unsaved %v", swaps(d), d.s.Dirty())
		}
	})
	t.Run("difference", func(t *testing.T) {
		d, _ := leave(t)
		d.answer("difference")
		d.shows("+# unsaved")
		d.keys("esc")
		d.answer("later")
		if swaps(d) != 1 {
			t.Errorf("%d swap files", swaps(d))
		}
	})
	t.Run("restored over a file that has changed", func(t *testing.T) {
		d, text := leave(t)
		d.write(path, "theirs: 1\n")
		d.answer("restore")
		d.answer("leave")
		d.keys("ctrl+s")
		if d.read(path) != "theirs: 1\n" {
			t.Errorf("saved without a question: %q", d.read(path))
		}
		d.answer("mine")
		if d.read(path) != text {
			t.Errorf("saved: %q", d.read(path))
		}
	})
	t.Run("merged with a file that has changed", func(t *testing.T) {
		d, text := leave(t)
		d.write(path, d.read(path)+"# theirs\n")
		d.answer("restore")
		d.answer("merge")
		if got := d.s.current().ed.Text(); got != text+"# theirs\n" {
			t.Errorf("merged: %q, said %v", got, d.notices)
		}
		d.keys("ctrl+s")
		if got := d.read(path); got != text+"# theirs\n" || swaps(d) != 0 {
			t.Errorf("saved: %q, %d swap files", got, swaps(d))
		}
	})
	t.Run("of a version without the file that was read", func(t *testing.T) {
		d, text := leave(t)
		d.write(path, "theirs: 1\n")
		d.s.swaps[0].Before = nil
		asked := len(d.asks)
		d.answer("restore")
		d.keys("ctrl+s")
		for _, ask := range d.asks[asked:] {
			for _, c := range ask.Choices {
				if c.ID == "merge" {
					t.Error("a merge is offered, of what?")
				}
			}
		}
		d.answer("mine")
		if d.read(path) != text {
			t.Errorf("saved: %q", d.read(path))
		}
	})
	t.Run("restored over a file that is gone", func(t *testing.T) {
		d, text := leave(t)
		d.do(os.Remove(filepath.Join(d.dir, path)))
		d.answer("restore")
		d.keys("ctrl+s")
		if d.read(path) != text {
			t.Errorf("saved: %q, said %v", d.read(path), d.notices)
		}
	})
}

func TestKeepBeforeTheEnd(t *testing.T) {
	d := newDesk(t, small())
	d.open("src/config/manifest.yaml")
	d.keys("enter")
	d.s.Key(term.Key{Name: "x", Text: "x"}) // what is asked for is not done
	if err := d.s.Keep()(); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Join(d.dir, "tmp/tui/swap-*.json")); len(names) != 1 {
		t.Errorf("swap files: %v", names)
	}
}

func TestStateIsFoundAgain(t *testing.T) {
	d := newDesk(t, small())
	d.open("src/config/image.yaml")
	d.open("src/config/manifest.yaml")
	d.keys("j", "j")
	d.s.tree.Select("src/config/manifests/base.yaml")
	data := d.s.Save()
	again := New(d.s.env)
	d.s = again
	d.run(again.Restore(data))
	d.snapshot()
	line, _ := d.s.current().ed.Position()
	item, _ := d.s.tree.Current()
	got := []any{d.s.at, line, d.s.open, d.s.Focus(), item.ID}
	want := []any{"src/config/manifest.yaml", 3, []string{"src/config/image.yaml", "src/config/manifest.yaml"}, paneEditor, "src/config/manifests/base.yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	d.s.tree.Select("src/config/image.yaml")
	d.snapshot("src/config/manifest.yaml")
	if item, _ = d.s.tree.Current(); item.ID != "src/config/image.yaml" {
		t.Errorf("a change moved the cursor to %s", item.ID)
	}
	d.run(d.s.Restore([]byte(`{"open":["../../etc/passwd"],"focus":"nonsense"}`)))
	if d.s.docs["../../etc/passwd"] != nil {
		t.Error("a path outside was opened")
	}
}

func TestFileChanges(t *testing.T) {
	d := newDesk(t, small())
	tree := func() []string {
		d.snapshot()
		var list []string
		for _, f := range d.s.files.Entries {
			if strings.HasPrefix(f.Path, "src/config/m") || strings.HasPrefix(f.Path, "src/config/n") {
				list = append(list, strings.TrimPrefix(f.Path, "src/config/"))
			}
		}
		return list
	}
	before := tree()
	d.s.tree.Select("src/config/manifest.yaml")
	d.keys("n")
	d.answer("ok", "name", "new/deep/file.yaml")
	d.said("made src/config/new/deep/file.yaml")
	if got := tree(); !slices.Contains(got, "new/deep/file.yaml") {
		t.Errorf("after making a file: %v", got)
	}
	if item, _ := d.s.tree.Current(); item.ID != "src/config/new/deep/file.yaml" {
		t.Errorf("the cursor is on %s", item.ID)
	}
	d.keys("r")
	d.answer("ok", "to", "src/config/manifests/file.yaml")
	if got := tree(); !slices.Contains(got, "manifests/file.yaml") || slices.Contains(got, "new/deep/file.yaml") {
		t.Errorf("after renaming: %v", got)
	}
	d.s.tree.Select("src/config/manifests")
	d.keys("D")
	d.answer("ok")
	if got := tree(); slices.Contains(got, "manifests") {
		t.Errorf("after deleting: %v", got)
	}
	d.keys("u")
	d.keys("u")
	d.s.tree.Select("src/config/new")
	d.keys("u")
	d.snapshot()
	d.s.tree.Select("src/config/new")
	d.keys("D")
	d.answer("ok")
	if diff := cmp.Diff(before, tree()); diff != "" {
		t.Errorf("after undoing all: %s", diff)
	}
	d.notices = nil
	d.s.tree.Select("src/config")
	d.keys("D", "r")
	d.said("belongs to the workspace")
}

// A file that goes to another file system keeps its mode and replaces nothing.
func TestMoveFar(t *testing.T) {
	here, far := t.TempDir(), ""
	for _, dir := range []string{"/dev/shm", "/run", "/tmp"} {
		if d, err := os.MkdirTemp(dir, "nosa-test-"); err == nil { //nolint:usetesting // on another file system
			t.Cleanup(func() { _ = os.RemoveAll(d) })
			if err := os.Rename(d, filepath.Join(here, "x")); errors.Is(err, unix.EXDEV) {
				far = d
				break
			}
			_ = os.Rename(filepath.Join(here, "x"), d)
		}
	}
	if far == "" {
		t.Skip("there is one file system that can be written: nothing is far")
	}
	write := func(path, text string, mode os.FileMode) string {
		t.Helper()
		for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	write(filepath.Join(far, "dir/secret"), "a", 0o440)
	if err := os.Symlink("secret", filepath.Join(far, "dir/link")); err != nil {
		t.Fatal(err)
	}
	if err := move(t.Context(), filepath.Join(far, "dir"), filepath.Join(here, "dir")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(here, "dir/link")); err != nil || info.Mode() != 0o440 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Lstat(filepath.Join(far, "dir")); err == nil {
		t.Error("it is where it was, too")
	}
	from, to := write(filepath.Join(far, "file"), "new", 0o644), write(filepath.Join(here, "file"), "old", 0o644)
	if err := move(t.Context(), from, to); err == nil || err.Error() != "file is there already" {
		t.Errorf("it was replaced: %v", err)
	}
	for path, want := range map[string]string{from: "new", to: "old"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", path, got, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(here, ".nosa-move-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// An undo that something is in the way of can be done later.
func TestUndoOfDelete(t *testing.T) {
	d := newDesk(t, small())
	const file = "src/config/image.yaml"
	d.s.tree.Select(file)
	d.keys("D")
	d.said("deleted")
	d.write(file, "of somebody else\n")
	d.snapshot()
	d.keys("u")
	d.said("is there already")
	if got := d.read(file); got != "of somebody else\n" {
		t.Errorf("it is %q", got)
	}
	d.do(os.Remove(filepath.Join(d.dir, file)))
	d.snapshot()
	d.keys("u")
	d.said("is back")
}

// The unsaved text of a file that was deleted is nowhere else: no other file gets its name.
func TestRenameOntoText(t *testing.T) {
	d := newDesk(t, small())
	const gone, other = "src/config/image.yaml", "src/config/platforms.yaml"
	d.open(other)
	d.edit(gone, "# mine\n")
	d.keys("esc")
	d.do(os.Remove(filepath.Join(d.dir, gone)))
	d.snapshot(gone)
	d.said("was deleted on disk")
	d.s.SetFocus(paneFiles)
	rename := func() {
		t.Helper()
		d.s.tree.Select(other)
		d.keys("r")
		d.answer("ok", "to", gone)
	}
	rename()
	d.said("unsaved text of " + gone)
	if !strings.Contains(d.s.docs[gone].ed.Text(), "# mine") || d.read(other) == "" {
		t.Error("the text or the file has gone")
	}
	d.s.docs[gone].ed.Reload(nil)
	d.s.docs[gone].ed.MarkSavedAs(nil)
	rename()
	d.said("renamed to " + gone)
	if got := slices.DeleteFunc(slices.Clone(d.s.open), func(p string) bool { return p != gone && p != other }); len(got) != 1 {
		t.Errorf("open are %v", got)
	}
}

// Giving up what is unsaved shows what the file holds now; without a file there is nothing to show.
func TestReload(t *testing.T) {
	d := newDesk(t, small())
	const file = "src/config/image.yaml"
	d.edit(file, "# mine\n")
	d.write(file, "theirs: 1\n")
	d.snapshot(file)
	if why := d.s.notThere(); why != "" {
		t.Error(why)
	}
	d.run(d.s.reload())
	if got := d.s.docs[file]; got.ed.Text() != "theirs: 1\n" || got.ed.Modified() || got.theirs != nil {
		t.Errorf("%q, modified %v", got.ed.Text(), got.ed.Modified())
	}
	d.typed("# mine\n")
	d.do(os.Remove(filepath.Join(d.dir, file)))
	d.snapshot(file)
	if why := d.s.notThere(); why != "it was deleted on disk" {
		t.Errorf("%q", why)
	}
}

// Saving again while a save is under way is no conflict with oneself.
func TestSaveTwice(t *testing.T) {
	d := newDesk(t, small())
	const file = "src/config/image.yaml"
	d.edit(file, "# one\n")
	doc := d.s.docs[file]
	first := d.s.save(doc)
	d.typed("# two\n")
	if second := d.s.save(doc); second != nil {
		t.Errorf("two saves at once: %v", second)
	}
	d.run(first)
	if got := d.read(file); !strings.HasPrefix(got, "# one\n# two\n") || len(d.asks) > 0 || doc.ed.Modified() {
		t.Errorf("the file is %q, asked is %v", got, d.asks)
	}
}

func TestFileChangesStayInside(t *testing.T) {
	d := newDesk(t, small())
	d.write("elsewhere/x", "")
	d.write("overrides/taken", "")
	d.do(os.Symlink("../../elsewhere", filepath.Join(d.dir, "src/config/out")))
	d.do(os.MkdirAll(filepath.Join(d.dir, "src/config/.git"), 0o755))
	for _, path := range []string{"builds/x", "src/config/out/y", "src/config/../../x", "src/config/.git/hooks/x", "src/config", "/etc/x"} {
		if _, err := create(d.dir, path); err == nil {
			t.Errorf("%s was made", path)
		}
		if _, err := rename(t.Context(), d.dir, "src/config/image.yaml", path); err == nil {
			t.Errorf("renamed to %s", path)
		}
		if _, err := remove(t.Context(), d.dir, path, clock()); err == nil {
			t.Errorf("%s was deleted", path)
		}
	}
	if _, err := rename(t.Context(), d.dir, "src/config/image.yaml", "overrides/taken"); err == nil {
		t.Error("another file was replaced")
	}
	if _, err := remove(t.Context(), d.dir, "src/config/out", clock()); err != nil || d.read("elsewhere/x") != "" {
		t.Errorf("deleting a link: %v, what it leads to: %q", err, d.read("elsewhere/x"))
	}
	for _, name := range []string{"", "../x", "/x", "a//b", "a/./b", ".git", "a\x00b", "a\nb", strings.Repeat("x", 300)} {
		if checkName(name) == "" {
			t.Errorf("the name %q is taken", name)
		}
	}
}

func TestExternalEditor(t *testing.T) {
	d := newDesk(t, small())
	t.Setenv("VISUAL", "")
	t.Setenv("EDITOR", "vim")
	d.open("src/config/manifest.yaml")
	d.keys("j", "e")
	file, err := filepath.EvalSymlinks(filepath.Join(d.dir, "src/config/manifest.yaml"))
	d.do(err)
	want := []screen.Exec{{Argv: []string{"vim", "+2", file}, Tag: tagEditor}}
	if diff := cmp.Diff(want, d.execs); diff != "" {
		t.Error(diff)
	}
	d.write("src/config/manifest.yaml", "recomends: x\n")
	d.run(d.s.Handle(screen.Left{Tag: tagEditor, Err: errors.New("exit status 1")}))
	d.said("the editor ended with: exit status 1")
	d.shows("recomends: x", "unknown key")
	d.keys("enter")
	d.typed("y")
	d.keys("esc", "e")
	d.said("its text is not saved")
}

func TestEditorCommand(t *testing.T) {
	tests := []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"VISUAL": "code -w", "EDITOR": "vi"}, "code -w"}, {map[string]string{"EDITOR": "hx"}, "hx"},
	}
	for _, tt := range tests {
		argv, err := editorCommand(func(name string) string { return tt.env[name] })
		if got := strings.Join(argv, " "); err != nil || got != tt.want {
			t.Errorf("%v: %q, %v", tt.env, got, err)
		}
	}
	for editor, want := range map[string]string{"nano": "+7 /x", "hx": "/x:7", "gedit": "/x"} {
		if got := strings.Join(atLine([]string{editor}, "/x", 7), " "); got != want {
			t.Errorf("%s: %q", editor, got)
		}
	}
}

// A line on the screen has room for the reason where the path is not in it twice.
func TestReasonIsShort(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tmp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := swap{Path: "src/config/a.yaml", Text: "a"}.write(dir)
	if err == nil || err.Error() != "keeping the text of src/config/a.yaml: not a directory" || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("%v", err)
	}
}
