package tuitest_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/tuitest"
)

// groupOfTwo is a group that no system has.
const groupOfTwo = 54321

// shared makes a workspace that a group works in, which its first user owns.
func shared(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "work")
	for _, argv := range [][]string{
		{filepath.Join(bin(t), "nosa"), "-C", dir, "init", "--sample", "--shared=" + strconv.Itoa(groupOfTwo)},
		{"chown", "-R", "54301", dir},
		{"chmod", "755", filepath.Dir(dir), filepath.Dir(filepath.Dir(dir)), bin(t)},
	} {
		if out, err := program(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	return dir
}

// login starts the workbench of a user of the system, of the group.
func login(t *testing.T, dir, user string, uid int) *tuitest.Terminal {
	t.Helper()
	home := t.TempDir()
	if err := os.Chown(home, uid, groupOfTwo); err != nil {
		t.Fatal(err)
	}
	argv := []string{
		"setpriv", "--reuid=" + strconv.Itoa(uid), "--regid=" + strconv.Itoa(groupOfTwo), "--clear-groups", "--",
		"sh", "-c", `umask 022; exec "$0" "$@"`, filepath.Join(bin(t), "nosa-tui"), "-C", dir, "--screen", "source",
	}
	return tuitest.Start(t, tuitest.Command{Argv: argv, Env: []string{"HOME=" + home, "XDG_CONFIG_HOME=", "NOSA_USER=" + user}, W: 120, H: 30})
}

// Two users of one group, each with the usual umask, see each other and work on the same file; nothing fails
// because what the one has made belongs to him.
func TestTwoUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	if err := program("setpriv", "--version").Run(); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := shared(t)
	ann := login(t, dir, "ann", 54301)
	ann.Ready()
	bob := login(t, dir, "bob", 54302)
	bob.Ready()
	ann.Await("with bob: Source")
	bob.Await("with ann: Source")
	for _, tm := range []*tuitest.Terminal{ann, bob} {
		open(tm, "manifest.yaml")
		tm.Press("enter")
		tm.Type("#")
		tm.Press("ctrl+o")
		tm.Await("saved")
		tm.Press("esc")
		tm.Press("2") // keeps the session
	}
	bob.Await("with ann: Stages")
	data, err := os.ReadFile(filepath.Join(dir, manifest))
	if err != nil || !strings.HasPrefix(string(data), "##") {
		t.Errorf("saved: %q, %v", data, err)
	}
	for _, tm := range []*tuitest.Terminal{ann, bob} {
		tm.Press(":")
		tm.Type("What was said")
		tm.Press("enter")
		if text := tm.Text(); !strings.Contains(text, "saved") || strings.Contains(text, "denied") || strings.Contains(text, "not permitted") {
			t.Errorf("said:\n%s", text)
		}
		tm.Press("esc")
		tm.Send("q")
		if code := tm.Wait(); code != 0 {
			t.Errorf("status %d:\n%s", code, tm.Text())
		}
	}
	for _, name := range []string{"state.json", "state-54302.json"} {
		if _, err := os.Stat(filepath.Join(dir, "tmp", "tui", name)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "tmp/tui/people")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
