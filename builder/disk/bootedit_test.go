package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

const (
	bootLabel = "system_u:object_r:boot_t:s0\x00"
	bootEntry = "/loader.1/entries/ostree-1.conf"
	bls       = "title NestOS\nversion 1\noptions rw $ignition_firstboot root=UUID=1\nlinux /vmlinuz\n"
)

// bootImage writes a disk with labels in its boot partition.
func bootImage(t *testing.T, sector event.Bytes) Image {
	t.Helper()
	needDisk(t)
	need(t, "e2fsck", "qemu-img", "qemu-io")
	im := image(t, sector, false)
	if err := os.WriteFile(filepath.Join(im.Boot.Dir, bootEntry), []byte(bls), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(im.Boot.Dir, "ignition.firstboot"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	im.Boot.Inodes = []Inode{
		{Path: "/", Mode: 0o755, Xattrs: map[string][]byte{selinux: []byte(bootLabel)}},
		{Path: bootEntry, Mode: 0o640, UID: 3, GID: 4, Xattrs: map[string][]byte{selinux: []byte("system_u:object_r:entry_t:s0\x00")}},
	}
	im.Path = filepath.Join(filepath.Dir(im.Path), "base,1.raw")
	if err := Write(t.Context(), im, nil); err != nil {
		t.Fatal(err)
	}
	return im
}

// overlay makes a qcow2 over the image.
func overlay(t *testing.T, im Image, args ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "over,lay=1.qcow2")
	output(t, append([]string{"qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", im.Path, name}, args...)...)
	return name
}

// bootStat gives debugfs' words about files of the boot partition of an image.
func bootStat(t *testing.T, b BootEdit, names ...string) string {
	t.Helper()
	var text string
	err := b.with(t.Context(), func(p bootCopy) error {
		output(t, "e2fsck", "-fn", filepath.Join(p.vol.dir, p.vol.file))
		for _, name := range names {
			said, err := p.vol.ask(t.Context(), "stat "+name+"\n")
			if err != nil {
				return err
			}
			text += strings.Join(strings.Fields(said), " ") + "\n"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestBootEdit(t *testing.T) {
	for _, sector := range []event.Bytes{512, 4096} {
		t.Run(fmt.Sprint(int(sector)), func(t *testing.T) {
			im := bootImage(t, sector)
			before := checksum(t, im.Path)
			b := BootEdit{Image: overlay(t, im, "2G"), Format: "qcow2"} // larger than its base: no second copy of the table at its end
			big := bytes.Repeat([]byte("0123456789abcde\n"), 3<<20/16)
			firstboot, err := FirstbootKargs("rd.neednet=1  ip=dhcp")
			if err != nil {
				t.Fatal(err)
			}
			err = b.Edit(t.Context(), func(ctx context.Context, files *BootFiles) ([]FileEdit, error) {
				edits, err := KargEdits(ctx, files, "console=ttyS0 quiet")
				return append(edits, firstboot, InjectIgnition(big), FileEdit{Path: "/a/b/c", Data: nil}), err
			})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				"/loader/entries/ostree-1.conf": strings.Replace(bls, "root=UUID=1\n", "root=UUID=1 console=ttyS0 quiet\n", 1),
				"ignition.firstboot":            "set ignition_network_kcmdline='rd.neednet=1 ip=dhcp'\n",
				"/ignition/config.ign":          string(big),
				"/a/b/c":                        "",
			}
			err = b.Edit(t.Context(), func(ctx context.Context, files *BootFiles) ([]FileEdit, error) {
				for name, want := range want {
					if got, err := files.Read(ctx, name); err != nil || string(got) != want {
						t.Errorf("%s: %d bytes, %v: %.200q", name, len(got), err, got)
					}
				}
				return nil, nil
			})
			if err != nil {
				t.Error(err)
			}
			stat := bootStat(t, b, bootEntry, "/ignition", "/ignition/config.ign", "/ignition.firstboot")
			stats := [][]string{
				{"Mode: 0640", "User: 3 Group: 4", "entry_t:s0\\000", "mtime: 0x6553f100:00000000"},
				{"Mode: 0755", "User: 0 Group: 0", "boot_t"},
				{"Mode: 0600", "User: 0 Group: 0", "boot_t"},
				{"Mode: 0644"},
			}
			for i, line := range strings.Split(strings.TrimSpace(stat), "\n") {
				for _, w := range stats[i] {
					if !strings.Contains(line, w) {
						t.Errorf("no %q in %s", w, line)
					}
				}
			}
			if checksum(t, im.Path) != before {
				t.Error("the base was written to")
			}
			if info, err := ReadInfo(t.Context(), b.Image, "qcow2"); err != nil || info.ActualSize > 6*event.MiB {
				t.Errorf("the overlay takes %s for 3 MiB, %v", info.ActualSize, err)
			}
			output(t, "qemu-img", "check", "-q", b.Image)
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(b.Image), ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// The same edits on the same image give the same bytes, and removing what was
// written gives back the room.
func TestBootEditRaw(t *testing.T) {
	im := bootImage(t, 512)
	dir := t.TempDir()
	var sums [2]string
	for i := range sums {
		b := BootEdit{Image: filepath.Join(dir, fmt.Sprint(i)), Format: "raw", SectorSize: 512, Work: t.TempDir()}
		output(t, "cp", "--sparse=always", im.Path, b.Image)
		if err := b.Apply(t.Context(), []FileEdit{{Path: "x", Data: bytes.Repeat([]byte("x"), 300_000), Mode: 0o4711}, InjectIgnition([]byte("{}"))}); err != nil {
			t.Fatal(err)
		}
		sums[i] = checksum(t, b.Image)
		if stat := bootStat(t, b, "/x"); !strings.Contains(stat, "Mode: 04711") {
			t.Error(stat)
		}
		if err := b.Apply(t.Context(), []FileEdit{{Path: "x", Remove: true}, {Path: "/nowhere/y", Remove: true}, {Path: "/ignition/config.ign", Data: []byte("{ }")}}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(t.Context(), "/x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what was removed: %v", err)
		}
		if stat := bootStat(t, b, "/ignition/config.ign"); !strings.Contains(stat, "Mode: 0600") || !strings.Contains(stat, "Size: 3") {
			t.Error(stat)
		}
	}
	if sums[0] != sums[1] {
		t.Error("the same edits gave different bytes")
	}
}

func TestBootEditErrors(t *testing.T) {
	im := bootImage(t, 512)
	b := BootEdit{Image: overlay(t, im), Format: "qcow2"}
	empty := filepath.Join(t.TempDir(), "empty.raw")
	if err := os.WriteFile(empty, make([]byte, 4<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	unused := checksum(t, b.Image)
	for _, tt := range []struct {
		name  string
		b     BootEdit
		edits []FileEdit
		want  string
	}{
		{"no table", BootEdit{Image: empty, Format: "raw"}, []FileEdit{{Path: "x"}}, "sector 1 holds no header"},
		{"other sectors", BootEdit{Image: b.Image, Format: "qcow2", SectorSize: 4096}, []FileEdit{{Path: "x"}}, "sectors of 4096"},
		{"no image", BootEdit{Image: empty + "1", Format: "raw"}, nil, "empty.raw1"},
		{"name with a space", b, []FileEdit{{Path: "/a b"}}, `file name "a b" cannot be written`},
		{"name of an inode", b, []FileEdit{{Path: "/<2>"}}, "cannot be written"},
		{"an option", b, []FileEdit{{Path: "/-f/x"}}, "cannot be written"},
		{"below a file", b, []FileEdit{{Path: bootEntry + "/x"}}, "is no directory"},
		{"a directory", b, []FileEdit{{Path: "/loader/entries"}}, "it is there and no file"},
		{"a directory removed", b, []FileEdit{{Path: "/loader/entries", Remove: true}}, "it is a directory"},
		{"the root", b, []FileEdit{{Path: "/"}}, "cannot be written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.b.Apply(t.Context(), tt.edits); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if checksum(t, b.Image) != unused {
		t.Error("an edit that failed wrote into the image")
	}
}

// A machine that was killed leaves its journal to be replayed.
func TestBootEditDirty(t *testing.T) {
	im := bootImage(t, 512)
	part, err := im.Layout.Partition(Boot)
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("%s?offset=%d", im.Path, part.Start)
	output(t, "debugfs", "-w", "-R", "feature needs_recovery", file)
	b := BootEdit{Image: overlay(t, im), Format: "qcow2"}
	if err := b.Apply(t.Context(), []FileEdit{{Path: "/x", Data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if stat := bootStat(t, b, "/x"); !strings.Contains(stat, "Size: 1") {
		t.Error(stat)
	}
}

func TestAddKargs(t *testing.T) {
	for _, tt := range []struct{ name, in, kargs, want, err string }{
		{"appended", bls, " a=b\tc ", strings.Replace(bls, "UUID=1\n", "UUID=1 a=b c\n", 1), ""},
		{"none", bls, " ", bls, ""},
		{"no options", "title x", "a", "title x\noptions a\n", ""},
		{"empty entry", "", "a", "options a\n", ""},
		{"last of several", "options a\noptions b \n", "c", "options a\noptions b c\n", ""},
		{"no newline at the end", "title x\noptions a", "c", "title x\noptions a c\n", ""},
		{"optional is no options", "optionsx a\n", "c", "optionsx a\noptions c\n", ""},
		{"the first-boot variable", "options a\n", "$ignition_firstboot", "options a $ignition_firstboot\n", ""},
		{"quotes", bls, `a="b c"`, "", "quotes"},
		{"a command", bls, "a;reboot", "", "ends a command"},
		{"another variable", bls, "$prefix", "", "begins a variable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AddKargs([]byte(tt.in), tt.kargs)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestFirstbootKargs(t *testing.T) {
	for _, kargs := range []string{"", "rd.neednet=1 ip=dhcp", "ip=[2001:db8::1]:::64::eth0:off", "a=#b"} {
		e, err := FirstbootKargs(kargs)
		if err != nil {
			t.Fatal(err)
		}
		need(t, "grub-script-check")
		name := filepath.Join(t.TempDir(), "firstboot")
		if err := os.WriteFile(name, e.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		output(t, "grub-script-check", name)
		if e.Path != "/ignition.firstboot" || string(e.Data) != "set ignition_network_kcmdline='"+kargs+"'\n" {
			t.Errorf("%q: %+v", kargs, e)
		}
	}
	for _, kargs := range []string{"a='b'", "x\ny; reboot", "a=$b", "a=*"} {
		if e, err := FirstbootKargs(kargs); err == nil {
			t.Errorf("%q: %q", kargs, e.Data)
		}
	}
}

func checksum(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
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
