package ostree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBootTitle(t *testing.T) {
	for _, c := range []struct{ name, in, version, want, err string }{
		{name: "pretty name", in: "ID=x\nPRETTY_NAME=\"Nest OS 1\"\n", version: "24.03.1", want: "Nest OS 1 24.03.1 (ostree:0)"},
		{name: "version in name", in: "PRETTY_NAME='Nest OS 24.03.1 (LTS)'", version: "24.03.1", want: "Nest OS 24.03.1 (LTS) (ostree:0)"},
		{name: "no version", in: "ID=nestos", want: "nestos (ostree:0)"},
		{name: "escapes", in: `PRETTY_NAME="a \"b\" \$c \\ ` + "\\`d" + `"`, want: "a \"b\" $c \\ `d (ostree:0)"},
		{name: "nothing", in: "#ID=x\nNAME=y\n", err: "os-release has neither PRETTY_NAME nor ID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := bootTitle([]byte(c.in), c.version)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff([]string{c.want, c.err}, []string{got, text}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBootEntry(t *testing.T) {
	full := kernel{
		version: "6.1", sum: "abc", vmlinuz: bootFile{name: "vmlinuz-6.1"},
		initramfs: bootFile{name: "initramfs-6.1.img"}, devicetree: bootFile{name: "devicetree-6.1"},
	}
	bare := kernel{version: "6.1", sum: "abc", vmlinuz: bootFile{name: "vmlinuz-6.1"}}
	dtb := bare
	dtb.dtb = []bootFile{{name: "dtb/x.dtb"}}
	for _, c := range []struct {
		name string
		in   kernel
		want string
	}{
		{"device tree", full, `title T
version 1
options a b=c ostree=/ostree/boot.1/nestos/abc/0
linux /ostree/nestos-abc/vmlinuz-6.1
initrd /ostree/nestos-abc/initramfs-6.1.img
devicetree /ostree/nestos-abc/devicetree-6.1
`},
		{"no initramfs", bare, `title T
version 1
options a b=c init=/ostree/boot.1/nestos/abc/0/usr/lib/ostree/ostree-prepare-root ostree=/ostree/boot.1/nestos/abc/0
linux /ostree/nestos-abc/vmlinuz-6.1
`},
		{"device trees", dtb, `title T
version 1
options a b=c init=/ostree/boot.1/nestos/abc/0/usr/lib/ostree/ostree-prepare-root ostree=/ostree/boot.1/nestos/abc/0
linux /ostree/nestos-abc/vmlinuz-6.1
fdtdir /ostree/nestos-abc/dtb
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := bootEntry(c.in, "T", "nestos", []string{"a", "b=c"})
			if diff := cmp.Diff(strings.Split(c.want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
