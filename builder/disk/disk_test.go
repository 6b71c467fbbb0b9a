package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

var epoch = time.Unix(1_700_000_000, 0)

// capNetRaw is security.capability of cap_net_raw+ep (linux/capability.h, revision 2).
var capNetRaw = []byte{1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// oddNames are names that have to survive: quoting, UTF-8, bytes that are not, a newline.
func oddNames() []string {
	return []string{"plain", "two words", `quo"te`, `back\slash`, "line\nbreak", "云底座", "bad\xff\xfeutf8", "<12>", "-f", "debugfs: ls -p <2>", "tab\there", strings.Repeat("n", 255)}
}

// stage makes a root with everything that an image of a system has in it. The
// order of creation must not matter; reversed makes it in the other one.
func stage(t testing.TB, dir string, reversed bool) (root, boot string, inodes []Inode) {
	t.Helper()
	root, boot = filepath.Join(dir, "root"), filepath.Join(dir, "boot")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	deep := filepath.Join(root, "ostree/deploy/nestos/deploy/abc.0/usr/lib/a/b/c/d/e/f")
	must(os.MkdirAll(deep, 0o755))
	must(os.MkdirAll(filepath.Join(root, "odd"), 0o755))
	must(os.MkdirAll(filepath.Join(boot, "loader.1/entries"), 0o755))
	must(os.Symlink("loader.1", filepath.Join(boot, "loader")))
	must(os.WriteFile(filepath.Join(boot, "loader.1/entries/ostree-1.conf"), []byte("title x\nversion 1\n"), 0o644))
	names := oddNames()
	for i := range 400 {
		names = append(names, fmt.Sprintf("file-%d", i))
	}
	for i := range names {
		n := names[i]
		if reversed {
			n = names[len(names)-1-i]
		}
		must(os.WriteFile(filepath.Join(root, "odd", n), []byte("content of "+n), 0o644))
	}
	for i, n := range oddNames() {
		inodes = append(inodes, Inode{Path: "/odd/" + n, UID: uint32(70_000 + i), GID: 4_000_000_000, Mode: 0o100640, Xattrs: map[string][]byte{"security.selinux": []byte("system_u:object_r:usr_t:s0\x00")}})
	}
	big := filepath.Join(root, "big")
	must(os.WriteFile(big, bytes.Repeat([]byte("0123456789abcdef"), 1<<16), 0o644))
	must(os.Truncate(big, 8<<20)) // a hole
	must(os.WriteFile(filepath.Join(deep, "su"), []byte("#!"), 0o755))
	must(os.Link(filepath.Join(deep, "su"), filepath.Join(root, "hard link")))
	must(os.Symlink("/etc/x\ny", filepath.Join(root, "link")))
	must(os.Symlink("/"+strings.Repeat("long/", 40), filepath.Join(root, "long link")))
	must(unix.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	label := map[string][]byte{"security.selinux": []byte("system_u:object_r:bin_t:s0\x00")}
	inodes = append(
		inodes,
		Inode{Path: "/", Mode: 0o040755, Flags: FlagImmutable, Xattrs: label},
		Inode{Path: "ostree/deploy/nestos/deploy/abc.0", Mode: 0o040755, Flags: FlagImmutable},
		Inode{Path: "/hard link", Mode: 0o104755, UID: 1, GID: 2, Xattrs: map[string][]byte{
			"security.capability": capNetRaw, "user.empty": {}, "user.long": bytes.Repeat([]byte{0, 1, '"', '\n'}, 700), "security.selinux": label["security.selinux"],
		}},
		Inode{Path: "/link", Mode: 0o120777, UID: 5, Xattrs: label},
		Inode{Path: "/lost+found", Mode: 0o700, Xattrs: label},
	)
	_ = unix.Setxattr(filepath.Join(root, "odd/file-7"), "security.selinux", []byte("host_t"), 0) // needs root
	if unix.Setxattr(big, "user.ostreemeta", []byte("host"), 0) == nil {
		inodes = append(inodes, Inode{Path: "/big", Mode: 0o100644, DropXattrs: []string{"user.ostreemeta"}, Xattrs: map[string][]byte{"user.new": []byte("x")}})
	}
	return root, boot, inodes
}

// image gives an Image of a stage.
func image(t testing.TB, sector event.Bytes, reversed bool) Image {
	t.Helper()
	dir := t.TempDir()
	root, boot, inodes := stage(t, dir, reversed)
	l, err := NewLayout(LayoutRequest{Arch: "x86_64", SectorSize: sector, DiskSize: 600 * event.MiB, RootSize: 64 * event.MiB})
	if err != nil {
		t.Fatal(err)
	}
	return Image{
		Path: filepath.Join(dir, "what?is@@this.raw"), Layout: l, Epoch: epoch,
		Root: Filesystem{Dir: root, Inodes: inodes, Epoch: time.Unix(0, 0)},
		Boot: Filesystem{Dir: boot},
		ESP: []File{
			{Path: "EFI/BOOT/BOOTX64.EFI", Data: bytes.Repeat([]byte("efi"), 100_000)},
			{Path: "EFI/nestos/grub.cfg", Data: []byte("configfile\n")},
			{Path: "EFI/nestos/empty", Data: nil},
		},
	}
}

func needDisk(t testing.TB) {
	need(t, "mke2fs", "debugfs", "mkfs.fat", "mcopy", "mmd")
}

// partition copies a partition of the image into a file of its own.
func partition(t *testing.T, im Image, name string) string {
	t.Helper()
	p, err := im.Layout.Partition(name)
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(im.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, io.NewSectionReader(in, int64(p.Start), int64(p.Size))); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Cmd{Args: args})
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

func TestWrite(t *testing.T) {
	needDisk(t)
	need(t, "e2fsck", "fsck.fat", "sfdisk", "mtype")
	for _, sector := range []event.Bytes{512, 4096} {
		t.Run(fmt.Sprint(int(sector)), func(t *testing.T) {
			im := image(t, sector, false)
			if err := Write(t.Context(), im, nil); err != nil {
				t.Fatal(err)
			}
			output(t, "e2fsck", "-fn", partition(t, im, Boot))
			root := partition(t, im, Root)
			output(t, "e2fsck", "-fn", root)
			checkInodes(t, root)
			esp := partition(t, im, EFISystem)
			output(t, "fsck.fat", "-n", esp)
			got := output(t, "mtype", "-i", esp, "::EFI/BOOT/BOOTX64.EFI")
			if d := cmp.Diff(strings.Repeat("efi", 100_000), got); d != "" {
				t.Error("the boot program is not what was put in")
			}
			if sector == 512 {
				output(t, "sfdisk", "--verify", im.Path)
			}
			left, err := filepath.Glob(filepath.Join(filepath.Dir(im.Path), ".*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
			var st syscall.Stat_t
			if err := syscall.Stat(im.Path, &st); err != nil {
				t.Fatal(err)
			}
			if got := event.Bytes(st.Blocks * 512); got > 32*event.MiB {
				t.Errorf("the image takes %s, the files only 9 MiB", got)
			}
		})
	}
}

// checkInodes reads the metadata back with debugfs.
func checkInodes(t *testing.T, root string) {
	t.Helper()
	ask := func(command string) string {
		out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{"debugfs", "-R", command, root}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(out)), " ")
	}
	tests := []struct {
		file string
		has  []string
	}{
		{`"/hard link"`, []string{"Links: 2", "Mode: 04755", "User: 1 Group: 2", "security.capability (20) = 01 00 00 02 00 20 00", "user.long (2800)", "user.empty (0)", `security.selinux (27) = "system_u:object_r:bin_t:s0\000"`}},
		{"/ostree/deploy/nestos/deploy/abc.0/usr/lib/a/b/c/d/e/f/su", []string{"Links: 2", "Mode: 04755"}},
		{"/", []string{"Flags: 0x80010", "Mode: 0755", "bin_t"}},
		{"/ostree/deploy/nestos/deploy/abc.0", []string{"Flags: 0x80010"}},
		{"/link", []string{"Type: symlink", "User: 5", "bin_t"}},
		{"/lost+found", []string{"Mode: 0700", "bin_t"}},
		{`"/odd/two words"`, []string{"User: 70001 Group: -294967296", "Mode: 0640", "usr_t"}},
		{"/odd/云底座", []string{"User: 70005", "usr_t"}},
		{"/odd/file-7", []string{"Mode: 0644"}},
		{"/fifo", []string{"Type: FIFO"}},
	}
	for _, tt := range tests {
		text := ask("stat " + tt.file)
		for _, want := range append(tt.has, "atime: 0x00000000:00000000", "ctime: 0x00000000:00000000", "mtime: 0x00000000:00000000", "crtime: 0x00000000:00000000") {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", tt.file, want, text)
			}
		}
	}
	for _, path := range []string{"/big", "/odd/file-7"} {
		if text := ask("stat " + path); strings.Contains(text, "ostreemeta") || strings.Contains(text, "host_t") {
			t.Errorf("an attribute of the host is in the image: %s", text)
		}
	}
	nodes, err := volume{dir: filepath.Dir(root), file: filepath.Base(root), epoch: epoch}.nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]node{}
	for _, n := range nodes {
		found[n.path] = n
	}
	for i, name := range oddNames() {
		if n, ok := found["/odd/"+name]; !ok || n.uid != uint32(70_000+i) || n.gid != 4_000_000_000 {
			t.Errorf("%q: %+v, want the owner %d", name, n, 70_000+i)
		}
	}
}

// TestWriteIdentical writes the same content from two stages, made in another
// order, at another time and on another machine's settings.
func TestWriteIdentical(t *testing.T) {
	needDisk(t)
	sum := func(im Image) string {
		t.Helper()
		if err := Write(t.Context(), im, nil); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(im.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	for _, sector := range []event.Bytes{512, 4096} {
		first := sum(image(t, sector, false))
		conf := filepath.Join(t.TempDir(), "mke2fs.conf")
		if err := os.WriteFile(conf, []byte("[defaults]\n\tbase_features = none\n\tinode_size = 128\n\tblocksize = 1024\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Setenv("MKE2FS_CONFIG", conf)
		t.Setenv("TZ", "Asia/Shanghai")
		t.Setenv("SOURCE_DATE_EPOCH", "1")
		t.Setenv("LC_ALL", "zh_CN.UTF-8")
		im := image(t, sector, true)
		old := syscall.Umask(0o077)
		time.Sleep(2100 * time.Millisecond) // the resolution of FAT's times
		second := sum(im)
		syscall.Umask(old)
		if first != second {
			t.Errorf("sectors of %d bytes: %s, then %s", sector, first, second)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	needDisk(t)
	tests := []struct {
		name   string
		change func(*Image)
		want   string
	}{
		{"xfs boot", func(im *Image) { im.Boot.Type = "xfs" }, "only ext4"},
		{"other filesystem", func(im *Image) { im.Root.Type = "btrfs" }, `"btrfs"`},
		{"no stage", func(im *Image) { im.Boot.Dir += "/none" }, "no such file"},
		{"no time", func(im *Image) { im.Epoch = time.Time{} }, "between 1980 and 2038"},
		{"unknown path", func(im *Image) { im.Root.Inodes = []Inode{{Path: "/no such", Mode: 0o100644}} }, `"/no such": the stage has no such file`},
		{"another type", func(im *Image) { im.Root.Inodes = []Inode{{Path: "/odd", Mode: 0o100644}} }, "not the same kind of file"},
		{"hard link with two owners", func(im *Image) {
			im.Root.Inodes = append(im.Root.Inodes, Inode{Path: "/ostree/deploy/nestos/deploy/abc.0/usr/lib/a/b/c/d/e/f/su", Mode: 0o100755})
		}, "one file (a hard link)"},
		{"attribute name", func(im *Image) {
			im.Root.Inodes = []Inode{{Path: "/odd", Mode: 0o040755, Xattrs: map[string][]byte{"user.a b": nil}}}
		}, "cannot be written"},
		{"attribute that ext4 does not take", func(im *Image) {
			im.Root.Inodes = []Inode{{Path: "/odd", Mode: 0o040755, Xattrs: map[string][]byte{"user.x": make([]byte, 5000)}}}
		}, "debugfs: "},
		{"ESP path", func(im *Image) { im.ESP = []File{{Path: "EFI/../../x"}} }, "clean path"},
		{"ESP twice", func(im *Image) { im.ESP = []File{{Path: "EFI/a"}, {Path: "efi/A"}} }, "two of it"},
		{"ESP file", func(im *Image) { im.ESP = []File{{Path: "EFI/a", Source: "/no/such/file"}} }, "EFI/a"},
		{"boot code on 4096", func(im *Image) { im.BIOS, im.Layout.SectorSize = &BootCode{}, 4096 }, "no BIOS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			im := image(t, 512, false)
			tt.change(&im)
			err := Write(t.Context(), im, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(im.Path), "*"))
			hidden, _ := filepath.Glob(filepath.Join(filepath.Dir(im.Path), ".*"))
			if len(left) != 2 || len(hidden) > 0 { // root and boot
				t.Errorf("left behind: %v %v", left, hidden)
			}
		})
	}
}

func TestWriteFull(t *testing.T) {
	needDisk(t)
	im := image(t, 512, false)
	for i := range 10 {
		data := bytes.Repeat([]byte{byte(i + 1)}, 8<<20)
		if err := os.WriteFile(filepath.Join(im.Root.Dir, fmt.Sprint(i)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(t.Context(), im, nil); err == nil || !strings.Contains(err.Error(), "do not fit in 64.0 MiB") {
		t.Errorf("error %v, want one that says how much does not fit", err)
	}
}

func TestWriteCancelled(t *testing.T) {
	needDisk(t)
	im := image(t, 512, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Write(ctx, im, nil); err == nil {
		t.Error("a cancelled Write succeeded")
	}
	if _, err := os.Stat(im.Path); err == nil {
		t.Error("a cancelled Write left an image")
	}
}
