package share

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dirOf makes a directory with a mode.
func dirOf(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ws")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chmod(dir, mode))
	return dir
}

// mask sets the umask for a test.
func mask(t *testing.T, bits int) {
	t.Helper()
	old := unix.Umask(bits)
	t.Cleanup(func() { unix.Umask(old) })
}

// modesOf gives the modes of what is below dir, octal as in chmod(1).
func modesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		got[rel] = fmt.Sprintf("%o", st.Mode&0o7777)
		return err
	}))
	return got
}

// fill makes one of each.
func fill(t *testing.T, dir string) {
	t.Helper()
	must(t, MkdirAll(filepath.Join(dir, "tmp", "jobs")))
	must(t, MkdirKept(filepath.Join(dir, "tmp", "jobs", "one")))
	must(t, WriteFile(filepath.Join(dir, "tmp", "jobs", "one", "job.json"), []byte("{}")))
	must(t, WriteSecret(filepath.Join(dir, "tmp", "jobs", "one", "key"), []byte("k")))
	must(t, Replace(filepath.Join(dir, "tmp", "builds.json"), []byte("{}")))
	must(t, Replace(filepath.Join(dir, "tmp", "builds.json"), []byte("{ }")))
	for range 2 {
		f, err := Open(filepath.Join(dir, "tmp", ".lock"), os.O_RDWR|os.O_CREATE)
		must(t, err)
		must(t, f.Close())
	}
	must(t, MkdirPlain(filepath.Join(dir, "tmp", "work", "JOB")))
	must(t, os.Mkdir(filepath.Join(dir, "tmp", "work", "JOB", "root"), 0o755))
}

// Modes are those of the workspace, whatever the umask; without a group nothing is changed.
func TestModes(t *testing.T) {
	for _, tt := range []struct {
		dir   fs.FileMode
		umask int
		want  []string // tmp, jobs, one, job.json, key, builds.json, .lock, work, JOB, root
	}{
		{0o775 | fs.ModeSetgid, 0o022, []string{"2775", "2775", "3775", "644", "640", "664", "664", "2775", "755", "755"}},
		{0o775 | fs.ModeSetgid, 0o077, []string{"2770", "2770", "3770", "640", "640", "660", "660", "2770", "700", "700"}},
		{0o775 | fs.ModeSetgid, 0o002, []string{"2775", "2775", "3775", "644", "640", "664", "664", "2775", "755", "755"}},
		{0o770 | fs.ModeSetgid, 0o022, []string{"2770", "2770", "3770", "640", "640", "660", "660", "2770", "755", "755"}},
		{0o777 | fs.ModeSetgid, 0o000, []string{"2775", "2775", "3775", "644", "640", "664", "664", "2775", "755", "755"}},
		{0o755, 0o022, []string{"755", "755", "755", "644", "600", "644", "644", "755", "755", "755"}},
		{0o775, 0o002, []string{"755", "755", "755", "644", "600", "644", "644", "755", "755", "755"}},
		{0o755, 0o077, []string{"700", "700", "700", "600", "600", "600", "600", "700", "700", "700"}},
	} {
		t.Run(fmt.Sprintf("%o umask %03o", tt.dir.Perm(), tt.umask), func(t *testing.T) {
			dir := dirOf(t, tt.dir)
			mask(t, tt.umask)
			fill(t, dir)
			want := map[string]string{}
			for i, name := range []string{
				"tmp", "tmp/jobs", "tmp/jobs/one", "tmp/jobs/one/job.json", "tmp/jobs/one/key",
				"tmp/builds.json", "tmp/.lock", "tmp/work", "tmp/work/JOB", "tmp/work/JOB/root",
			} {
				want[name] = tt.want[i]
			}
			if diff := cmp.Diff(want, modesOf(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is narrower and the caller's own is widened when it is used as a directory; a tree is given before it moves.
func TestGive(t *testing.T) {
	dir := dirOf(t, 0o775|fs.ModeSetgid)
	mask(t, 0o022)
	must(t, os.MkdirAll(filepath.Join(dir, "tmp", "tui"), 0o700))
	for _, name := range []string{"tmp", "tmp/tui", "tmp/tui/people"} {
		must(t, MkdirAll(filepath.Join(dir, name)))
	}
	build := filepath.Join(t.TempDir(), "build")
	must(t, os.MkdirAll(filepath.Join(build, "logs"), 0o755))
	for name, mode := range map[string]fs.FileMode{"meta.json": 0o644, "image": 0o444, "logs/x": 0o600, "two": 0o600} {
		must(t, os.WriteFile(filepath.Join(build, name), nil, mode))
	}
	must(t, os.Link(filepath.Join(build, "two"), filepath.Join(filepath.Dir(build), "elsewhere")))
	must(t, os.Symlink("/etc/hostname", filepath.Join(build, "link")))
	must(t, GiveTreeAs(build, dir))
	want := map[string]string{"meta.json": "664", "image": "444", "logs": "2775", "logs/x": "660", "two": "600", "link": "777"}
	if diff := cmp.Diff(want, modesOf(t, build)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"tmp": "2770", "tmp/tui": "2770", "tmp/tui/people": "2770"}, modesOf(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// A directory in a shared one that its maker keeps for himself stays so, and what is made in it too.
func TestPrivateInside(t *testing.T) {
	dir := dirOf(t, 0o775|fs.ModeSetgid)
	mask(t, 0o022)
	must(t, os.Mkdir(filepath.Join(dir, "ws"), 0o755))
	must(t, MkdirAll(filepath.Join(dir, "ws", "tmp", "jobs")))
	must(t, Replace(filepath.Join(dir, "ws", "x"), nil))
	must(t, MkdirPlain(filepath.Join(dir, "ws", "tmp", "work", "JOB")))
	want := map[string]string{"ws/tmp/work": "2755", "ws/tmp/work/JOB": "755", "ws": "2755", "ws/tmp": "2755", "ws/tmp/jobs": "2755", "ws/x": "644"}
	if diff := cmp.Diff(want, modesOf(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// A link that somebody has planted is not written through.
func TestPlanted(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("mine"), 0o600))
	dir := dirOf(t, 0o775|fs.ModeSetgid)
	name := filepath.Join(dir, "lock")
	must(t, os.Symlink(victim, name))
	for what, do := range map[string]func() error{
		"open":  func() error { f, err := Open(name, os.O_RDWR|os.O_CREATE); _ = f.Close(); return err },
		"write": func() error { return WriteFile(name, []byte("theirs")) },
		"give":  func() error { return Give(name) },
		"new":   func() error { return WriteSecret(name, []byte("theirs")) },
	} {
		if err := do(); err == nil {
			t.Errorf("%s: went through the link", what)
		}
	}
	must(t, Replace(name, []byte("ours")))
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
		t.Errorf("replaced: %v, %v", info, err)
	}
	data, err := os.ReadFile(victim)
	info, _ := os.Stat(victim)
	if err != nil || string(data) != "mine" || info.Mode().Perm() != 0o600 {
		t.Errorf("the file elsewhere: %q, %v, %v", data, info.Mode(), err)
	}
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o666))
	if _, err := Open(filepath.Join(dir, "pipe"), os.O_WRONLY|os.O_CREATE); err == nil {
		t.Error("a pipe was opened")
	}
}

// A directory that is somebody else's link is refused; one's own is followed.
func TestForeignLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make another user's link")
	}
	dir, outside := dirOf(t, 0o775|fs.ModeSetgid), t.TempDir()
	link := filepath.Join(dir, "tmp")
	must(t, os.Symlink(outside, link))
	must(t, Mkdir(filepath.Join(link, "own")))
	must(t, os.Lchown(link, 54302, -1))
	for what, err := range map[string]error{
		"mkdir": Mkdir(filepath.Join(link, "jobs")), "all": MkdirAll(link), "replace": Replace(filepath.Join(link, "x"), nil),
	} {
		if !errors.Is(err, ErrForeignLink) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, os.Chown(dir, 54302, -1)) // whose directory it is may
	must(t, Mkdir(filepath.Join(link, "jobs")))
}

// Two who make the same file or directory at once both have it.
func TestAtOnce(t *testing.T) {
	dir := dirOf(t, 0o775|fs.ModeSetgid)
	var all sync.WaitGroup
	errs := make(chan error, 200)
	for range 100 {
		all.Go(func() {
			f, err := Open(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE)
			_ = f.Close()
			errs <- err
			errs <- MkdirAll(filepath.Join(dir, "a", "b"))
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	if diff := cmp.Diff(map[string]string{"lock": "664", "a": "2775", "a/b": "2775"}, modesOf(t, dir)); diff != "" {
		t.Error(diff)
	}
}
