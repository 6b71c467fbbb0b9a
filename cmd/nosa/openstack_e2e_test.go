//go:build e2e && amd64

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// imageSum is the checksum of a recorded image, "" where its file is not here.
func imageSum(n nosa, kind string) string {
	a := n.meta("latest").Images[kind]
	if _, err := os.Stat(filepath.Join(n.dir, "builds/latest/x86_64", a.Path)); a.Path == "" || err != nil {
		return ""
	}
	if a.UncompressedSHA256 != "" {
		return a.UncompressedSHA256
	}
	return a.SHA256
}

// TestE2EOpenstack makes the image of a build again and again: the same bytes, whatever is gone.
func TestE2EOpenstack(t *testing.T) {
	n := tiny{Images: true}.workspace(t)
	n.run(0, "build", "-q", "ostree")
	out := n.run(0, "buildextend-openstack")
	if !strings.Contains(out, "✓ qemu image") || !strings.Contains(out, "✓ openstack image") {
		t.Errorf("the qemu image is not made first:\n%s", out)
	}
	id, qemu, first := n.meta("latest").BuildID, imageSum(n, "qemu"), imageSum(n, "openstack")
	n.run(0, "verify", "-q")
	if out := n.run(0, "build", "openstack"); !strings.Contains(out, "is there: tiny-"+id+"-openstack.x86_64.qcow2") {
		t.Errorf("a second time:\n%s", out)
	}
	for _, how := range [][]string{
		{"prune", "-q", "--images", "--build", id},
		{"compress", "-q", "--fast", "--artifact", "qemu", "--artifact", "openstack"},
	} {
		n.run(0, how...)
		n.run(0, "buildextend-openstack", "-q", "--force")
		n.run(0, "verify", "-q", "--deep")
		if a, b := imageSum(n, "qemu"), imageSum(n, "openstack"); a != qemu || b != first {
			t.Errorf("after %v: %s and %s, before %s and %s", how, a, b, qemu, first)
		}
	}
	// The working tree is not read; its change is a new build.
	shell(t, n.dir, "sed -i 's/console=tty0/console=tty1/' src/config/platforms.yaml; grep -q tty1 src/config/platforms.yaml || echo '{x86_64: {openstack: {kernel_arguments: [quiet]}}}' >src/config/platforms.yaml")
	n.run(0, "buildextend-openstack", "-q", "--force")
	if got := imageSum(n, "openstack"); got != first {
		t.Errorf("after a change of the working tree: %s, before %s", got, first)
	}
	n.run(0, "build", "-q", "openstack")
	if next := n.meta("latest"); next.BuildID == id || next.Images["openstack"].SHA256 == first {
		t.Errorf("platforms.yaml changed: build %s, the same image %v", next.BuildID, next.Images["openstack"].SHA256 == first)
	}
	if out := n.run(0, "diff", "--kargs", id, n.meta("latest").BuildID); !strings.Contains(out, "openstack") {
		t.Errorf("the builds differ by:\n%s", out)
	}
}

// newCrashOpenstack makes a workspace with a build, whose openstack image is made undisturbed once.
func newCrashOpenstack(t *testing.T, dir string) *crash {
	t.Helper()
	return newCrashOf(t, dir, "openstack", "buildextend-openstack")
}

// TestE2EOpenstackCrash ends the making of the image in each of its steps.
func TestE2EOpenstackCrash(t *testing.T) {
	c := newCrashOpenstack(t, filepath.Join(scratch(t), "ws"))
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // any will do
	actions := killActions()
	for i, step := range c.steps {
		c.cold()
		t.Logf("%s: %s, inside: %v", step, actions[i%len(actions)].name, c.killIn(step, actions[i%len(actions)], r))
	}
	c.recover()
}

// TestFullOpenstackDiskFull fills the disk up in each step; and there is a check before any work.
func TestFullOpenstackDiskFull(t *testing.T) {
	disk := smallDisk(t, "1500")
	c := newCrashOpenstack(t, filepath.Join(disk, "ws"))
	for _, step := range c.steps {
		t.Run(step, func(t *testing.T) {
			c := c.in(t)
			c.cold()
			s := c.startHeld(step, 700*time.Millisecond)
			if !s.await(step) {
				t.Fatalf("it ended before step %s:\n%s", step, s.out)
			}
			filler := fill(t, disk, 0)
			code := s.wait()
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			if code != exitNoSpace {
				t.Errorf("exit %d, want %d\n%s", code, exitNoSpace, s.out)
			}
			c.assertWhole()
			c.scratchFree()
			c.recover()
		})
	}
}

// TestFullOpenstackTogether makes the image beside its source, itself and others of the build.
func TestFullOpenstackTogether(t *testing.T) {
	c := newCrashOpenstack(t, filepath.Join(scratch(t), "ws"))
	c.cold()
	var all []*started
	for _, args := range [][]string{{"buildextend-openstack"}, {"buildextend-qemu"}, {"buildextend-openstack"}, {"buildextend-metal"}, {"compress", "--fast", "--artifact", "qemu"}} {
		all = append(all, c.begin(&started{cmd: c.command(t.Context(), args...)}))
	}
	for i, s := range all {
		if code := s.wait(); code != 0 && i != len(all)-1 { // there may have been nothing to compress yet
			t.Errorf("%v: exit %d\n%s", s.cmd.Args, code, s.out)
		}
	}
	c.run(0, "verify", "-q")
}
