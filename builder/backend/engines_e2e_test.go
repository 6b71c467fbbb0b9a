//go:build e2e

package backend

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lacking skips, or fails where skipping is not allowed.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatalf("needs %s", what)
	}
	t.Skipf("needs %s", what)
}

// asUser tells the test binary that it was started by another user's test.
const asUser = "NOSA_TEST_ROOTLESS"

// The real engines run, list and remove containers by our command lines: podman as root and as a user, docker.
func TestFullBackendEngines(t *testing.T) {
	t.Run("podman", func(t *testing.T) {
		e, err := Find(t.Context(), Podman)
		if err != nil {
			lacking(t, err.Error())
		}
		if e.Rootless != (os.Geteuid() != 0) {
			t.Errorf("%+v", e)
		}
		engineWorks(t, e)
	})
	if os.Getenv(asUser) != "" {
		return
	}
	t.Run("docker", func(t *testing.T) {
		e, err := Find(t.Context(), Docker)
		if err != nil {
			startDocker(t)
			if e, err = Find(t.Context(), Docker); err != nil {
				t.Fatal(err)
			}
		}
		engineWorks(t, e)
	})
	t.Run("rootless", func(t *testing.T) {
		if _, err := exec.LookPath("podman"); err != nil || os.Geteuid() != 0 {
			lacking(t, "podman, and root to make a user")
		}
		u := temporaryUser(t)
		// The binary lies where only root looks.
		binary := filepath.Join(u.HomeDir, "backend.test")
		self, err := os.ReadFile("/proc/self/exe")
		if err == nil {
			err = os.WriteFile(binary, self, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "setpriv", "--reuid", u.Uid, "--regid", u.Gid, "--init-groups",
			binary, "-test.run", "^TestFullBackendEngines$/^podman$", "-test.v", "-test.timeout", "5m")
		cmd.Dir = u.HomeDir
		storage := filepath.Join(u.HomeDir, "storage.conf")
		if err := os.WriteFile(storage, []byte("[storage]\ndriver = \"overlay\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd.Env = []string{
			"HOME=" + u.HomeDir, "USER=" + u.Username, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + u.HomeDir, asUser + "=1", "NOSA_STRICT=1",
			"XDG_RUNTIME_DIR=" + u.HomeDir, "CONTAINERS_STORAGE_CONF=" + storage, "GOCOVERDIR=" + os.Getenv("GOCOVERDIR"),
		}
		out, err := cmd.CombinedOutput()
		t.Logf("as %s:\n%s", u.Username, out)
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFullBackendEngines/podman") {
			t.Error(err)
		}
	})
}

// temporaryUser makes a user with subordinate ids, who goes with the test.
func temporaryUser(t *testing.T) *user.User {
	t.Helper()
	home, err := os.MkdirTemp("/var/tmp", "nosa-user-") //nolint:usetesting // that is root's alone
	if err != nil {
		t.Fatal(err)
	}
	name := "nosa-t" + strconv.Itoa(os.Getpid())
	if out, err := exec.CommandContext(t.Context(), "useradd", "--home-dir", home, "--no-create-home", "--shell", "/bin/sh", name).CombinedOutput(); err != nil {
		_ = os.Remove(home)
		lacking(t, fmt.Sprintf("useradd: %s", out))
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

// startDocker starts a daemon of the test's own, which changes nothing of the machine's network.
func startDocker(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Geteuid() != 0 {
		lacking(t, "a docker daemon, or dockerd and root to start one")
	}
	dir, err := os.MkdirTemp("/var/tmp", "nosa-dockerd-") //nolint:usetesting // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"-H", socket, "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		_ = log.Close()
		_ = unix.Unmount(filepath.Join(dir, "exec/netns/default"), unix.MNT_DETACH) // dockerd leaves it
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("DOCKER_HOST", socket)
	until(t, "the daemon answers", func() bool {
		_, err := Find(t.Context(), Docker)
		return err == nil
	})
}

// until waits for something that another process does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatalf("waited a minute until %s", what)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // another process
	}
}
