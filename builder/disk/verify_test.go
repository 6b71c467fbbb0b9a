package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

// verify gives what Verify finds, a line each: the check, and what is wrong.
func verify(t *testing.T, path string, sector event.Bytes) string {
	t.Helper()
	work := t.TempDir()
	found, err := Verify(t.Context(), VerifyRequest{Path: path, SectorSize: sector, Work: work})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(work); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s: %s\n", f.Check, f.Problem)
	}
	return b.String()
}

const wholeImage = "partition table: \nfsck.fat of EFI-SYSTEM: \ne2fsck of boot: \ne2fsck of root: \n"

// flip changes bytes of a file and gives what puts them back.
func flip(t *testing.T, f *os.File, at int64, n int) (restore func()) {
	t.Helper()
	old := make([]byte, n)
	if _, err := f.ReadAt(old, at); err != nil {
		t.Fatal(err)
	}
	other := make([]byte, n)
	for i := range old {
		other[i] = ^old[i]
	}
	if _, err := f.WriteAt(other, at); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := f.WriteAt(old, at); err != nil {
			t.Fatal(err)
		}
	}
}

// Every damage is found, and named where it is.
func TestVerifyDamage(t *testing.T) {
	needDisk(t)
	need(t, "e2fsck", "fsck.fat")
	for _, sector := range []event.Bytes{512, 4096} {
		t.Run(fmt.Sprint(int64(sector)), func(t *testing.T) {
			im := image(t, sector, false)
			if err := Write(t.Context(), im, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wholeImage, verify(t, im.Path, sector)); diff != "" {
				t.Fatal(diff)
			}
			f, err := os.OpenFile(im.Path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			start := map[string]int64{}
			for _, p := range im.Layout.Partitions {
				start[p.Name] = int64(p.Start)
			}
			s, end := int64(sector), int64(im.Layout.Size)
			for _, tc := range []struct {
				name string
				at   int64
				n    int
				want string
			}{
				{"MBR's signature", 510, 2, "partition table: the first sector is no MBR\n"},
				{"protective entry", 446 + 4, 1, "partition table: the MBR does not protect the partition table\n"},
				{"first header", s + 40, 1, "partition table: first copy of the table: the header's checksum is "},
				{"first signature", s, 1, "partition table: first copy of the table: sector 1 holds no header\n"},
				{"first entries", 2*s + 56, 1, "partition table: first copy of the table: the entries' checksum is "},
				{"second header", end - s + 40, 1, "partition table: second copy of the table, at the end of the disk: the header's checksum is "},
				{"second entries", end - s - 128*128, 1, "partition table: second copy of the table, at the end of the disk: the entries' checksum is "},
				{"superblock of boot", start[Boot] + 1024 + 0x3fc, 4, "e2fsck of boot: "},
				{"inodes of root", start[Root] + 1024 + 4, 3, "e2fsck of root: "},
				{"no filesystem", start[Root] + 1024 + 56, 2, "filesystem of root: no filesystem that is known is on it\n"},
				{"FAT", start[EFISystem] + 32*s, 64, "fsck.fat of EFI-SYSTEM: "},
			} {
				restore := flip(t, f, tc.at, tc.n)
				got := verify(t, im.Path, sector)
				restore()
				at := strings.Index(got, tc.want)
				if at < 0 {
					t.Errorf("%s: got\n%swant %q", tc.name, got, tc.want)
					continue
				}
				if line, _, _ := strings.Cut(got[at:], "\n"); strings.HasSuffix(line, ": ") {
					t.Errorf("%s: nothing found: %s", tc.name, got)
				}
			}
			if err := f.Truncate(end - int64(align)); err != nil { // cut off
				t.Fatal(err)
			}
			if got := verify(t, im.Path, sector); !strings.Contains(got, "second copy of the table, at the end of the disk: sector") {
				t.Errorf("cut: %s", got)
			}
		})
	}
}

func TestVerifyQCOW2(t *testing.T) {
	needDisk(t)
	need(t, "e2fsck", "fsck.fat", "qemu-img")
	im := image(t, 512, false)
	if err := Write(t.Context(), im, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.qcow2")
	if err := QCOW2(t.Context(), im.Path, path, Zstd); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("qemu-img check: \n"+wholeImage, verify(t, path, 512)); diff != "" {
		t.Error(diff)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flip(t, f, 3*65536, 64) // of the tables at its start (qemu's docs/interop/qcow2.rst)
	got := verify(t, path, 512)
	if !strings.HasPrefix(got, "qemu-img check: ") || strings.HasPrefix(got, "qemu-img check: \n") {
		t.Errorf("damaged: %s", got)
	}
}

func TestVerifyXFS(t *testing.T) {
	needDisk(t)
	need(t, "mkfs.xfs", "xfs_repair", "e2fsck", "fsck.fat")
	im := image(t, 512, false)
	var err error
	if im.Layout, err = NewLayout(LayoutRequest{Arch: "x86_64", RootSize: 320 * event.MiB}); err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), im, nil); err != nil {
		t.Fatal(err)
	}
	root, err := im.Layout.Partition(Root)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "xfs")
	output(t, "mkfs.xfs", "-q", "-d", fmt.Sprintf("file,name=%s,size=%d", name, root.Size))
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f, err := os.OpenFile(im.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(io.NewOffsetWriter(f, int64(root.Start)), in); err != nil {
		t.Fatal(err)
	}
	if got, want := verify(t, im.Path, 512), strings.Replace(wholeImage, "e2fsck of root", "xfs_repair of root", 1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	flip(t, f, int64(root.Start)+512, 64) // the free space's header
	if got := verify(t, im.Path, 512); !strings.Contains(got, "xfs_repair of root: ") || strings.Contains(got, "xfs_repair of root: \n") {
		t.Errorf("damaged: %s", got)
	}
}

// What keeps it from checking is no finding.
func TestVerifyErrors(t *testing.T) {
	needDisk(t)
	if _, err := Verify(t.Context(), VerifyRequest{Path: filepath.Join(t.TempDir(), "gone.raw")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no image: %v", err)
	}
	im := image(t, 512, false)
	if err := Write(t.Context(), im, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	if _, err := Verify(ctx, VerifyRequest{Path: im.Path, Work: t.TempDir()}); err == nil {
		t.Error("cancelled: no error")
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Verify(t.Context(), VerifyRequest{Path: im.Path, Work: t.TempDir()}); err == nil {
		t.Error("without programs: no error")
	}
}

// Whatever a table says, reading it ends, and a partition is inside the disk.
func FuzzReadGPT(f *testing.F) {
	l, err := NewLayout(LayoutRequest{Arch: "x86_64", DiskSize: 600 * event.MiB})
	if err != nil {
		f.Fatal(err)
	}
	chunks, err := gpt(l, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(chunks[1].data, chunks[2].data)
	f.Fuzz(func(t *testing.T, header, table []byte) {
		size := 1 * event.MiB
		disk := make([]byte, size)
		copy(disk[512:], header)
		copy(disk[1024:], table)
		got, _ := ReadGPT(strings.NewReader(string(disk)), size, 512)
		for _, p := range got.Partitions {
			if p.Start < 0 || p.Size <= 0 || p.Start+p.Size > size {
				t.Errorf("%+v is outside", p)
			}
		}
	})
}
