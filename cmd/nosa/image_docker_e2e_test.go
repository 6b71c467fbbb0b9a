//go:build e2e

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/container"
)

// startDocker starts a daemon of the test's own, which changes nothing of the machine's network.
func startDocker(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs dockerd, and root to start one")
	}
	dir, err := os.MkdirTemp("/var/tmp", "nosa-dockerd-") //nolint:usetesting // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "-H", socket, "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
		_ = unix.Unmount(filepath.Join(dir, "exec/netns/default"), unix.MNT_DETACH) // dockerd leaves it
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("DOCKER_HOST", socket)
	for end := time.Now().Add(time.Minute); exec.CommandContext(t.Context(), "docker", "info").Run() != nil; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the daemon does not answer")
		}
	}
}

// TestFullImageDocker is TestFullImage's main road with docker.
func TestFullImageDocker(t *testing.T) {
	startDocker(t)
	n := imageMaker(t)
	n.env = append(n.env, "NOSA_BACKEND=docker")
	docker := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	n.run(0, "image", "base")
	cold := timed(func() { n.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag) })
	contains(t, "nosa", docker("run", "--rm", "--network=host", imageTag, "nosa", "--version"), "nosa version ")
	same := timed(func() {
		contains(t, "again", n.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag), "as it was")
	})
	t.Logf("cold %s, unchanged %s, %s", cold, same, docker("image", "inspect", "--format", "{{.Size}} bytes", imageTag))
	if left := docker("ps", "--all", "--quiet") + docker("images", "--quiet", "--filter", "dangling=true"); left != "" {
		t.Errorf("left: %s", left)
	}
}
