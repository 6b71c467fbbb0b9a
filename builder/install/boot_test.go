package install

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testOptions = "root=LABEL=root rw ignition.platform.id=metal console=tty0 console=ttyS0,115200n8 $ignition_firstboot ostree=/ostree/boot.1/x"

// bootDir makes what a boot partition has.
func bootDir(t *testing.T) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"loader.1/entries/ostree-1-nestos.conf": "title NestOS\nversion 1\noptions " + testOptions + "\nlinux /vmlinuz\n",
		"grub2/grub.cfg":                        "# CONSOLE-SETTINGS-START\nserial --speed=115200\nterminal_input serial console\nterminal_output serial console\n# CONSOLE-SETTINGS-END\nset timeout=1\n",
		"ignition.firstboot":                    "",
		"nestos/platforms.json": `{"metal": {"grub_commands": ["serial --speed=115200"], "kernel_arguments": ["console=tty0", "console=ttyS0,115200n8"]},
			"openstack": {"grub_commands": ["serial --speed=9600"], "kernel_arguments": ["console=ttyS0 console=tty0", "quiet"]}}`,
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("loader.1", filepath.Join(dir, "loader")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func mustConsole(t *testing.T, spec string) Console {
	t.Helper()
	c, err := ParseConsole(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBoot(t *testing.T) {
	t.Parallel()
	const entry, grub = "loader.1/entries/ostree-1-nestos.conf", "grub2/grub.cfg"
	tests := []struct {
		name  string
		boot  Boot
		want  map[string]string // options of the entry, lines between GRUB's marks, other files as they are
		fails string
	}{
		{name: "kernel arguments", boot: Boot{Append: []string{"quiet", "a=b c"}, Delete: []string{"rw"}}, want: map[string]string{
			entry: strings.Replace(testOptions, " rw", "", 1) + " quiet a=b c",
		}},
		{name: "platform", boot: Boot{Platform: "openstack", Append: []string{"x"}}, want: map[string]string{
			entry: "root=LABEL=root rw $ignition_firstboot ostree=/ostree/boot.1/x ignition.platform.id=openstack console=ttyS0 console=tty0 quiet x",
			grub:  "serial --speed=9600\n",
		}},
		{name: "platform that the image does not know", boot: Boot{Platform: "vmware"}, want: map[string]string{
			entry: "root=LABEL=root rw $ignition_firstboot ostree=/ostree/boot.1/x ignition.platform.id=vmware", grub: "",
		}},
		{name: "console", boot: Boot{Consoles: []Console{mustConsole(t, "ttyS1,9600")}}, want: map[string]string{
			entry: "root=LABEL=root rw $ignition_firstboot ostree=/ostree/boot.1/x ignition.platform.id=metal console=ttyS1,9600",
			grub:  "serial --unit=1 --speed=9600 --word=8 --parity=no\nterminal_input serial\nterminal_output serial\n",
		}},
		{name: "platform with another console", boot: Boot{Platform: "openstack", Consoles: []Console{mustConsole(t, "hvc0")}}, want: map[string]string{
			entry: "root=LABEL=root rw $ignition_firstboot ostree=/ostree/boot.1/x ignition.platform.id=openstack quiet console=hvc0", grub: "",
		}},
		{name: "first boot", boot: Boot{
			FirstbootArgs: "ip=dhcp  rd.neednet=1", ignition: []byte("{}"), network: []file{{"eth.network", []byte("[Match]\n")}},
		}, want: map[string]string{
			entry: testOptions, "ignition.firstboot": "set ignition_network_kcmdline='ip=dhcp rd.neednet=1'\n",
			"ignition/config.ign": "{}", "nestos-firstboot-network/eth.network": "[Match]\n",
		}},
		{name: "delete what is not there", boot: Boot{Delete: []string{"ro"}}, fails: `deleting kernel argument "ro"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := bootDir(t)
			if test.boot.empty() {
				t.Error("empty says that there is nothing to do")
			}
			if err := test.boot.check(); err != nil {
				t.Fatal(err)
			}
			err := test.boot.apply(root)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("apply: %v, want %q", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name := range test.want {
				data, err := root.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				got[name] = string(data)
				if name == entry {
					got[name] = strings.Join(options(data), " ")
					if !strings.HasPrefix(string(data), "title NestOS\nversion 1\noptions ") || !strings.HasSuffix(string(data), "\nlinux /vmlinuz\n") {
						t.Errorf("the entry is %q", data)
					}
				}
				if name == grub {
					_, rest, _ := strings.Cut(string(data), "# CONSOLE-SETTINGS-START\n")
					got[name], _, _ = strings.Cut(rest, "# CONSOLE-SETTINGS-END\nset timeout=1\n")
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The config may hold secrets.
func TestBootModes(t *testing.T) {
	t.Parallel()
	root := bootDir(t)
	b := Boot{ignition: []byte("{}"), network: []file{{"a.nmconnection", nil}}}
	if err := b.apply(root); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"ignition": 0o700, "ignition/config.ign": 0o600, "nestos-firstboot-network/a.nmconnection": 0o600} {
		info, err := root.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
}

func TestBootRefuses(t *testing.T) {
	t.Parallel()
	for _, b := range []Boot{
		{Platform: "a b"},
		{Append: []string{""}},
		{Delete: []string{" "}},
		{Append: []string{"a;reboot"}},
		{FirstbootArgs: "a'b"},
	} {
		if b.check() == nil {
			t.Errorf("%+v is taken", b)
		}
	}
}

func TestParseConsole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		specs []string
		want  []string
	}{
		{[]string{"tty0"}, []string{"terminal_input console", "terminal_output console"}},
		{[]string{"tty0", "ttyS0,115200n8"}, []string{"serial --unit=0 --speed=115200 --word=8 --parity=no", "terminal_input console serial", "terminal_output console serial"}},
		{[]string{"ttyS2,57600e7r", "ttyS3"}, []string{"serial --unit=2 --speed=57600 --word=7 --parity=even", "terminal_input serial", "terminal_output serial"}},
		{[]string{"ttyS1,300o8"}, []string{"serial --unit=1 --speed=300 --word=8 --parity=odd", "terminal_input serial", "terminal_output serial"}},
		{[]string{"ttyAMA0,115200"}, []string{"serial --speed=115200 --word=8 --parity=no", "terminal_input serial", "terminal_output serial"}},
		{[]string{"hvc0"}, nil},
	}
	for _, test := range tests {
		var list []Console
		for _, spec := range test.specs {
			list = append(list, mustConsole(t, spec))
		}
		if diff := cmp.Diff(test.want, consoleCommands(list)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.specs, diff)
		}
	}
	for _, spec := range []string{"", "ttyS0;reboot", "tty0 a", "/dev/tty0", "ttyS0,115200x8", "tty0,"} {
		if _, err := ParseConsole(spec); err == nil {
			t.Errorf("console %q is taken", spec)
		}
	}
}
