package rpmostree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded gives the lines of testdata/NAME without those that say where they are from.
func recorded(t testing.TB, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// The phases of a recorded compose begin where they began.
func TestReader(t *testing.T) {
	var r Reader
	var got []string
	scripts := 0
	for _, line := range recorded(t, "compose-2023.log") {
		before, script := r.Phase(), r.Script
		r.Read(line)
		if r.Phase() != before {
			got = append(got, string(r.Phase())+" after "+line)
		}
		if r.Script != script {
			scripts++
		}
	}
	want := []string{
		"download after Input state hash: 6f3c1b7d0d0b2b2cbe7a3c9c36a1d1d7b1b7f3c4e5f60718293a4b5c6d7e8f90",
		"install after Importing packages...done",
		"configure after Writing rpmdb...done",
		"scripts after Executing `postprocess` inline script '0'",
		"layout after Finished postprocessing script",
		"kernel after Preparing kernel",
		"initramfs after dracut: Executing: /usr/bin/dracut --reproducible -v --add ostree --tmpdir=/tmp/dracut -f /tmp/initramfs.img --no-hostonly --kver 6.5.1-300.fc39.x86_64",
		"seal after New passwd entries: adm, bin, daemon, dbus",
		"commit after New group entries: adm, audio, bin",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.Said, r.forms = nil, nil
	end := Reader{Packages: 3, Repos: []string{"fedora-coreos-pool", "fedora"}, Downloads: "1 package (86.9 MB)", Script: 3, ScriptFile: true, phase: Commit}
	if diff := cmp.Diff(end, r, cmp.AllowUnexported(Reader{})); diff != "" || scripts != 3 {
		t.Errorf("%d scripts\n%s", scripts, diff)
	}
}

// Phases are passed in their order whatever scripts print, and nothing is kept without end.
func TestReaderGoesForward(t *testing.T) {
	lines := recorded(t, "compose-2023.log")
	var r Reader
	last := -1
	for round := range 3 {
		for _, line := range lines {
			r.Read(line)
			now := 0
			for i, p := range Phases() {
				if p == r.Phase() {
					now = i
				}
			}
			if now < last {
				t.Fatalf("round %d: back to %s after %q", round, r.Phase(), line)
			}
			last = now
		}
	}
	for range 1000 {
		r.Read("x")
	}
	if len(r.Said) > kept {
		t.Errorf("%d lines are kept", len(r.Said))
	}
}

func TestReaderUnchanged(t *testing.T) {
	for _, line := range []string{
		"No apparent changes since previous commit; use --force-nocache to override", "No apparent changes since previous commit.",
	} {
		var r Reader
		r.Read(line)
		if !r.Unchanged {
			t.Errorf("%q is not understood", line)
		}
	}
}

// What a script that fails has printed is at hand.
func TestReaderSaid(t *testing.T) {
	var r Reader
	for _, line := range []string{
		"Writing rpmdb...done", "Executing `postprocess` inline script '0'", "first", "Executing `postprocess` inline script '1'",
		"second", "/usr/bin/rpmostree-postprocess-inline-1: line 4: nonsense: command not found",
	} {
		r.Read(line)
	}
	if diff := cmp.Diff([]string{"second", "/usr/bin/rpmostree-postprocess-inline-1: line 4: nonsense: command not found"}, r.Said); diff != "" || r.Script != 2 {
		t.Errorf("script %d\n%s", r.Script, diff)
	}
	if line := ScriptLine(r.Said); line != 4 {
		t.Errorf("line %d", line)
	}
}
