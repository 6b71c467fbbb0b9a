package tree

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

func TestPlaceKernel(t *testing.T) {
	need(t)
	sum := strings.Repeat("ab", 32)
	for _, tt := range []struct {
		name  string
		in    map[string]string
		want  []string
		fails string
	}{
		{
			name: "in boot",
			in: map[string]string{
				"boot/vmlinuz-6.1": "k", "boot/System.map-6.1": "m", "boot/config-6.1": "c", "boot/.vmlinuz-6.1.hmac": "00ff  /boot/vmlinuz-6.1\n",
				"boot/initrd.img-6.1": "i", "boot/efi/EFI/x": "e", "boot/loader/entries/x": "", "boot/0123456789abcdef0123456789abcdef/6.1/linux": "",
				"boot/vmlinuz-0-rescue-1": "r", "usr/lib/modules/6.1/kernel/": "",
			},
			want: []string{
				"boot/ 0755", "usr/lib/modules/ 0755", "usr/lib/modules/6.1/ 0755", `usr/lib/modules/6.1/.vmlinuz.hmac 0644 "00ff  vmlinuz\n"`,
				`usr/lib/modules/6.1/System.map 0644 "m"`, `usr/lib/modules/6.1/config 0644 "c"`, "usr/lib/modules/6.1/kernel/ 0755",
				`usr/lib/modules/6.1/vmlinuz 0644 "k"`, "usr/lib/ostree-boot/ 0755", "usr/lib/ostree-boot/efi/ 0755", "usr/lib/ostree-boot/efi/EFI/ 0755",
				`usr/lib/ostree-boot/efi/EFI/x 0644 "e"`,
			},
		},
		{
			name: "with its modules", in: map[string]string{"usr/lib/modules/6.1/vmlinuz": "k", "usr/lib/modules/6.1/initramfs.img": "i", "usr/lib/modules/5/x": ""},
			want: []string{"boot/ 0755", "usr/lib/modules/ 0755", "usr/lib/modules/5/ 0755", `usr/lib/modules/5/x 0644 ""`, "usr/lib/modules/6.1/ 0755", `usr/lib/modules/6.1/vmlinuz 0644 "k"`},
		},
		{
			name: "with a checksum", in: map[string]string{"usr/lib/ostree-boot/vmlinuz-6.1-" + sum: "k", "usr/lib/ostree-boot/initramfs-6.1.img-" + sum: "i"},
			want: []string{"boot/ 0755", "usr/lib/modules/ 0755", "usr/lib/modules/6.1/ 0755", `usr/lib/modules/6.1/vmlinuz 0644 "k"`},
		},
		{name: "two", in: map[string]string{"boot/vmlinuz-1": "", "boot/vmlinuz-2": ""}, fails: "the tree has 2 kernels, want one: 1, 2"},
		{name: "none", in: map[string]string{"boot/": ""}, fails: "the tree has no kernel: /usr/lib/modules is empty"},
		{name: "modules only", in: map[string]string{"usr/lib/modules/6/x": ""}, fails: "the tree has no kernel: no vmlinuz in /boot or /usr/lib/modules/*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, _ := newTree(t, tt.in)
			r, err := tr.open()
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			if err := r.emptyBoot(); err != nil {
				t.Fatal(err)
			}
			kver, err := r.findKernel()
			if err == nil {
				err = r.placeKernel(kver)
			}
			if tt.fails != "" {
				if err == nil || err.Error() != tt.fails {
					t.Errorf("got %v, want %s", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := list(t, tr.Root, "boot", "usr/lib/modules")
			if r.exists(bootDir) {
				got = append(got, list(t, tr.Root, bootDir)...)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLinkBoot(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"usr/lib/modules/6.1/vmlinuz": "kernel", "usr/lib/modules/6.1/initramfs.img": "initramfs"})
	if err := tr.LinkBoot("6.1"); err != nil {
		t.Fatal(err)
	}
	const sum = "2bc969738d2fe613925042519dbc8fad37fdbdd7ef87fcbaf99ed2c4847ffc92" // printf kernelinitramfs | sha256sum
	want := []string{
		"usr/lib/ostree-boot/ 0755", `usr/lib/ostree-boot/initramfs-6.1.img-` + sum + ` 0644 "initramfs"`,
		`usr/lib/ostree-boot/vmlinuz-6.1-` + sum + ` 0644 "kernel"`,
	}
	if diff := cmp.Diff(want, list(t, tr.Root, bootDir)); diff != "" {
		t.Error(diff)
	}
	tr, _ = newTree(t, map[string]string{"usr/lib/modules/6.1/vmlinuz": "kernel"}) // no-initramfs
	if err := tr.LinkBoot("6.1"); err != nil {
		t.Fatal(err)
	}
	const alone = "6923dd1bc0460082c5d55a831908c24a282860b7f1cd6c2b79cf1bc8857c639c" // printf kernel | sha256sum
	want = []string{"usr/lib/ostree-boot/ 0755", `usr/lib/ostree-boot/vmlinuz-6.1-` + alone + ` 0644 "kernel"`}
	if diff := cmp.Diff(want, list(t, tr.Root, bootDir)); diff != "" {
		t.Error(diff)
	}
}

func TestDracutArgs(t *testing.T) {
	for _, tt := range []struct {
		name, help string
		in         InitramfsOptions
		want       string
	}{
		{"default", "--reproducible  Create", InitramfsOptions{KVER: "6.1"}, "dracut --reproducible -v --add ostree --tmpdir /tmp/dracut -f /out --no-hostonly --kver 6.1"},
		{"own", "", InitramfsOptions{KVER: "6.1", Args: []string{"--omit", "a b"}}, "dracut -v --add ostree --tmpdir /tmp/dracut -f /out --omit a b --kver 6.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, strings.Join(DracutArgs(tt.in, tt.help, "/out"), " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestInitramfsTail lets cpio read the archive.
func TestInitramfsTail(t *testing.T) {
	need(t, "cpio")
	tr, _ := newTree(t, map[string]string{
		"usr/etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "NAME=N\nVERSION=\"1 (x)\"\nVERSION_ID=1\nPRETTY_NAME='N 1'\nOSTREE_VERSION='1.2'\n",
		"usr/lib/dracut/dracut-version.sh": "#!/bin/sh\nDRACUT_VERSION=059\n",
	})
	r, err := tr.open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	tail, err := r.initramfsTail()
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	err = proc.Run(t.Context(), proc.Cmd{Args: []string{"cpio", "-itv", "--quiet", "--numeric-uid-gid"}, Stdin: bytes.NewReader(tail), Line: func(l string) { said = append(said, strings.Join(strings.Fields(l), " ")) }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
		"crw-rw-rw- 1 0 0 1, 8 Jan 1 1970 dev/random",
		"crw-rw-rw- 1 0 0 1, 9 Jan 1 1970 dev/urandom",
		"-rw-r--r-- 1 0 0 130 Jan 1 1970 usr/lib/initrd-release",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	dir := t.TempDir()
	run(t, proc.Cmd{Args: []string{"cpio", "-id", "--quiet", "usr/lib/initrd-release"}, Dir: dir, Stdin: bytes.NewReader(tail)})
	text, err := os.ReadFile(filepath.Join(dir, "usr/lib/initrd-release"))
	if err != nil {
		t.Fatal(err)
	}
	release := "NAME=N\nVERSION_ID=1\nOSTREE_VERSION='1.2'\nVERSION=\"1 (x) dracut-059\"\nPRETTY_NAME=\"N 1 dracut-059 (Initramfs)\"\nDRACUT_VERSION=\"059\"\n"
	if diff := cmp.Diff(release, string(text)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("NAME=N\nVERSION_ID=1\n", string(withoutVersion([]byte("NAME=N\nVERSION=1\nVERSION_ID=1\nPRETTY_NAME=x\nOSTREE_VERSION='1'\nBUILD_ID=7\n")))); diff != "" {
		t.Error(diff)
	}
}

func TestSubsDist(t *testing.T) {
	in := "/run /var/run\n/var/home /home\n/etc/systemd/system /usr/lib/systemd/system\n"
	want := "/run /var/run\n# /var/home /home\n/etc/systemd/system /usr/lib/systemd/system\n/home /var/home\n/usr/etc /etc\n/usr/lib/opt /opt\n" +
		"/usr/etc/systemd/system /usr/lib/systemd/system\n"
	got := string(subsDist([]byte(in)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(got, string(subsDist([]byte(got)))); diff != "" {
		t.Errorf("a second run: %s", diff)
	}
}
