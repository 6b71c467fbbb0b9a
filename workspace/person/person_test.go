package person

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	t.Skipf("git %v: %v\n%s", args, err, out)
}

// TestName asks at every place from which a name may come.
func TestName(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("GIT_CONFIG_SYSTEM", "/dev/null")
	must(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[user]\n\tname = Everywhere\n"), 0o644))
	dir := t.TempDir()
	config := filepath.Join(dir, "src", "config")
	machine := filepath.Join(dir, "tmp", "vms", "1")
	must(t, os.MkdirAll(config, 0o755))
	must(t, os.MkdirAll(machine, 0o755))
	git(t, "init", "-q", config)
	git(t, "-C", config, "config", "user.name", "Ann  of the config")

	for _, tt := range []struct{ env, dir, want string }{
		{"bob", dir, "bob"},
		{" \t", dir, "Ann of the config"},
		{"", machine, "Ann of the config"},
		{"", t.TempDir(), "Everywhere"},
		{"", "", "Everywhere"},
		{"", filepath.Join(dir, "nowhere", "at", "all", "to", "be", "found"), "Everywhere"},
		{"\x1b[31mred\u202e", dir, "[31mred"},
		{strings.Repeat("x", 100), dir, strings.Repeat("x", 40)},
	} {
		t.Setenv(Key, tt.env)
		if got := Name(t.Context(), tt.dir); got != tt.want {
			t.Errorf("NOSA_USER=%q in %s: %q, want %q", tt.env, tt.dir, got, tt.want)
		}
	}
	t.Setenv(Key, "")
	must(t, os.Remove(filepath.Join(home, ".gitconfig")))
	if got := Name(t.Context(), t.TempDir()); got != Login() {
		t.Errorf("without git's: %q, the login is %q", got, Login())
	}
	t.Setenv("PATH", "/nowhere")
	if got := Name(t.Context(), dir); got != Login() {
		t.Errorf("without git: %q, the login is %q", got, Login())
	}
}

// A git that does not answer is not waited for.
func TestNameIsBounded(t *testing.T) {
	bin := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\nexec sleep 3600\n"), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv(Key, "")
	if got := Name(t.Context(), t.TempDir()); got != Login() {
		t.Errorf("%q, the login is %q", got, Login())
	}
}

func sit(t *testing.T, dir string, st State) *Seat {
	t.Helper()
	s, err := Sit(dir, NewID())
	must(t, err)
	t.Cleanup(s.Leave)
	must(t, s.Show(st))
	return s
}

func users(t *testing.T, dir string) []string {
	t.Helper()
	list, err := List(dir)
	must(t, err)
	names := []string{}
	for _, st := range list {
		names = append(names, st.User)
	}
	return names
}

// TestSeats has people come, look around and go.
func TestSeats(t *testing.T) {
	dir := t.TempDir()
	if got := users(t, dir); len(got) != 0 {
		t.Fatalf("in an empty workspace: %v", got)
	}
	start := time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)
	bob := sit(t, dir, State{User: "bob", Since: start.Add(time.Hour)})
	want := State{
		User: "ann\x1b[2J", Host: "h", Since: start, Screen: "source", File: "src/config/manifest.yaml", Line: 12,
		Unsaved: []Unsaved{{"src/config/manifest.yaml", start}},
	}
	ann := sit(t, dir, want)
	list, err := List(dir)
	must(t, err)
	want.V, want.ID, want.Pid, want.User = Version, ann.id, os.Getpid(), "ann [2J"
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Error(diff)
	}
	if !list[0].Edits("src/config/manifest.yaml") || list[1].Edits("src/config/manifest.yaml") {
		t.Error("the one who edits is not told")
	}
	if got := Find(list, "BOB"); len(got) != 1 || got[0].ID != bob.id {
		t.Errorf("found %+v", got)
	}
	must(t, bob.lock.Close()) // as when it is killed
	if diff := cmp.Diff([]string{"ann [2J"}, users(t, dir)); diff != "" {
		t.Error(diff)
	}
	if left, _ := filepath.Glob(filepath.Join(Dir(dir), "*")); len(left) != 2 {
		t.Errorf("of the dead is left: %v", left)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "tmp"))) // as nosa clean does
	must(t, ann.Show(State{User: "ann again"}))
	if diff := cmp.Diff([]string{"ann again"}, users(t, dir)); diff != "" {
		t.Error(diff)
	}
	ann.Leave()
	if left, _ := os.ReadDir(Dir(dir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestListDistrusts reads what somebody may have put there.
func TestListDistrusts(t *testing.T) {
	dir := t.TempDir()
	good := sit(t, dir, State{User: "ann"})
	for name, text := range map[string]string{
		"broken": "{", "version": `{"v":2,"user":"x"}`, "other": `{"v":1,"id":"` + good.id + `","user":"x"}`,
		"big": `{"v":1,"id":"big","user":"` + strings.Repeat("x", maxState) + `"}`,
	} {
		s, err := Sit(dir, name)
		must(t, err)
		t.Cleanup(s.Leave)
		must(t, os.WriteFile(filepath.Join(Dir(dir), name+stateEnd), []byte(text), 0o644))
	}
	s, err := Sit(dir, "link")
	must(t, err)
	t.Cleanup(s.Leave)
	must(t, os.Symlink(good.id+stateEnd, filepath.Join(Dir(dir), "link"+stateEnd)))
	must(t, os.WriteFile(filepath.Join(Dir(dir), "alone"+stateEnd), []byte(`{"v":1,"id":"alone","user":"x"}`), 0o644))
	if diff := cmp.Diff([]string{"ann"}, users(t, dir)); diff != "" {
		t.Error(diff)
	}
	old := time.Now().Add(-2 * leftFor)
	must(t, os.Chtimes(filepath.Join(Dir(dir), "alone"+stateEnd), old, old))
	users(t, dir)
	if _, err := os.Lstat(filepath.Join(Dir(dir), "alone"+stateEnd)); err == nil {
		t.Error("what nobody holds is kept for ever")
	}
}

// Where tmp/ is shared with the group, so is where people show themselves, whatever the umask made of it.
func TestSharedWithTheGroup(t *testing.T) {
	for _, mode := range []fs.FileMode{0o775, 0o755, 0o775 | fs.ModeSetgid, 0o770 | fs.ModeSetgid} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.MkdirAll(filepath.Join(dir, "tmp", "tui"), 0o700))
			must(t, os.Chmod(filepath.Join(dir, "tmp"), mode))
			sit(t, dir, State{User: "ann"})
			for _, name := range []string{"tmp/tui", "tmp/tui/people"} {
				info, err := os.Stat(filepath.Join(dir, name))
				must(t, err)
				if got := info.Mode().Perm()&0o020 != 0; got != (mode&fs.ModeSetgid != 0) {
					t.Errorf("%s has mode %v", name, info.Mode())
				}
			}
		})
	}
}
