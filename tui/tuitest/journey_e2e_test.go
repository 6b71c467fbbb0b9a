//go:build e2e

package tuitest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/tuitest"
)

// The whole way of a person with an empty directory, with nothing faked: the sample, a
// mistake in its config and the mending, packages, a build, a look at it, out and back.
func TestE2EWorkbench(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tm := workbench(t, dir, 100, 30)
	tm.Await("No workspace here yet")
	tm.Press("s")
	await(tm, "[1 Source]", time.Minute)
	await(tm, "manifest.yaml", time.Minute)

	// A key that is none is told while one types; the fix is one key, the file is whole again.
	config := filepath.Join(dir, "src/config/manifests/kola.yaml")
	good := read(t, config)
	tm.Press("@")
	tm.Type("manifests/kola")
	tm.Press("enter")
	tm.Await("packages:")
	tm.Await("enter types")
	tm.Press("enter ctrl+home down down delete")
	await(tm, "unknown key", time.Minute)
	tm.Press("ctrl+s")
	tm.Until("the broken file", func() bool { return read(t, config) != good })
	tm.Press("esc f")
	tm.Until("the fix on the screen", func() bool { return !strings.Contains(tm.Text(), "unknown key") })
	tm.Press("ctrl+s")
	tm.Until("the mended file", func() bool { return read(t, config) == good })

	// The stages one after the other, as the screen proposes them.
	tm.Press("esc 2")
	tm.Await("[2 Stages]")
	for _, stage := range []string{"pool", "fetch", "build"} {
		tm.Press("enter")
		finished(t, tm, dir, stage)
		tm.Press("j")
	}

	// The build is there, with its image, and is there again after leaving and coming back.
	id := latest(t, dir)
	tm.Press("3")
	await(tm, id, time.Minute)
	await(tm, "qemu", time.Minute)
	tm.Send("q")
	if code := tm.Wait(); code != 0 {
		t.Errorf("left with status %d", code)
	}
	tm.Restored()
	tm = workbench(t, dir, 100, 30)
	await(tm, "[3 Builds]", time.Minute)
	await(tm, id, time.Minute)
	tm.Send("q")
	tm.Wait()
	tm.Restored()
}

// finished waits for a job of a stage, and for the screen to say of it what nosa jobs says.
func finished(t *testing.T, tm *tuitest.Terminal, dir, stage string) {
	t.Helper()
	var state string
	tm.UntilWithin(4*time.Minute, stage+" to end", func() bool {
		for id, s := range jobs(t, dir) {
			if strings.Contains(id, "-"+stage+"-") {
				state = s
			}
		}
		return state != "" && state != "running"
	})
	if state != "finished" {
		t.Fatalf("%s: %s; the screen:\n%s", stage, state, tm.Text())
	}
	await(tm, stage+" done in", time.Minute)
}

// latest is the newest build.
func latest(t *testing.T, dir string) string {
	t.Helper()
	id, err := os.Readlink(filepath.Join(dir, "builds/latest"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// await waits for what takes longer than a screen.
func await(tm *tuitest.Terminal, text string, limit time.Duration) {
	tm.UntilWithin(limit, text, func() bool { return strings.Contains(tm.Text(), text) })
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// jobs is what nosa says of the jobs, ID to state.
func jobs(t *testing.T, dir string) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin(t), "nosa"), "-C", dir, "jobs", "--output", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for line := range strings.Lines(string(out)) {
		var j struct {
			Job   struct{ ID string }
			State string
		}
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			t.Fatal(err)
		}
		states[j.Job.ID] = j.State
	}
	return states
}
