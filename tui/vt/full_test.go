//go:build e2e

package vt

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens anew")

// The goldens are what tmux shows.
func TestFullTmux(t *testing.T) {
	version, err := exec.CommandContext(t.Context(), "tmux", "-V").Output()
	if err != nil || strings.TrimSpace(string(version)) != "tmux 3.3a" {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatalf("tmux 3.3a is needed, there is %q", version)
		}
		t.Skipf("tmux 3.3a is needed, there is %q", version)
	}
	for _, st := range streams(t) {
		t.Run(st.name, func(t *testing.T) {
			got := capture(t, st)
			if *update {
				if err := os.WriteFile(golden(st), []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden(st))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// capture has tmux show a stream in a pane of its size.
func capture(t *testing.T, st stream) string {
	t.Helper()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "stream"), filepath.Join(dir, "tmux")
	if err := os.WriteFile(file, append(st.data, "\x1b\\\x18\x1b]2;shown\x07"...), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "tmux", append([]string{"-u", "-S", socket, "-f", "/dev/null"}, args...)...)
		cmd.Env = append(os.Environ(), "TMUX=", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("start-server", ";", "set", "-g", "status", "off", ";", "new-session", "-d", "-x", itoa(st.w), "-y", itoa(st.h),
		"stty raw -echo; cat "+file+"; exec sleep 60")
	defer run("kill-server")
	for range 400 {
		if strings.TrimSpace(run("display-message", "-p", "#{pane_title}")) == "shown" {
			cursor := run("display-message", "-p", "cursor #{cursor_x} #{cursor_y}")
			return cursor + run("capture-pane", "-p", "-e", "-N")
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("tmux does not show the stream")
	return ""
}
