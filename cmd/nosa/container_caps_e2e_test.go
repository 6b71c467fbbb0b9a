//go:build e2e && amd64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFullCapabilities shows of each capability that a container has why: without it, the build of a workspace fails,
// be it the caller's or somebody else's.
func TestFullCapabilities(t *testing.T) {
	env := ownRoot(t)
	podman, err := exec.LookPath("podman")
	if err != nil {
		t.Fatal(err)
	}
	for lacks, want := range map[string]struct{ own, foreign string }{
		"":             {},
		"SETUID":       {"Creating new namespace failed", "Creating new namespace failed"},
		"SETGID":       {"Creating new namespace failed", "Creating new namespace failed"},
		"SETFCAP":      {"Creating new namespace failed", "Creating new namespace failed"},
		"SYS_CHROOT":   {"Unable to change root directory", "Unable to change root directory"},
		"DAC_OVERRIDE": {"", "could not write"},
	} {
		t.Run(lacks, func(t *testing.T) {
			dir := t.TempDir()
			// In front of the engine: it keeps the command line, and leaves one capability out.
			script := "#!/bin/bash\nargs=()\n[[ \" $* \" != *\" run \"* ]] || printf '%s\\n' \"$@\" >" + dir + "/said\n" +
				"for a; do [ \"$a\" = --cap-add=" + lacks + " ] || args+=(\"$a\"); done\nexec " + podman + " \"${args[@]}\"\n"
			if err := os.WriteFile(filepath.Join(dir, "podman"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			build := func(owner, want string) {
				n := inPodman(tiny{Images: true}.workspace(t), append(slices.Clone(env), "PATH="+dir+":"+os.Getenv("PATH")))
				shell(t, n.dir, "chown -R "+owner+" . && chmod -R go-rwx .")
				out, code := n.try(t.Context(), "build", "-q", "--version", "1.1", "qemu")
				if (code == 0) != (want == "") || !strings.Contains(out, want) {
					t.Errorf("of %s: exit %d, want %q in\n%s", owner, code, want, out)
				}
				n.nothingInside()
			}
			build("0:0", want.own)
			build("4711:4711", want.foreign)
			said, err := os.ReadFile(filepath.Join(dir, "said"))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(said), "--cap-add="); n != 5 || !strings.Contains(string(said), "--cap-drop=ALL\n") {
				t.Errorf("%d capabilities beside those of this test in\n%s", n, said)
			}
		})
	}
}
