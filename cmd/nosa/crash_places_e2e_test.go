//go:build e2e && amd64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFullPlaces builds where parts of the workspace are other filesystems, by a
// link or a mount: everything is as ever, to the last byte of the image.
func TestFullPlaces(t *testing.T) {
	disk := smallDisk(t, "1500")
	c := newCrash(t, "qemu")
	for _, part := range []string{"builds", "cache", "tmp"} {
		for _, how := range []string{"link", "mount"} {
			t.Run(part+" by a "+how, func(t *testing.T) {
				c := c.in(t)
				c.cold()
				there := filepath.Join(disk, part+"-"+how)
				shell(t, c.dir, "cp -a "+part+" "+there+" && rm -rf "+part)
				if how == "link" {
					shell(t, c.dir, "ln -s "+there+" "+part)
					t.Cleanup(func() { _ = os.Remove(filepath.Join(c.dir, part)) })
				} else {
					shell(t, c.dir, "mkdir "+part+" && mount --bind "+there+" "+part)
					t.Cleanup(func() { unmount(filepath.Join(c.dir, part)) })
				}
				c.run(0, "fetch", "-q")
				c.run(0, "build", "-q", "--version", crashVersion, "qemu")
				c.assertBuilds()
				c.assertResult()
				c.edit(1)
				c.run(0, "build", "-q", "--version", crashVersion, "qemu", "metal")
				c.assertBuilds()
				c.assertIndexed()
				if left := c.leftovers(); len(left) > 0 {
					t.Errorf("files left over: %v", left)
				}
				c.run(0, "clean", "--all")
				if left := shell(t, c.dir, "find builds/ cache/ tmp/ -mindepth 1 -maxdepth 2"); strings.Contains(left, crashVersion) || strings.Contains(left, "gone") {
					t.Errorf("after a clean:\n%s", left)
				}
			})
		}
	}
}

// TestE2EReadOnly asks for a build where parts of the workspace cannot be
// written: the error names the place, says that it is read-only and what to do,
// and nothing has changed.
func TestE2EReadOnly(t *testing.T) {
	c := newCrash(t, "qemu")
	for _, part := range []string{"builds", "cache", "tmp", "."} {
		t.Run(part, func(t *testing.T) {
			c := c.in(t)
			c.cold()
			dir := filepath.Join(c.dir, part)
			shell(t, dir, "mount --bind . . && mount -o remount,bind,ro "+dir)
			t.Cleanup(func() { unmount(dir) })
			for _, args := range [][]string{{"build", "qemu"}, {"fetch"}, {"clean"}} {
				out, code := c.try(t.Context(), args...)
				if code != exitFailed || !strings.Contains(out, "read-only") || !strings.Contains(out, dir) || !strings.Contains(out, "next: ") {
					if part == "cache" && args[0] == "clean" && code == 0 {
						continue // it does not touch the cache
					}
					t.Errorf("nosa %v: exit %d\n%s", args, code, out)
				}
			}
			if out, code := c.try(t.Context(), "list"); code != 0 {
				t.Errorf("nosa list: exit %d\n%s", code, out)
			}
		})
	}
	c.cold()
	c.recover()
}

func unmount(dir string) { _ = exec.Command("umount", "-l", dir).Run() } //nolint:noctx // must run at the end
