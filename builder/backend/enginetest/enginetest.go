// Package enginetest gives tests container engines that are the test's own: a docker daemon, and a user for whom
// podman works without root. Both change nothing of the machine that outlives the test.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Lacking skips, or fails where CI or NOSA_STRICT=1 says that a missing tool is a failure.
func Lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("needs %s", what)
	}
	t.Skipf("needs %s", what)
}

// Daemon is a docker daemon of a test's own. DOCKER_HOST of the test's environment leads to it.
type Daemon struct {
	dir   string
	cmd   *exec.Cmd
	ended chan error
}

// StartDocker starts a daemon that changes nothing of the machine's network, and ends it with the test.
func StartDocker(t testing.TB) *Daemon {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Geteuid() != 0 {
		Lacking(t, "dockerd, and root to start one")
	}
	dir, err := os.MkdirTemp("/var/tmp", "nosa-dockerd-") //nolint:usetesting // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{dir: dir}
	t.Cleanup(func() {
		d.end(syscall.SIGTERM)
		unmountBelow(dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("DOCKER_HOST", d.socket())
	d.Start(t)
	return d
}

func (d *Daemon) socket() string { return "unix://" + filepath.Join(d.dir, "docker.sock") }

// Start starts the daemon again after Kill, with all that it knew.
func (d *Daemon) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the daemon has it
	d.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "dockerd", "--data-root", filepath.Join(d.dir, "data"), "--exec-root", filepath.Join(d.dir, "exec"),
		"--pidfile", filepath.Join(d.dir, "pid"), "-H", d.socket(), "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(d.cmd, d.ended)
	for end := time.Now().Add(time.Minute); exec.CommandContext(t.Context(), "docker", "info").Run() != nil; {
		if time.Now().After(end) {
			t.Fatal("the docker daemon does not answer")
		}
		time.Sleep(100 * time.Millisecond) // another process
	}
}

// Kill ends the daemon as a crash would: what it has started goes on without it.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Kill()
	<-d.ended
	d.ended <- errKilled
	// The next one takes a containerd for alive that ended with this one, as long as nobody has waited for it.
	_ = os.Remove(filepath.Join(d.dir, "exec/containerd/containerd.pid"))
}

var errKilled = errors.New("killed")

// unmountBelow ends the mounts that dockerd leaves: that of its network namespace, and all when it was killed.
func unmountBelow(dir string) {
	data, _ := os.ReadFile("/proc/self/mountinfo")
	var found []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") { // proc_pid_mountinfo(5)
			found = append(found, fields[4])
		}
	}
	for _, name := range slices.Backward(found) {
		_ = unix.Unmount(name, unix.MNT_DETACH)
	}
}

// end ends the daemon and, where it does not end by itself, all that belongs to it.
func (d *Daemon) end(sig syscall.Signal) {
	if d.cmd == nil || d.cmd.Process == nil {
		return
	}
	_ = d.cmd.Process.Signal(sig)
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) // containerd, where the daemon did not end it
}

// TemporaryUser makes a user with subordinate ids, who goes with the test. The home directory is on a real disk.
func TemporaryUser(t testing.TB) *user.User {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil || os.Geteuid() != 0 {
		Lacking(t, "podman, and root to make a user")
	}
	home, err := os.MkdirTemp("/var/tmp", "nosa-user-") //nolint:usetesting // that is root's alone
	if err != nil {
		t.Fatal(err)
	}
	name := "nosa-t" + strconv.Itoa(os.Getpid())
	if out, err := exec.CommandContext(t.Context(), "useradd", "--home-dir", home, "--no-create-home", "--shell", "/bin/sh", name).CombinedOutput(); err != nil {
		_ = os.Remove(home)
		Lacking(t, fmt.Sprintf("useradd: %s", out))
	}
	t.Cleanup(func() {
		// Podman's pause process keeps the user's namespace.
		ctx := context.WithoutCancel(t.Context())
		_ = exec.CommandContext(ctx, "pkill", "-KILL", "-u", name).Run()
		if out, err := exec.CommandContext(ctx, "userdel", "--force", name).CombinedOutput(); err != nil {
			t.Logf("userdel: %s", out)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(home, uid, gid); err != nil {
		t.Fatal(err)
	}
	return u
}

// AsUser begins a command line that is to run as a user.
func AsUser(u *user.User) []string {
	return []string{"setpriv", "--reuid", u.Uid, "--regid", u.Gid, "--init-groups"}
}

// UserEnv is the environment in which podman works for a user of TemporaryUser, with a storage in the home directory.
func UserEnv(t testing.TB, u *user.User) []string {
	t.Helper()
	storage := filepath.Join(u.HomeDir, "storage.conf")
	if err := os.WriteFile(storage, []byte("[storage]\ndriver = \"overlay\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{
		"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + u.HomeDir,
		"XDG_RUNTIME_DIR=" + u.HomeDir, "XDG_CACHE_HOME=" + filepath.Join(u.HomeDir, ".cache"), "CONTAINERS_STORAGE_CONF=" + storage,
	}
}
