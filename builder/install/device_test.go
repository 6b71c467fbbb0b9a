package install

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeSystem makes what the kernel says of a disk 8:0 with a partition 8:1.
func fakeSystem(t *testing.T, files map[string]string) system {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"sys/dev/block/8:0/size": "1\n", "sys/dev/block/8:0/sda1/partition": "1\n", "sys/dev/block/8:0/sda1/dev": "8:1\n",
		"sys/dev/block/8:1/partition": "1\n",
		"proc/self/mountinfo":         "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n",
		"proc/swaps":                  "Filename\tType\n/dev/zram0 partition\t1\n",
	}
	maps.Copy(all, files)
	for name, text := range all {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return system{filepath.Join(dir, "proc"), filepath.Join(dir, "sys")}
}

func TestBusyDisks(t *testing.T) {
	t.Parallel()
	const mounts = "proc/self/mountinfo"
	tests := []struct {
		name   string
		files  map[string]string
		number string
		want   string // "" is free
		other  bool   // not for being busy
	}{
		{name: "free"},
		{name: "mounted", files: map[string]string{mounts: "30 22 8:0 / /mnt rw - iso9660 /dev/sda ro\n"}, want: "/dev/sda is mounted on /mnt"},
		{name: "partition mounted", files: map[string]string{mounts: "30 22 8:1 /sub /a\\040b rw - ext4 /dev/root rw\n"}, want: "/dev/sda1 is mounted on /a b"},
		{name: "partition of btrfs mounted", files: map[string]string{mounts: "30 22 0:35 / /b rw - btrfs /dev/sda1 rw\n"}, want: "/dev/sda1 is mounted on /b"},
		{name: "swap", files: map[string]string{"proc/swaps": "Filename\n/dev/sda1 partition 5\n"}, want: "/dev/sda1 is swap space"},
		{name: "another's swap", files: map[string]string{"proc/swaps": "Filename\n/dev/sda12 partition 5\n"}},
		{name: "held", files: map[string]string{"sys/dev/block/8:0/sda1/holders/dm-0": ""}, want: "sda1 belongs to dm-0"},
		{name: "a partition", number: "8:1", want: "it is a partition", other: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			number := "8:0"
			if test.number != "" {
				number = test.number
			}
			err := fakeSystem(t, test.files).check("/dev/sda", number)
			if test.want == "" {
				if err != nil {
					t.Errorf("check: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrBusy) == test.other {
				t.Errorf("check: %v, want %q", err, test.want)
			}
		})
	}
}

func TestLiveTree(t *testing.T) {
	t.Parallel()
	sysroot := t.TempDir()
	if err := os.MkdirAll(filepath.Join(sysroot, "ostree/repo"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := fakeSystem(t, map[string]string{"proc/self/mountinfo": "1 0 7:0 /ostree/deploy/nestos/deploy/x.0 / ro - squashfs /dev/loop0 ro\n" +
		"2 1 7:1 / " + t.TempDir() + " ro - squashfs /dev/loop1 ro\n3 1 7:0 / " + sysroot + " ro - squashfs /dev/loop0 ro\n"})
	if got, err := liveTree(s); got != sysroot || err != nil {
		t.Errorf("liveTree = %q, %v; want %q", got, err, sysroot)
	}
	if _, err := liveTree(fakeSystem(t, nil)); err == nil || !strings.Contains(err.Error(), "no live system") {
		t.Errorf("liveTree: %v", err)
	}
}

func FuzzMounts(f *testing.F) {
	f.Add("22 1 254:0 / /a\\040b rw shared:1 - ext4 /dev/vda rw\n")
	f.Add("a b c d\\1 - e f\n - \n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range parseMounts(text) {
			if m.number == "" || m.kind == "" {
				t.Errorf("%q gives %+v", text, m)
			}
		}
	})
}

func TestUnescapeMount(t *testing.T) {
	t.Parallel()
	got := []string{unescapeMount(`/a\040b\134`), unescapeMount(`\04`), unescapeMount(`\999`), unescapeMount(`/`)}
	if diff := cmp.Diff([]string{`/a b\`, `\04`, `\999`, "/"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
