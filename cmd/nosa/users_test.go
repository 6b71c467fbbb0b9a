package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/job"
)

// groupOfTwo is a group that no system has, and annUID and bobUID are users that none has.
const (
	groupOfTwo = 54321
	annUID     = 54301
	bobUID     = 54302
)

// account is a user of the system, of the group, with a umask.
type account struct {
	t         *testing.T
	name      string
	uid       int
	umask     string
	home, bin string
	ws        string
}

// command is nosa of that user.
func (u account) command(args ...string) *exec.Cmd {
	return u.program(append([]string{filepath.Join(u.bin, "nosa"), "-C", u.ws}, args...)...)
}

func (u account) program(argv ...string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), "/bin/sh", append([]string{"-c", "umask " + u.umask + `; exec "$0" "$@"`}, argv...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.uid), Gid: groupOfTwo}}
	c.Env = []string{"PATH=" + u.bin + ":" + os.Getenv("PATH"), "HOME=" + u.home, "NOSA_USER=" + u.name, "NOSA_NO_KVM=1", "NOSA_BACKEND=local", "LC_ALL=C.UTF-8", "GORACE=atexit_sleep_ms=0"}
	c.Dir = "/"
	return c
}

// code runs nosa, which ends with a code, and gives all that it says.
func (u account) code(want int, args ...string) string {
	u.t.Helper()
	out, err := u.command(args...).CombinedOutput()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		u.t.Fatal(err)
	}
	if got != want {
		u.t.Fatalf("nosa %s of %s: exit code %d, want %d\n%s", strings.Join(args, " "), u.name, got, want, out)
	}
	return string(out)
}

// says is code 0 with a text that must be in what is said.
func (u account) says(text string, args ...string) string {
	u.t.Helper()
	out := u.code(0, args...)
	if !strings.Contains(out, text) {
		u.t.Errorf("nosa %s of %s says no %q:\n%s", strings.Join(args, " "), u.name, text, out)
	}
	return out
}

// twoAccounts makes a workspace of ann's with one build that boots, as she has it before she shares it.
func twoAccounts(t *testing.T) (ann, bob account) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	needQEMU(t)
	top := t.TempDir()
	for _, dir := range []string{filepath.Dir(top), top} {
		mustDo(t, os.Chmod(dir, 0o755))
	}
	bin := filepath.Join(top, "bin")
	mustDo(t, os.Mkdir(bin, 0o755))
	self, err := os.Executable()
	mustDo(t, err)
	mustDo(t, exec.CommandContext(t.Context(), "cp", self, filepath.Join(bin, "nosa")).Run()) // it is nosa by that name
	// OpenSSH wants its user in /etc/passwd.
	mustDo(t, os.WriteFile(filepath.Join(bin, "ssh-keygen"), []byte(`#!/bin/sh
for key; do :; done
umask 077
echo secret >"$key"
echo public >"$key.pub"
`), 0o755))
	ann = account{t: t, name: "ann", uid: annUID, umask: "022", home: filepath.Join(top, "ann"), bin: bin, ws: filepath.Join(top, "ws")}
	bob = ann
	bob.name, bob.uid, bob.umask, bob.home = "bob", bobUID, "077", filepath.Join(top, "bob")
	for _, u := range []account{ann, bob} {
		mustDo(t, os.Mkdir(u.home, 0o700))
		mustDo(t, os.Chown(u.home, u.uid, groupOfTwo))
	}
	build := filepath.Join(ann.ws, "builds/1.0/x86_64")
	for _, dir := range []string{build, filepath.Join(ann.ws, "src/config"), filepath.Join(ann.ws, "cache")} {
		mustDo(t, os.MkdirAll(dir, 0o755))
	}
	image := "nestos-1.0-qemu.x86_64.qcow2"
	mustDo(t, writeTiny(filepath.Join(top, "tiny")))
	mustDo(t, exec.CommandContext(t.Context(), "qemu-img", "convert", "-O", "qcow2", filepath.Join(top, "tiny"), filepath.Join(build, image)).Run())
	for name, text := range map[string]string{
		"src/config/manifest.yaml":     "ref: a\n",
		"builds/builds.json":           `{"schema-version": "1.0.0", "builds": [{"id": "1.0", "arches": ["x86_64"]}], "timestamp": "2026-11-01T00:00:00Z"}`,
		"builds/1.0/x86_64/meta.json":  `{"buildid": "1.0", "name": "nestos", "ostree-commit": "a", "images": {"qemu": {"path": "` + image + `", "size": 1, "sha256": "` + strings.Repeat("0", 64) + `"}}}`,
		"builds/1.0/x86_64/other.json": "{}",
	} {
		mustDo(t, os.WriteFile(filepath.Join(ann.ws, name), []byte(text), 0o644))
	}
	mustDo(t, filepath.WalkDir(ann.ws, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, annUID, annUID))
	}))
	t.Cleanup(func() {
		for _, pid := range pidsOf(hubCommand + "\x00" + ann.ws) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return ann, bob
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTwoAccounts has two accounts of one group in one workspace, with different umasks: each starts jobs and
// machines, sees and ends those of the other, and changes the same records.
func TestTwoAccounts(t *testing.T) {
	ann, bob := twoAccounts(t)
	bob.code(1, "tag", "early") // it is ann's alone
	ann.says("shared with group 54321", "init", "--shared=54321")
	bob.says("1.0", "list")
	if out := bob.code(exitMissing, "doctor", "--output", "json"); !strings.Contains(out, `"with group 54321"`) {
		t.Errorf("doctor says\n%s", out)
	}

	for _, two := range [][2]account{{ann, bob}, {bob, ann}, {ann, bob}} {
		u, other := two[0], two[1]
		u.says("good", "tag", "update", "--tag", "good", "--build", "1.0", "--description", u.name)
		other.says(u.name, "tag", "list")
		u.says("1.0", "list")
		u.code(0, "meta", "--skip-validation", "--set", "summary="+u.name)
		jobsOfTwo(t, u, other)
		machineOfTwo(t, u, other)
		out := u.code(exitMissing, "build")
		if !strings.Contains(out, "build needs root") || !strings.Contains(out, "next: sudo nosa") {
			t.Errorf("build without root says\n%s", out)
		}
		u.code(exitMissing, "watch", "--once")
	}
	if out := ann.code(exitMissing, "doctor", "--output", "json"); !strings.Contains(out, `"with group 54321"`) {
		t.Errorf("after all that doctor says\n%s", out)
	}
	ann.says("ann", "jobs")
	bob.says("bob", "jobs")
	mustDo(t, filepath.WalkDir(ann.ws, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode()&0o002 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	}))
}

// jobsOfTwo has one start a job, which the other sees, cannot change, and cancels.
func jobsOfTwo(t *testing.T, u, other account) {
	t.Helper()
	var said bytes.Buffer
	c := u.command("exec", "--", "sleep", "600")
	c.Stdout, c.Stderr = &said, &said
	mustDo(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	var st job.Status
	untilThere(t, "a job of "+u.name, func() bool {
		live, err := job.Live(filepath.Join(u.ws, "tmp/jobs"))
		if err != nil || len(live) != 1 {
			return false
		}
		st = live[0]
		return st.Last.Kind != ""
	})
	if st.Info.User != u.name {
		t.Errorf("the job is %q's, want %s", st.Info.User, u.name)
	}
	id := string(st.Info.ID)
	other.says(id, "jobs")
	if other.program("sh", "-c", `echo x >>"$0" || mv "$0" "$0.x" || rm -f "$0"`, filepath.Join(st.Dir, "job.json")).Run() == nil {
		t.Error("another account can change what a job is")
	}
	other.says("asked "+id, "jobs", "--cancel", id)
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != exitCancelled {
		t.Errorf("the cancelled job of %s: exit code %d\n%s", u.name, got, &said)
	}
}

// machineOfTwo has one boot the build that ann made; both reach its console, and the other ends it.
func machineOfTwo(t *testing.T, u, other account) {
	t.Helper()
	id := strings.TrimSpace(u.code(0, "-q", "run", "-d", "--qemu-firmware", "bios"))
	dir := filepath.Join(u.ws, "tmp/vms", id)
	for _, who := range []account{u, other} {
		who.says(u.name, "vms")
		who.says("break sent", "send-break", id)
	}
	if err := other.program("cat", filepath.Join(dir, "own/id_ed25519")).Run(); err == nil {
		t.Error("another account reads a key that ssh would refuse its owner then")
	}
	out, err := other.program("cat", filepath.Join(dir, "id_ed25519.group")).Output()
	if err != nil || string(out) != "secret\n" {
		t.Errorf("the key of the group: %q, %v", out, err)
	}
	for name, mode := range map[string]fs.FileMode{"console.sock": fs.ModeSocket | 0o660, "id_ed25519.group": 0o640, "request.json": 0o600} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	for _, name := range []string{"request.json", "vm.json", "own"} {
		if other.program("rm", "-rf", filepath.Join(dir, name)).Run() == nil {
			t.Errorf("another account can replace %s", name)
		}
	}
	other.says("stopped", "stop", "--force", id)
	u.says(other.name, "vms", "--all") // by whom it was stopped
}

// untilThere waits for a condition.
func untilThere(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(fmt.Errorf("there is no %s", what))
		}
	}
}
