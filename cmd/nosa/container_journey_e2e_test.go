//go:build e2e && amd64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/builder/backend/enginetest"
	"github.com/nestos/nosa/builder/container"
	"github.com/nestos/nosa/workspace"
)

// TestFullContainerJourney goes the whole way in the real image, made on a base that is made here: by podman as root
// and as a user, and by docker, to the bytes that this machine itself comes to; and ends builds in every way.
func TestFullContainerJourney(t *testing.T) {
	maker := imageMaker(t)
	here := sample(t)
	here.run(0, "build", "-q", "--version", "12.1")
	here.run(0, "buildextend-metal4k", "-q")
	here.run(0, "buildextend-live", "-q")
	want, cost := here.meta("latest"), here.nothingToDo()

	maker.run(0, "image", "base", "--tag", container.LocalBase)
	maker.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag)
	archive := filepath.Join(maker.dir, "image.tar")
	podman(t, "save", "--quiet", "--output", archive, imageTag)
	if err := os.Chmod(maker.dir, 0o755); err != nil {
		t.Fatal(err)
	}

	t.Run("podman", func(t *testing.T) {
		n := nosa{t: t, dir: filepath.Join(scratch(t), "ws"), env: []string{"NOSA_BACKEND=podman", "NOSA_IMAGE=" + imageTag}}
		contained{n, "podman", "conmon"}.journey(t, want, cost)
	})
	t.Run("docker", func(t *testing.T) {
		daemon := enginetest.StartDocker(t)
		shell(t, "/", "docker load --quiet --input "+archive)
		n := nosa{t: t, dir: filepath.Join(scratch(t), "ws"), env: []string{"NOSA_BACKEND=docker", "NOSA_IMAGE=" + imageTag}}
		c := contained{n, "docker", "containerd-shim-runc-v2"}
		c.journey(t, want, cost)
		t.Run("kill -9 of the daemon", func(t *testing.T) { c.in(t).daemonDies(daemon) })
	})
	t.Run("rootless", func(t *testing.T) {
		u := enginetest.TemporaryUser(t)
		n := nosa{t: t, dir: filepath.Join(u.HomeDir, "ws"), prefix: enginetest.AsUser(u)}
		n.env = append(enginetest.UserEnv(t, u), "NOSA_BACKEND=podman", "NOSA_IMAGE="+imageTag, "NOSA_POOL_CACHE="+filepath.Join(u.HomeDir, "poolcache"))
		path, err := bin() // lies where only root looks
		if err == nil {
			err = os.Chmod(filepath.Dir(path), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		shell(t, u.HomeDir, "cp -a --reflink=auto "+poolCache(t)+" poolcache; chown -R "+u.Uid+":"+u.Gid+" poolcache")
		load := exec.CommandContext(t.Context(), n.prefix[0], append(slices.Clone(n.prefix[1:]), "podman", "load", "--quiet", "--input", archive)...)
		load.Dir, load.Env = u.HomeDir, append(os.Environ(), n.env...)
		if out, err := load.CombinedOutput(); err != nil {
			t.Fatalf("podman load: %v: %s", err, out)
		}
		contained{n, "podman", "conmon"}.journey(t, want, cost)
	})
}

// journey is from an empty directory to a live system, to the same bytes as want, and back. A build with nothing to do takes as long as here on this machine.
func (c contained) journey(t *testing.T, want workspace.Meta, here time.Duration) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	contains(t, "backend", c.run(0, "backend"), c.engine)
	c.run(0, "init", "--sample")
	c.run(0, "pool", "create")
	c.run(0, "fetch", "-q")
	c.run(0, "build", "-q", "--version", "12.1")
	c.run(0, "buildextend-metal4k", "-q")
	c.run(0, "buildextend-live", "-q")
	c.run(0, "check", "-q", "--firmware", "bios")
	assertResult(t, c.nosa, "qemu", 1)
	c.run(0, "verify", "-q")
	got := c.meta("latest")
	if got.Commit != want.Commit {
		t.Errorf("commit %s, on this machine %s", got.Commit, want.Commit)
	}
	for _, kind := range []string{"qemu", "metal4k", "live-iso", "live-kernel", "live-initramfs", "live-rootfs"} {
		if a, b := got.Images[kind].SHA256, want.Images[kind].SHA256; a != b || a == "" {
			t.Errorf("%s: %s, on this machine %s", kind, a, b)
		}
	}
	if out := c.output(0, "some words", "shell", "latest", "--", "sh", "-c", "read -r x; echo $x; id -u"); out != "some words\n0\n" {
		t.Errorf("in the tree of the build: %q", out)
	}
	if out := c.output(7, "more words", "shell", "--", "sh", "-c", "cat; exit 7"); out != "more words" {
		t.Errorf("in the container: %q", out)
	}
	c.cost(here)
	c.nothingInside()
	t.Run("ends", c.ends)
	c.run(0, "clean", "--all")
	if left, _ := filepath.Glob(filepath.Join(c.dir, "builds", "*")); slices.ContainsFunc(left, func(path string) bool { return strings.Contains(filepath.Base(path), "12.1") }) {
		t.Errorf("nosa clean left %q", left)
	}
	c.nothingInside()
}

// daemonDies kills docker's daemon under a build: the build ends, and what the daemon left goes once it is there again.
func (c contained) daemonDies(daemon *enginetest.Daemon) {
	c.t.Helper()
	c.run(0, "fetch", "-q")
	cmd := c.command(c.t.Context(), "build", "-q", "--force", "ostree")
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	await(c.t, "container", func() bool { return len(c.containers()) > 0 })
	daemon.Kill()
	if err := cmd.Wait(); err == nil {
		c.t.Error("a build whose engine is gone ends well")
	}
	await(c.t, "end of every process", func() bool { return len(processesBelow(c.dir)) == 0 })
	daemon.Start(c.t)
	c.run(0, "fetch", "-q")
	c.nothingInside()
}
