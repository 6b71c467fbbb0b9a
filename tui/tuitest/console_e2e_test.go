//go:build e2e

package tuitest_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace/loop"
)

// bootTime is how long an emulated machine on a busy host may take to its login prompt.
const bootTime = 12 * time.Minute

// From a build to a guest and back, with nothing faked: its machine is started from the workbench, somebody logs in on
// the console and runs a command, leaves, comes back and finds the machine; a save is built and booted by one
// key; the other images are made; all is removed.
func TestFullConsole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "work")
	nosa(t, dir, "init", "--sample")
	for _, stage := range [][]string{{"pool", "create"}, {"fetch"}, {"build"}} {
		nosa(t, dir, stage...)
	}
	t.Cleanup(func() { stopAll(t, dir) })

	// A machine of the build, started from Builds; its console is at a prompt.
	tm := workbench(t, dir, 120, 40, "--screen", "builds")
	await(tm, latest(t, dir), time.Minute)
	tm.Press("R")
	await(tm, "[4 Console]", time.Minute)
	first := machineIn(t, tm, dir, "login", "")
	await(tm, "nest@", bootTime)

	// What is typed goes to the guest, what it answers is seen; Ctrl-] d leaves it.
	tm.Press("enter")
	tm.Await("keys go to the guest")
	tm.Send("echo of $((6 * 7)) guests; uname -s\r")
	await(tm, "of 42 guests", time.Minute)
	await(tm, "Linux", time.Minute)
	tm.Send(`until [ "$(stty size)" = "35 80" ]; do sleep 1; done; echo sized $((1 + 1))` + "\r") // that of the pane
	await(tm, "sized 2", time.Minute)
	tm.Send("\x1dd")
	tm.Await("enter keys to the guest")

	// The machine outlives the workbench.
	tm.Send("q")
	if code := tm.Wait(); code != 0 {
		t.Errorf("left with status %d", code)
	}
	tm.Restored()
	if got := vms(t, dir); got[first].State != "running" {
		t.Fatalf("after leaving: %+v", got)
	}
	tm = workbench(t, dir, 120, 40)
	await(tm, "[4 Console]", time.Minute)
	await(tm, "of 42 guests", time.Minute)

	// One key saves, builds and boots.
	tm.Press("1 @")
	tm.Type("etc/motd")
	tm.Press("enter")
	await(tm, "motd", time.Minute)
	tm.Press("enter")
	tm.Type("SAVED-AND-BOOTED ")
	tm.Press("ctrl+r")
	await(tm, "[4 Console]", 10*time.Minute)
	second := machineIn(t, tm, dir, "login", first)
	await(tm, "SAVED-AND-BOOTED", bootTime)
	tm.UntilWithin(bootTime, "the round", func() bool {
		rounds, err := loop.Read(filepath.Join(dir, "tmp/rounds.jsonl"))
		return err == nil && len(rounds) == 1 && rounds[0].Result == loop.Login && rounds[0].VM == second
	})
	await(tm, "save → login", time.Minute)

	// Both are stopped, the other images are made, the builds are removed.
	tm.Press("4 X")
	choose(tm, "Stop 2 machines?", "f")
	tm.UntilWithin(5*time.Minute, "both to stop", func() bool {
		got := vms(t, dir)
		return got[first].State != "running" && got[second].State != "running"
	})
	tm.Press("2")
	tm.Await("[2 Stages]")
	for _, stage := range []string{"buildextend-metal", "buildextend-metal4k"} {
		tm.Press("shift+tab shift+tab shift+tab shift+tab g g")
		selectStage(tm, stage)
		tm.Press("enter")
		finished(t, tm, dir, stage)
	}
	tm.Press(":")
	tm.Type("remove what was built")
	tm.Press("enter")
	choose(tm, "Remove all builds?", "r")
	tm.UntilWithin(time.Minute, "no builds", func() bool {
		_, err := os.Lstat(filepath.Join(dir, "builds/latest"))
		return os.IsNotExist(err)
	})
	tm.Send("q")
	tm.Wait()
	tm.Restored()
}

// selectStage moves the cursor down to a stage.
func selectStage(tm *tuitest.Terminal, stage string) {
	for range 20 {
		for line := range strings.Lines(tm.Text()) {
			if _, row, ok := strings.Cut(line, "▶"); ok && len(strings.Fields(row)) > 1 && strings.Fields(row)[1] == stage {
				return
			}
		}
		tm.Press("j")
	}
	tm.Await("the cursor on " + stage)
}

// machine is what nosa vms says of one.
type machine struct {
	ID      string
	State   string
	Reached string
}

// machineIn waits until a machine other than one has reached a milestone.
func machineIn(t *testing.T, tm *tuitest.Terminal, dir, milestone, other string) (id string) {
	t.Helper()
	last := time.Time{}
	tm.UntilWithin(bootTime, "a machine at "+milestone, func() bool {
		if time.Since(last) < time.Second {
			return false
		}
		last = time.Now()
		for _, m := range vms(t, dir) {
			if m.ID != other && m.Reached == milestone {
				id = m.ID
			}
		}
		return id != ""
	})
	return id
}

func vms(t *testing.T, dir string) map[string]machine {
	t.Helper()
	list := map[string]machine{}
	for line := range strings.Lines(nosa(t, dir, "vms", "--all", "--output", "json")) {
		var m machine
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		list[m.ID] = m
	}
	return list
}

// nosa runs a command and gives what it printed.
func nosa(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin(t), "nosa"), append([]string{"-C", dir}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nosa %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// stopAll leaves no machine behind, whatever went wrong.
func stopAll(t *testing.T, dir string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	entries, err := os.ReadDir(filepath.Join(dir, "tmp/vms"))
	if err != nil {
		return // removed with all that was built
	}
	for _, e := range entries {
		_ = exec.CommandContext(ctx, filepath.Join(bin(t), "nosa"), "-C", dir, "stop", "--force", e.Name()).Run() // most are off
	}
}
