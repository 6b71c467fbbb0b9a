package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// benchStage makes a root of 10,000 files of which a tenth are hard links, with
// the sizes of a system's files, and their metadata with a label each.
func benchStage(b *testing.B, dir string) (root string, inodes []Inode) {
	b.Helper()
	root = filepath.Join(dir, "root")
	label := map[string][]byte{"security.selinux": []byte("system_u:object_r:usr_t:s0\x00")}
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i*i>>7 | 1)
	}
	for i := range 10_000 {
		d := filepath.Join("usr", strconv.Itoa(i%100), strconv.Itoa(i%700))
		name := filepath.Join(d, strconv.Itoa(i))
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			b.Fatal(err)
		}
		size := 2000 + i%7*6000
		if i%100 == 0 {
			size = len(data)
		}
		if err := os.WriteFile(filepath.Join(root, name), data[:size], 0o644); err != nil {
			b.Fatal(err)
		}
		inodes = append(inodes, Inode{Path: "/" + name, UID: uint32(i % 3), Mode: 0o100755, Xattrs: label})
		if i%10 == 0 {
			if err := os.Link(filepath.Join(root, name), filepath.Join(root, name+"-link")); err != nil {
				b.Fatal(err)
			}
		}
	}
	return root, inodes
}

// BenchmarkWrite measures a whole image against nothing but "mke2fs -d" of the
// same root; the metric "x-mke2fs" is the ratio.
func BenchmarkWrite(b *testing.B) {
	needDisk(b)
	dir := b.TempDir()
	root, inodes := benchStage(b, dir)
	boot := filepath.Join(dir, "boot")
	if err := os.Mkdir(boot, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(boot, "initramfs"), make([]byte, 32<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	l, err := NewLayout(LayoutRequest{Arch: "x86_64", RootSize: 800 * event.MiB})
	if err != nil {
		b.Fatal(err)
	}
	im := Image{
		Path: filepath.Join(dir, "disk.raw"), Layout: l, Epoch: epoch, Boot: Filesystem{Dir: boot}, Root: Filesystem{Dir: root, Inodes: inodes},
		ESP: []File{{Path: "EFI/BOOT/BOOTX64.EFI", Data: make([]byte, 1<<20)}},
	}
	var bare, whole time.Duration
	for b.Loop() {
		start := time.Now()
		raw := filepath.Join(dir, "bare.raw")
		args := []string{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", root, raw, fmt.Sprint(int64(800 * event.MiB / 4096))}
		if err := proc.Run(b.Context(), proc.Cmd{Args: args}); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(start)
		start = time.Now()
		if err := Write(b.Context(), im, nil); err != nil {
			b.Fatal(err)
		}
		whole += time.Since(start)
		for _, p := range []string{raw, im.Path} {
			if err := os.Remove(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(whole.Seconds()/bare.Seconds(), "x-mke2fs")
	b.ReportMetric(whole.Seconds()/float64(b.N), "s/image")
}
