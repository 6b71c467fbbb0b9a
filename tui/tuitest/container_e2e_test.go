//go:build e2e

package tuitest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/tuitest"
)

// contained is a workspace with nosa's programs in it, so that a container sees them, whose root is this machine's.
func contained(t *testing.T) string {
	t.Helper()
	missing := ""
	if _, err := exec.LookPath("podman"); err != nil {
		missing = "needs podman"
	} else if os.Geteuid() != 0 {
		missing = "needs root: the container's root is this machine's"
	}
	if missing != "" {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir := sample(t)
	if out, err := program("cp", "-a", bin(t), filepath.Join(dir, "programs")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// inside runs a command line on a terminal, in a container.
func inside(t *testing.T, dir string, argv ...string) *tuitest.Terminal {
	t.Helper()
	nosa := []string{filepath.Join(dir, "programs/nosa"), "-C", dir, "--backend", "podman", "--image", "rootfs:/", "shell", "--"}
	return tuitest.Start(t, tuitest.Command{Argv: slices.Concat(nosa, argv), Env: []string{"HOME=" + filepath.Dir(dir), "XDG_CONFIG_HOME="}, W: 100, H: 30})
}

// containerWait is for an engine on a machine that does other things, too.
const containerWait = time.Minute

// The workbench works in a container as it does outside: with every kind of terminal and locale it starts, takes keys,
// says that everything is local, and gives the terminal back.
func TestE2EInContainer(t *testing.T) {
	dir := contained(t)
	tui := []string{filepath.Join(dir, "programs/nosa-tui"), "-C", dir, "--screen", "source"}
	for _, tt := range []struct {
		name   string
		before []string
		ascii  bool
	}{
		{"xterm", []string{"env", "TERM=xterm-256color"}, false},
		{"console", []string{"env", "TERM=linux"}, true},
		{"screen", []string{"env", "TERM=screen"}, false},
		{"tmux", []string{"env", "TERM=tmux-256color"}, false},
		{"no locale", []string{"env", "-u", "LANG", "-u", "LC_ALL", "TERM=xterm-256color"}, true},
		{"in tmux", []string{"tmux", "-u", "-f", "/dev/null", "-S", filepath.Join(dir, "tmux.sock"), "new-session"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath(tt.before[0]); err != nil {
				t.Skip(err)
			}
			tm := inside(t, dir, append(tt.before, tui...)...)
			await(tm, "[1 Source]", containerWait)
			await(tm, "nosa (local)", containerWait)
			if got := strings.Contains(tm.Text(), "┏"); got == tt.ascii {
				t.Errorf("lines beyond ASCII: %v, in\n%s", got, tm.Text())
			}
			tm.Send("3")
			await(tm, "[3 Builds]", containerWait)
			tm.Send("H")
			await(tm, "everything runs in it", containerWait)
			tm.Resize(80, 24)
			tm.Until("the smaller screen", func() bool {
				return len(strings.SplitN(tm.Text(), "\n", 2)[0]) <= 90 && strings.Contains(tm.Text(), "[3 Builds]")
			})
			tm.Send("q")
			if code := tm.Wait(); code != 0 {
				t.Errorf("status %d:\n%s", code, tm.Text())
			}
			tm.Restored()
		})
	}
}

// Two workbenches, each in a container of its own, see each other, and the end of one leaves the other alone.
func TestE2ETwoInContainers(t *testing.T) {
	dir := contained(t)
	argv := []string{filepath.Join(dir, "programs/nosa-tui"), "-C", dir, "--screen", "stages"}
	one, two := inside(t, dir, argv...), inside(t, dir, argv...)
	for _, tm := range []*tuitest.Terminal{one, two} {
		await(tm, "[2 Stages]", containerWait)
		await(tm, "with ", containerWait)
	}
	one.Send("q")
	if code := one.Wait(); code != 0 {
		t.Errorf("the first: status %d", code)
	}
	one.Restored()
	two.UntilWithin(containerWait, "being alone", func() bool { return !strings.Contains(strings.SplitN(two.Text(), "\n", 2)[0], "with ") })
	two.Send("q")
	if code := two.Wait(); code != 0 {
		t.Errorf("the second: status %d", code)
	}
	two.Restored()
}
