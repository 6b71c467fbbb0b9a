package assets_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const installLayer = "overlay.d/11install"

// TestInstallerGenerator runs the generator as systemd does.
func TestInstallerGenerator(t *testing.T) {
	t.Parallel()
	program := unpack(t, installLayer+"/usr/lib/systemd/system-generators/nestos-installer-generator")
	reboot := []string{
		"early/default.target", "early/nestos-installer.target.requires/nestos-installer.service", "early/nestos-installer.target.wants/nestos-installer-reboot.service",
		"normal/emergency.service.d/20-nestos-installer.conf", "normal/getty@.service.d/20-nestos-installer.conf", "normal/serial-getty@.service.d/20-nestos-installer.conf",
	}
	noreboot := slices.Clone(reboot)
	noreboot[2] = "early/nestos-installer.target.wants/nestos-installer-noreboot.service"
	for _, test := range []struct {
		name    string
		cmdline string
		files   []string
		want    []string
	}{
		{"not asked for", "quiet nestos.inst.install_dev= nestos.inst.image_url=x", []string{"run/ostree-live"}, nil},
		{"not live", "nestos.inst.install_dev=/dev/vda", []string{"etc/nestos/installer.d/a.yaml"}, nil},
		{"kernel argument", "nestos.inst.install_dev=/dev/vda quiet", []string{"run/ostree-live"}, reboot},
		{"file", "quiet", []string{"run/ostree-live", "etc/nestos/installer.d/a.yaml"}, reboot},
		{"other file", "quiet", []string{"run/ostree-live", "etc/nestos/installer.d/README"}, nil},
		{"without a restart", "nestos.inst.install_dev=vda nestos.inst.skip_reboot", []string{"run/ostree-live"}, noreboot},
		{"with a restart", "nestos.inst.install_dev=vda nestos.inst.skip_reboot=0", []string{"run/ostree-live"}, reboot},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root, out := t.TempDir(), t.TempDir()
			for _, name := range append(test.files, "proc/cmdline", "out") {
				name = filepath.Join(root, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(test.cmdline), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			for _, dir := range []string{"normal", "early", "late"} {
				if err := os.Mkdir(filepath.Join(out, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "/bin/sh", program, out+"/normal", out+"/early", out+"/late")
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NESTOS_ROOT=" + root}
			if text, err := cmd.CombinedOutput(); err != nil || len(text) > 0 {
				t.Fatalf("%v: %s", err, text)
			}
			var got []string
			err := filepath.WalkDir(out, func(name string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				rel, err := filepath.Rel(out, name)
				got = append(got, rel)
				if target, linkErr := os.Readlink(name); linkErr == nil {
					read(t, strings.TrimPrefix(filepath.Join(installLayer, target), "/")) // or it fails
				}
				return err
			})
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v; -want +got:\n%s", err, diff)
			}
		})
	}
}

// TestFirstbootNetwork moves files of the boot partition to where they are read.
func TestFirstbootNetwork(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	from := filepath.Join(root, "boot/nestos-firstboot-network")
	if err := os.MkdirAll(from, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.network", "b c.nmconnection", "other"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", unpack(t, installLayer+"/usr/libexec/nestos/firstboot-network"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NESTOS_ROOT=" + root}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, mode := range map[string]fs.FileMode{"etc/systemd/network/a.network": 0o644, "etc/NetworkManager/system-connections/b c.nmconnection": 0o600} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v (%v)", name, info, err)
		}
	}
	if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the boot partition still has the files: %v", err)
	}
}
