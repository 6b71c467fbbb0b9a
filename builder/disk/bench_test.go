package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
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

// cost is what a piece of work took: by the clock, and on all processors by
// this process and its children.
type cost struct{ wall, cpu time.Duration }

func (c *cost) measure(b *testing.B, work func() error) {
	b.Helper()
	cpu, start := cpuTime(b), time.Now()
	if err := work(); err != nil {
		b.Fatal(err)
	}
	c.wall += time.Since(start)
	c.cpu += cpuTime(b) - cpu
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// BenchmarkWrite measures a whole image against nothing but "mke2fs -d" of the
// same root, in the metrics that .ci/bench makes a table of.
func BenchmarkWrite(b *testing.B) { b.Run("disk-image/mke2fs_-d", benchWrite) }

func benchWrite(b *testing.B) {
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
	var bare, whole cost
	for b.Loop() {
		raw := filepath.Join(dir, "bare.raw")
		args := []string{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", root, raw, fmt.Sprint(int64(800 * event.MiB / 4096))}
		bare.measure(b, func() error { return proc.Run(b.Context(), proc.Cmd{Args: args}) })
		whole.measure(b, func() error { return Write(b.Context(), im, nil) })
		for _, p := range []string{raw, im.Path} {
			if err := os.Remove(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	n := float64(b.N)
	for unit, value := range map[string]float64{
		"ns/op": 0, "x-aim": 1.8,
		"s-wall": whole.wall.Seconds() / n, "s-wall-base": bare.wall.Seconds() / n, "x-wall": whole.wall.Seconds() / bare.wall.Seconds(),
		"s-cpu": whole.cpu.Seconds() / n, "s-cpu-base": bare.cpu.Seconds() / n, "x-cpu": whole.cpu.Seconds() / bare.cpu.Seconds(),
	} {
		b.ReportMetric(value, unit)
	}
}
