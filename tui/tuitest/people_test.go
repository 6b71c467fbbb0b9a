package tuitest_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/tui/widget"
)

const manifest = "src/config/manifest.yaml"

// person starts the workbench of somebody.
func person(t *testing.T, dir, user string, args ...string) *tuitest.Terminal {
	t.Helper()
	return tuitest.Start(t, tuitest.Command{
		Argv: append([]string{filepath.Join(bin(t), "nosa-tui"), "-C", dir}, args...),
		Env:  []string{"HOME=" + filepath.Dir(dir), "XDG_CONFIG_HOME=", "NOSA_USER=" + user}, W: 120, H: 30,
	})
}

// open opens a file by its name.
func open(tm *tuitest.Terminal, name string) {
	tm.Send("@" + name + "\r")
	tm.Await("ln 1 col 1")
}

// gone waits until a text is not on the screen any more.
func gone(tm *tuitest.Terminal, text string) {
	tm.Until("no "+text, func() bool { return !strings.Contains(tm.Text(), text) })
}

// choose presses a button's key, once the dialog takes keys.
func choose(tm *tuitest.Terminal, button, key string) {
	tm.Await(button)
	shown := time.Now()
	tm.Until("a dialog that takes keys", func() bool { return time.Since(shown) > widget.Grace })
	tm.Press(key)
}

// Two people on one workspace, two processes on two terminals: they see each other, each other's jobs, who edits
// the same file, and the end of the other, however that came.
func TestTwoPeople(t *testing.T) {
	dir := sample(t)
	ann := person(t, dir, "ann", "--screen", "source")
	ann.Ready()
	bob := person(t, dir, "bob", "--screen", "stages")
	bob.Ready()
	ann.Await("with bob: Stages")
	bob.Await("with ann: Source")

	job := program(filepath.Join(bin(t), "nosa"), "-C", dir, "exec", "--", "sleep", "600")
	job.Env = append(os.Environ(), "NOSA_USER=ann")
	if err := job.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = job.Process.Signal(syscall.SIGKILL)
		_ = job.Wait()
	})
	bob.Await("exec of ann")
	bob.Press("tab k")
	bob.Await("ann@") // of the job that is chosen

	open(ann, "manifest.yaml")
	bob.Await("with ann: Source manifest.yaml:1")
	bob.Press("1")
	open(bob, "manifest.yaml")
	bob.Await("with ann · ln 1 col 1")
	ann.Press("enter")
	ann.Type("#")
	ann.Await("bob has manifest.yaml open, too, since") // a notice is there for seconds
	bob.Await("ann edits manifest.yaml since")
	bob.Await("● ann edits this")
	ann.Send(" by ann\r")
	ann.Await("ln 2 col 1")

	bob.Press("enter")
	bob.Press("ctrl+end")
	bob.Type("#")
	ann.Await("bob edits manifest.yaml since")
	bob.Send(" by bob\r")
	bob.Await("ln 12 col 1")
	ann.Press("ctrl+o") // saves
	ann.Await("saved")
	bob.Await("changed on disk")
	bob.Press("ctrl+o")
	choose(bob, "Merge (e)", "e")
	bob.Await("merged with what is on disk")
	bob.Press("ctrl+o")
	bob.Await("saved")
	data, err := os.ReadFile(filepath.Join(dir, manifest))
	if err != nil || !strings.HasPrefix(string(data), "# by ann\n") || !strings.HasSuffix(string(data), "\n# by bob\n") {
		t.Errorf("merged: %q, %v", data, err)
	}
	gone(ann, "bob edits this")
	ann.Await("by bob") // her text follows

	if err := syscall.Kill(bob.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ann.Await("bob has left")
	gone(ann, "with bob")
	if left, _ := filepath.Glob(filepath.Join(dir, "tmp/tui/people/*")); len(left) != 2 {
		t.Errorf("of the dead is left: %v", left)
	}
	ann.Signal(syscall.SIGTERM)
	ann.Wait()
	if left, _ := os.ReadDir(filepath.Join(dir, "tmp/tui/people")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Both overlap: the marks of both texts, a question before they are saved.
func TestTwoPeopleOverlap(t *testing.T) {
	dir := sample(t)
	ann := person(t, dir, "ann", "--screen", "source")
	ann.Ready()
	open(ann, "manifest.yaml")
	ann.Press("enter")
	ann.Send("# ann\r")
	ann.Await("ln 2 col 1")
	data, err := os.ReadFile(filepath.Join(dir, manifest))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, manifest), append([]byte("# by bob\n"), data...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	ann.Await("changed on disk")
	ann.Press("ctrl+o")
	choose(ann, "Merge (e)", "e")
	ann.Await("1 place where both have changed the same")
	ann.Await("<<<<<<< mine")
	ann.Press("ctrl+o")
	ann.Await("Conflicts are left")
}

// One follows the other over screens, files and lines, until the other leaves.
func TestFollowing(t *testing.T) {
	dir := sample(t)
	nobody := person(t, dir, "bob", "--follow", "ann")
	if code := nobody.Wait(); code != 1 || !strings.Contains(nobody.Text(), "nobody has a workbench open") {
		t.Errorf("status %d, %q", code, nobody.Text())
	}
	ann := person(t, dir, "ann", "--screen", "source")
	ann.Ready()
	ann.Press("F") // is seen
	unknown := person(t, dir, "bob", "--follow", "eve")
	if code := unknown.Wait(); code != 1 || !strings.Contains(strings.ReplaceAll(unknown.Text(), "\n", ""), "there are ann (Source") {
		t.Errorf("status %d, %q", code, unknown.Text())
	}
	open(ann, "manifest.yaml")
	bob := person(t, dir, "bob", "--follow", "ann", "--screen", "builds")
	bob.Ready()
	bob.Await("following ann: Source manifest.yaml:1 (esc ends)")
	bob.Await("[1 Source]")
	ann.Await("with bob, who follows you")
	ann.Press("j j j")
	bob.Await("ln 4 col 1")
	ann.Press("2")
	bob.Await("[2 Stages]")
	ann.Press("3")
	bob.Await("[3 Builds]")
	bob.Press("esc")
	gone(bob, "following")
	ann.Press("1")
	bob.Await("with ann: Source")
	if !strings.Contains(bob.Text(), "[3 Builds]") {
		t.Errorf("led away:\n%s", bob.Text())
	}
	bob.Press(":")
	bob.Type("Follow: show")
	bob.Press("enter")
	bob.Press("enter")
	bob.Await("[1 Source]")
	ann.Signal(syscall.SIGKILL)
	ann.Wait()
	bob.Await("ann has left")
	gone(bob, "following")
}
