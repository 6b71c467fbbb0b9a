//go:build e2e

package install

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/builder/disk"
)

// The boot partition of a disk is fitted through a real mount; the disk is a
// file, and a block device that is made of a file.
func TestFullFit(t *testing.T) {
	lacks := t.Skip
	if os.Getenv("CI") == "true" {
		lacks = t.Fatal
	}
	if os.Getuid() != 0 {
		lacks("needs root")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		lacks(err)
	}
	image := bootableImage(t)
	for _, block := range []bool{false, true} {
		name := filepath.Join(t.TempDir(), "disk")
		device := name
		if block {
			f, err := os.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Truncate(testImageSize + 5<<20); err != nil {
				t.Fatal(err)
			}
			loop, err := attach(f, disk.Partition{Size: testImageSize + 5<<20})
			if err != nil {
				lacks("no loop device: ", err)
			}
			t.Cleanup(func() { _ = errors.Join(loop.Close(), f.Close()) })
			device = loop.Name()
		}
		config := write(t, "config.ign", []byte(`{"ignition":{"version":"3.3.0"}}`))
		req := Request{Device: device, Image: Image{File: image}, IgnitionFile: config, Boot: Boot{Append: []string{"quiet"}, Platform: "openstack"}}
		if err := Install(t.Context(), req, &steps{}); err != nil {
			t.Fatal(err)
		}
		out := exec.CommandContext(t.Context(), "debugfs", "-R", "cat /loader.1/entries/ostree-1-nestos.conf", device+"?offset=1048576")
		if text, err := out.Output(); err != nil || !strings.Contains(string(text), "ignition.platform.id=openstack console=ttyS0 console=tty0 quiet quiet\n") {
			t.Errorf("%s: the entry is %q, %v", device, text, err)
		}
		out = exec.CommandContext(t.Context(), "debugfs", "-R", "cat /ignition/config.ign", device+"?offset=1048576")
		if text, err := out.Output(); err != nil || !strings.Contains(string(text), `{"ignition":{"version":"3.3.0"}}`) {
			t.Errorf("%s: the config is %q, %v", device, text, err)
		}
		head := make([]byte, 512)
		f, err := os.Open(device)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Read(head); err != nil || !bytes.HasPrefix(head, []byte("boot sector")) {
			t.Errorf("%s: the boot sector is not there (%v)", device, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if !block {
			continue
		}
		used, err := os.OpenFile(device, os.O_RDWR|os.O_EXCL, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := Install(t.Context(), req, &steps{}); !errors.Is(err, ErrBusy) {
			t.Errorf("of a disk that another program has: %v", err)
		}
		if err := used.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// bootableImage is a disk image with an ext4 boot partition.
func bootableImage(t *testing.T) string {
	t.Helper()
	root := bootDir(t)
	image := testImage(512)
	name := write(t, "image", image)
	cmd := exec.CommandContext(t.Context(), "mke2fs", "-q", "-t", "ext4", "-d", root.Name(), "-E", "offset=1048576", name, "2000k")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return name
}
