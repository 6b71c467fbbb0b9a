//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/builder/container"
)

// imageTag is what the tests call their image: a developer's own stays.
const imageTag = "localhost/nosa-test:latest"

// imageMaker is nosa with the programs beside it, and podman with a storage of the test's own.
func imageMaker(t *testing.T) nosa {
	t.Helper()
	for _, need := range []string{"podman", "mmdebstrap"} {
		if _, err := exec.LookPath(need); err != nil {
			missing(t, "needs "+need)
		}
	}
	if os.Geteuid() != 0 {
		missing(t, "needs root: podman's storage, mmdebstrap")
	}
	path, err := bin()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.version=test", "-o", filepath.Dir(path), "../nosa-tui")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building nosa-tui: %v: %s", err, out)
	}
	dir := scratch(t)
	conf := filepath.Join(dir, "storage.conf")
	text := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(dir, "root"), filepath.Join(dir, "run"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Cleanup(func() { // podman binds it to itself, which keeps it from being removed
		_ = exec.Command("umount", "-l", filepath.Join(dir, "root/overlay")).Run() //nolint:noctx // after the test's own
	})
	return nosa{t: t, dir: dir}
}

// TestFullImage makes the real image from a base that is made here: every program of nosa's is in it, what did not
// change is not made anew, and nothing is left beside it.
func TestFullImage(t *testing.T) {
	n := imageMaker(t)
	n.run(0, "image", "base", "--tag", container.LocalBase)
	cold := timed(func() { n.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag) })
	first := podman(t, "image", "inspect", "--format", "{{.Id}} {{.Size}}", imageTag)
	t.Logf("cold %s, image %s", cold, first)

	digest, err := assets.ImageDigest()
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "labels", podman(t, "image", "inspect", "--format", "{{json .Labels}}", imageTag),
		`"org.nosa.role":"backend"`, `"org.nosa.deps":"`+digest+`"`, `"org.opencontainers.image.base.name":"`+container.LocalBase+`"`)
	contains(t, "nosa", inImage(t, "nosa", "--version"), "nosa version ")
	contains(t, "nosa-tui", inImage(t, "nosa-tui", "--version"), "nosa-tui version ")
	contains(t, "for people", inImage(t, "sh", "-c", "tmux -V; less --version; echo $LANG $NOSA_IN_CONTAINER; tput -T xterm-256color colors"), "tmux ", "less ", "C.UTF-8 1", "256")
	programs, _, _ := strings.Cut(inImage(t, "nosa", "doctor"), "\nKernel")
	if strings.Contains(programs, "missing") || strings.Contains(programs, "warn") || !strings.Contains(programs, "qemu-system-x86_64") {
		t.Errorf("programs in the image:\n%s", programs)
	}

	same := timed(func() {
		contains(t, "again", n.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag), "as it was")
	})
	if again := podman(t, "image", "inspect", "--format", "{{.Id}} {{.Size}}", imageTag); again != first {
		t.Errorf("nothing changed, but the image: %s, %s", first, again)
	}
	path, err := bin()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(filepath.Dir(path), "nestos-installer")
	data, err := os.ReadFile(other)
	if err == nil {
		err = os.WriteFile(other, append(data, 0), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	changed := timed(func() {
		contains(t, "other program", n.run(0, "image", "build", "--base", container.LocalBase, "--tag", imageTag), "new, ")
	})
	t.Logf("unchanged %s, with another program %s", same, changed)
	if same*2 > cold || changed*2 > cold {
		t.Errorf("cold %s, unchanged %s, with another program %s: the packages were installed anew", cold, same, changed)
	}
	if left := podman(t, "ps", "--all", "--external", "--quiet") + podman(t, "images", "--quiet", "--filter", "dangling=true"); left != "" {
		t.Errorf("left: %s", left)
	}
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start).Round(100 * time.Millisecond)
}

// podman asks the test's podman.
func podman(t *testing.T, args ...string) string {
	t.Helper()
	var errs strings.Builder
	cmd := exec.CommandContext(t.Context(), "podman", args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("podman %s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// inImage runs a program in the image, and gives what it prints. The flags are those of the harshest machines.
func inImage(t *testing.T, args ...string) string {
	t.Helper()
	flags := []string{
		"--runtime", "runc", "run", "--rm", "--pull=never", "--network=host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", imageTag,
	}
	return podman(t, append(flags, args...)...)
}
