//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace"
)

// The tests with the tag e2e drive the real program on real packages: they need
// root, a Debian mirror and QEMU. TestE2E is the one pass of `make test`, those
// named TestFull are for `make test-full`.

// bin builds nosa once.
var bin = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // built once for all tests
	dir, err := os.MkdirTemp("", "nosa-bin-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, ".", "../nestos-installer")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building nosa: %w: %s", err, out)
	}
	return filepath.Join(dir, "nosa"), nil
})

// scratch is a directory on the disk of the project (not a tmpfs), removed at
// the end of the test.
func scratch(t testing.TB) string {
	t.Helper()
	base := filepath.Join("..", "..", "tmp", "e2e")
	if err := os.MkdirAll(base, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(base, "") //nolint:usetesting // on the disk of the project
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("leftovers: %v", err)
		}
	})
	return dir
}

// nosa is one workspace and how its commands are started.
type nosa struct {
	t      testing.TB
	dir    string
	prefix []string // words before nosa's own: unshare -n, setpriv …
	env    []string
}

// run runs nosa and gives its output; the exit code must be want.
func (n nosa) run(want int, args ...string) string {
	n.t.Helper()
	out, code := n.try(n.t.Context(), args...)
	if code != want {
		n.t.Fatalf("nosa %s: exit %d, want %d\n%s", strings.Join(args, " "), code, want, out)
	}
	return out
}

func (n nosa) try(ctx context.Context, args ...string) (string, int) {
	n.t.Helper()
	cmd := n.command(ctx, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	n.t.Logf("nosa %s: %s, exit %d", strings.Join(args, " "), time.Since(start).Round(100*time.Millisecond), cmd.ProcessState.ExitCode())
	if err != nil && cmd.ProcessState == nil {
		n.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func (n nosa) command(ctx context.Context, args ...string) *exec.Cmd {
	n.t.Helper()
	path, err := bin()
	if err != nil {
		n.t.Fatal(err)
	}
	argv := append(append(append([]string{}, n.prefix...), path, "-C", n.dir), args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// An image that happens to be on this machine is for those tests that ask for it.
	cmd.Env = append(append(os.Environ(), "NOSA_POOL_CACHE="+poolCache(n.t), "NOSA_BACKEND=local"), n.env...)
	return cmd
}

// poolCache keeps fetched and converted packages between runs.
func poolCache(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "tmp", "poolcache"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// meta is the record of a build.
func (n nosa) meta(id string) workspace.Meta {
	n.t.Helper()
	m, err := workspace.ReadMeta(filepath.Join(n.dir, "builds", id, "x86_64"))
	if err != nil {
		n.t.Fatal(err)
	}
	return m
}

// shell runs a script of the test's own, for what a user would type.
func shell(t testing.TB, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// sample makes a workspace of the sample with fetched packages.
func sample(t testing.TB, args ...string) nosa {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a build gives files to other users")
	}
	n := nosa{t: t, dir: filepath.Join(scratch(t), "ws")}
	n.run(0, append([]string{"init", "--sample"}, args...)...)
	n.run(0, "pool", "create")
	n.run(0, "fetch")
	return n
}

// TestE2E is the main job, end to end: packages, commit, image, a system that
// boots; and the same commit again from a container's default capabilities,
// without a network, with another umask, time zone and mke2fs.conf.
func TestE2E(t *testing.T) {
	n := sample(t)
	if out := n.run(0, "fetch"); !strings.Contains(out, "nothing new") {
		t.Errorf("a second fetch does not say that there is nothing new:\n%s", out)
	}
	n.run(0, "build", "--version", "12.1")
	first := n.meta("latest")
	if out := n.run(0, "build", "--version", "12.1"); !strings.Contains(out, "nothing has changed") {
		t.Errorf("a second build of the same does not say so:\n%s", out)
	}
	if out := n.run(0, "list"); !strings.Contains(out, "12.1  (latest)") || !strings.Contains(out, first.Commit) {
		t.Errorf("list:\n%s", out)
	}
	needLive(t)
	n.run(0, "buildextend-live", "-q")

	// A guest takes little more than one processor, so two boot side by side.
	t.Run("boots", func(t *testing.T) {
		t.Parallel()
		n := n.with(t)
		n.run(0, "check", "--firmware", "bios")
		assertResult(t, n, "qemu", 1)
		n.run(0, "check", "--artifact", "live-iso", "--way", "cd")
		assertResult(t, n, "live-iso", 1)
	})
	// By UEFI, from the ISO to a disk with sectors of 4096 bytes.
	t.Run("installs", func(t *testing.T) {
		t.Parallel()
		n := n.with(t)
		n.run(0, "check", "--artifact", "install-4k")
		assertResult(t, n, "install-4k", 1)
	})
	t.Run("default capabilities", func(t *testing.T) {
		t.Parallel()
		second := confined(t, n.with(t))
		second.run(0, "fetch")
		second.prefix = append([]string{"unshare", "-n"}, second.prefix...)
		second.run(0, "build", "--version", "12.1")
		again := second.meta("latest")
		if again.Commit != first.Commit {
			t.Errorf("commit %s, and with default capabilities %s", first.Commit, again.Commit)
		}
		if a, b := first.Images["qemu"].SHA256, again.Images["qemu"].SHA256; a != b {
			t.Errorf("the qemu image differs: %s and %s", a, b)
		}
	})
}

// with is the same workspace in another test.
func (n nosa) with(t testing.TB) nosa {
	n.t = t
	return n
}

// confined is a second workspace of the same pool, whose commands run with
// podman's default capabilities and settings of a strange host.
func confined(t *testing.T, n nosa) nosa {
	t.Helper()
	dir := filepath.Join(scratch(t), "another-place", "ws")
	second := nosa{t: t, dir: dir}
	second.run(0, "init", "--sample")
	shell(t, n.dir, "cp -al pool "+dir+"/pool")
	conf := filepath.Join(filepath.Dir(dir), "mke2fs.conf")
	if err := os.WriteFile(conf, []byte("[defaults]\n\tbase_features = sparse_super\n\tinode_size = 128\n\tblocksize = 1024\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	second.prefix = []string{
		"sh", "-c", `umask 077; exec "$@"`, "sh", "setpriv", "--bounding-set",
		"-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+sys_chroot,+setfcap",
		"--inh-caps", "-all", "--",
	}
	second.env = []string{"TZ=Asia/Shanghai", "LANG=de_DE.UTF-8", "MKE2FS_CONFIG=" + conf, "SOURCE_DATE_EPOCH="}
	return second
}

// assertResult reads the kept result of a check.
func assertResult(t *testing.T, n nosa, artifact string, boots int) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(n.dir, "builds", "latest", "x86_64", "check-"+artifact+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		OK   bool
		Runs []struct {
			Firmware   string
			OK         bool
			LoginMS    int64 `json:"login-ms"`
			Assertions []struct{ Name string }
		}
	}
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	if !result.OK || len(result.Runs) != boots {
		t.Errorf("%s: ok %v after %d boots, want %d", artifact, result.OK, len(result.Runs), boots)
	}
	for _, r := range result.Runs {
		t.Logf("%s on %s: ok %v, login after %s, %d assertions", artifact, r.Firmware, r.OK, time.Duration(r.LoginMS)*time.Millisecond, len(r.Assertions))
		if len(r.Assertions) < 10 {
			t.Errorf("%s on %s: only %d assertions", artifact, r.Firmware, len(r.Assertions))
		}
	}
}
