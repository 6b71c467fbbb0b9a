package live

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace/event"
)

// stage lays a small tree in two parts out: what is on the host is not what is to come.
func stage(t *testing.T) Tree {
	t.Helper()
	dir := t.TempDir()
	root, boot := filepath.Join(dir, "root"), filepath.Join(dir, "boot")
	write(t, filepath.Join(root, "usr/bin/su"), []byte("su"))
	write(t, filepath.Join(root, "usr/share/large"), []byte(strings.Repeat("0123456789", 30000)))
	write(t, filepath.Join(root, "etc/shadow"), []byte("secret"))
	write(t, filepath.Join(root, "etc/made here"), nil)
	write(t, filepath.Join(boot, "vmlinuz"), []byte("kernel"))
	err := errors.Join(
		os.Mkdir(filepath.Join(root, "boot"), 0o700),
		os.Link(filepath.Join(root, "usr/bin/su"), filepath.Join(root, "usr/bin/zz")),
		os.Symlink("usr/bin", filepath.Join(root, "bin")),
		os.Chtimes(root, time.Unix(5, 0), time.Unix(5, 0)),
		// The kernel is one inode of the host and two of the target.
		os.Link(filepath.Join(boot, "vmlinuz"), filepath.Join(root, "usr/vmlinuz")),
		os.Chmod(filepath.Join(root, "etc/made here"), 0o640),
	)
	if err != nil {
		t.Fatal(err)
	}
	return Tree{Time: time.Unix(1700000000, 0), Parts: []Part{
		{Dir: root, At: "/", Inodes: []disk.Inode{
			{Path: "/", Mode: unix.S_IFDIR | 0o751},
			{Path: "/boot", Mode: unix.S_IFDIR | 0o755},
			{Path: "/usr/bin/su", Mode: unix.S_IFREG | 0o4755, Xattrs: map[string][]byte{"user.a": {0, 1, 2}, "user.b": []byte("b")}},
			{Path: "/usr/share/large", Mode: unix.S_IFREG | 0o644, UID: 70000, GID: 5},
			{Path: "/etc/shadow", Mode: unix.S_IFREG | 0o640, GID: 42},
			{Path: "/bin", Mode: unix.S_IFLNK | 0o777, UID: 3},
			{Path: "/usr/vmlinuz", Mode: unix.S_IFREG | 0o600},
		}},
		{Dir: boot, At: "/boot", Inodes: []disk.Inode{{Path: "/", Mode: unix.S_IFDIR | 0o700}, {Path: "/vmlinuz", Mode: unix.S_IFREG | 0o755, UID: 9}}},
	}}
}

// what unsquashfs lists of the tree: mode, owner, size, time, path.
const stageListing = `drwxr-x--x 0/0 60 2023-11-14 22:13 squashfs-root
lrwxrwxrwx 3/0 7 2023-11-14 22:13 squashfs-root/bin -> usr/bin
drwxr-xr-x 0/0 30 2023-11-14 22:13 squashfs-root/boot
-rwxr-xr-x 9/0 6 2023-11-14 22:13 squashfs-root/boot/vmlinuz
drwxr-xr-x 0/0 46 2023-11-14 22:13 squashfs-root/etc
-rw-r----- 0/0 0 2023-11-14 22:13 squashfs-root/etc/made here
-rw-r----- 0/42 6 2023-11-14 22:13 squashfs-root/etc/shadow
drwxr-xr-x 0/0 54 2023-11-14 22:13 squashfs-root/usr
drwxr-xr-x 0/0 35 2023-11-14 22:13 squashfs-root/usr/bin
-rwsr-xr-x 0/0 2 2023-11-14 22:13 squashfs-root/usr/bin/su
-rwsr-xr-x 0/0 2 2023-11-14 22:13 squashfs-root/usr/bin/zz
drwxr-xr-x 0/0 28 2023-11-14 22:13 squashfs-root/usr/share
-rw-r--r-- 70000/5 300000 2023-11-14 22:13 squashfs-root/usr/share/large
-rw------- 0/0 6 2023-11-14 22:13 squashfs-root/usr/vmlinuz`

func TestSquash(t *testing.T) {
	need(t, "mksquashfs", "unsquashfs")
	var sums []string
	for _, compressor := range []string{"zstd", "gzip", "zstd"} { // of zstd two trees that are the same
		tree := stage(t)
		name := filepath.Join(t.TempDir(), "rootfs ?.img")
		s := Squash{Tree: tree, Compression: CompressionOf(compressor, Quick), Path: name, Offset: SquashfsOffset}
		if err := WriteSquash(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(data)))
		plain := write(t, filepath.Join(t.TempDir(), "plain"), data[SquashfsOffset:])
		cmd := exec.CommandContext(t.Context(), "unsquashfs", "-lln", plain)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "squashfs-root") {
				lines = append(lines, strings.ReplaceAll(strings.Join(strings.Fields(line), " "), "/ ", "/"))
			}
		}
		if diff := cmp.Diff(stageListing, strings.Join(lines, "\n")); diff != "" {
			t.Errorf("%s: %s", compressor, diff)
		}
		if t.Failed() {
			return
		}
		unpacked(t, plain)
	}
	if sums[0] != sums[2] || sums[0] == sums[1] {
		t.Errorf("the same tree twice, and once with another compressor: %v", sums)
	}
}

// unpacked looks at what a listing does not show: hard links and attributes.
func unpacked(t *testing.T, squash string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	if out, err := exec.CommandContext(t.Context(), "unsquashfs", "-q", "-n", "-d", dir, squash).CombinedOutput(); err != nil && os.Getuid() == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	one, err := os.Stat(filepath.Join(dir, "usr/bin/su"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.Stat(filepath.Join(dir, "usr/bin/zz"))
	if err != nil || !os.SameFile(one, two) {
		t.Errorf("the names of one file are of two, %v", err)
	}
	value := make([]byte, 16)
	for name, want := range map[string]string{"user.a": "\x00\x01\x02", "user.b": "b"} {
		n, err := unix.Lgetxattr(filepath.Join(dir, "usr/bin/su"), name, value)
		if err != nil || string(value[:n]) != want {
			t.Errorf("%s: %q, %v", name, value[:max(0, n)], err)
		}
	}
}

// warnings keeps what was said.
type warnings []string

func (w *warnings) Emit(e event.Event) {
	if e.Kind == event.Log {
		*w = append(*w, e.Text)
	}
}

func TestSquashFails(t *testing.T) {
	need(t, "mksquashfs")
	out := filepath.Join(t.TempDir(), "x")
	squash := func(ctx context.Context, tree Tree, r *event.Reporter) error {
		return WriteSquash(ctx, Squash{Tree: tree, Compression: CompressionOf("zstd", Quick), Path: out}, r)
	}
	tree := stage(t)
	tree.Parts[0].Inodes[4].Mode = unix.S_IFDIR | 0o755
	if err := squash(t.Context(), tree, nil); err == nil || !strings.Contains(err.Error(), "/etc/shadow: it is of another type than the list says") {
		t.Errorf("a list of another tree: %v", err)
	}
	tree = stage(t)
	tree.Parts[0].Inodes[4].Path = "/etc/none"
	if err := squash(t.Context(), tree, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a listed file that is not there: %v", err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if err := squash(ctx, stage(t), nil); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	var said warnings
	tree = stage(t)
	tree.Parts[0].Inodes[4].Xattrs = map[string][]byte{"system.posix_acl_access": {1}}
	if err := squash(t.Context(), tree, event.NewReporter("rootfs", &said, nil, time.Now)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(warnings{"/etc/shadow: squashfs has no place for the attribute system.posix_acl_access"}, said); diff != "" {
		t.Error(diff)
	}
	t.Setenv("PATH", fakeTool(t, "mksquashfs", "cat >/dev/null; echo 'FATAL ERROR: write failed because No space left on device' >&2; exit 1"))
	if err := squash(t.Context(), stage(t), nil); err == nil || !strings.Contains(err.Error(), "No space left on device") {
		t.Errorf("a full disk: %v", err)
	}
	t.Setenv("PATH", fakeTool(t, "mksquashfs", "exit 3")) // it reads nothing: the writer must end
	if err := squash(t.Context(), stage(t), nil); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a program that ends at once: %v", err)
	}
	t.Setenv("PATH", fakeTool(t, "mksquashfs", `cat >/dev/null; echo nothing >"$2"`))
	if err := squash(t.Context(), stage(t), nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a program that makes something else: %v", err)
	}
}

// fakeTool gives a PATH in which a program is a script.
func fakeTool(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir + ":" + os.Getenv("PATH")
}

func TestSquashArgs(t *testing.T) {
	for _, tt := range []struct {
		compressor string
		effort     Effort
		want       string
	}{
		{"zstd", Dense, "-comp zstd -b 131072 -Xcompression-level 15"},
		{"zstd", Quick, "-comp zstd -b 131072 -Xcompression-level 3"},
		{"gzip", Quick, "-comp gzip -b 131072 -Xcompression-level 1"},
		{"lz4", Dense, "-comp lz4 -b 131072"},
		{"xz", Quick, "-comp xz -b 131072"},
	} {
		s := Squash{
			Compression: CompressionOf(tt.compressor, tt.effort), Path: "/w/rootfs.img", Offset: 124,
			Tree: Tree{Parts: []Part{{Inodes: []disk.Inode{{Path: "/", Mode: unix.S_IFDIR | 0o711}}}}},
		}
		want := "mksquashfs - rootfs.img -tar -noappend -no-progress -quiet -exit-on-error -root-mode 711 -offset 124 " + tt.want
		if diff := cmp.Diff(want, strings.Join(s.Args(), " ")); diff != "" {
			t.Error(diff)
		}
	}
}
