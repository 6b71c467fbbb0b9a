//go:build e2e

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// realRPMOSTree finds the program; the fake of the scripts is in PATH, too.
func realRPMOSTree(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("NOSA_RPM_OSTREE"); program != "" {
		return program
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		program, err := exec.LookPath(filepath.Join(dir, "rpm-ostree"))
		if err != nil {
			continue
		}
		if self, err := os.Executable(); err == nil && !sameSize(t, self, program) {
			return program
		}
	}
	t.Skip("rpm-ostree is not here, and Debian 12 has no package of it; NOSA_RPM_OSTREE names one")
	return ""
}

// sameSize says if two files are of one size: a copy of this test's program is the fake.
func sameSize(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return x.Size() == y.Size()
}

// TestFullRPMOSTree builds the tiny pool with the real rpm-ostree: the one of NOSA_RPM_OSTREE, or of
// PATH. That a missing tool is a failure in CI does not hold for it: Debian 12, on which the project
// is made, has no package of it, and nothing of nosa needs it.
func TestFullRPMOSTree(t *testing.T) {
	program := realRPMOSTree(t)
	n := tiny{}.workspace(t)
	n.env = append(n.env, "NOSA_ENGINE=rpm-ostree", "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	n.run(0, "fetch")
	n.run(0, "build", "--version", "1.1", "ostree")
	meta := n.meta("latest")
	if meta.Engine != "rpm-ostree" || meta.Version != "1.1" {
		t.Errorf("engine %q, version %q", meta.Engine, meta.Version)
	}
	listing := shell(t, n.dir, "ostree --repo=cache/repo fsck -q && ostree --repo=cache/repo ls -R "+meta.Commit)
	for _, entry := range []string{
		"/usr/lib/modules/" + tinyKernel + "/initramfs.img", "/usr/etc/tiny.conf", "/usr/share/tiny/made", "/usr/share/coreos-assembler/image.json",
	} {
		if !strings.Contains(listing, entry) {
			t.Errorf("the commit has no %s:\n%s", entry, listing)
		}
	}
	if out := n.run(0, "build", "--version", "1.1", "ostree"); !strings.Contains(out, "nothing has changed") {
		t.Errorf("a second build:\n%s", out)
	}
	if out := n.run(0, "build", "--version", "1.2", "ostree"); strings.Contains(out, "nothing has changed") {
		t.Errorf("of another version:\n%s", out)
	}
}
