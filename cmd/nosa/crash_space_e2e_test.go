//go:build e2e && amd64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a tmpfs of a size in MiB for the time of the test.
func smallDisk(t *testing.T, mib string) string {
	t.Helper()
	dir := scratch(t)
	shell(t, dir, "mount -t tmpfs -o size="+mib+"m tmpfs .")
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() }) //nolint:noctx // must run at the end
	return dir
}

// fill takes all the space that is left on the disk of dir but some bytes, and
// gives the file that has it.
func fill(t *testing.T, dir string, leave int64) string {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		free := int64(st.Bavail)*int64(st.Bsize) - leave
		if free <= 0 {
			return name
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if unix.Fallocate(int(f.Fd()), 0, info.Size(), free) != nil && free < 1<<20 {
			return name // somebody else was faster
		}
	}
}

// TestFullDiskFullSteps fills the disk up in each step of a build: it says that
// it is the disk, builds/ stays whole, and with room the next build is as ever.
func TestFullDiskFullSteps(t *testing.T) {
	disk := smallDisk(t, "700")
	c := newCrashIn(t, filepath.Join(disk, "ws"), "qemu")
	for _, step := range c.steps {
		t.Run(step, func(t *testing.T) {
			c := c.in(t)
			c.cold()
			fill(t, disk, 330<<20) // what a build asks for before it begins
			s := c.startHeld(step, 700*time.Millisecond)
			if !s.await(step) {
				t.Fatalf("the build ended before step %s:\n%s", step, s.out)
			}
			filler := fill(t, disk, 0)
			code := s.wait()
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			switch {
			case code == exitNoSpace:
			case code == 0 && (step == "packages" || step == c.steps[len(c.steps)-1]): // it wrote nothing more
			default:
				t.Errorf("exit %d, want %d\n%s", code, exitNoSpace, s.out)
			}
			t.Logf("exit %d: %s", code, lastLine(strings.Split(s.out.String(), "\n  ")[0]))
			c.assertWhole()
			c.scratchFree()
			c.recover()
		})
	}
}
