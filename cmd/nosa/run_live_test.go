package main

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// What a live system is booted from, and where it may be installed to.
func TestLiveSpec(t *testing.T) {
	disk := func(size event.Bytes, more func(*vm.Disk)) []vm.Disk {
		d := vm.Disk{Size: size}
		if more != nil {
			more(&d)
		}
		return []vm.Disk{d}
	}
	for _, tt := range []struct {
		args string
		want []vm.Disk
	}{
		{"--live", nil},
		{"--artifact live-pxe", nil},
		{"--live --qemu-iso-as-disk", disk(12*event.GiB, nil)},
		{"--live --qemu-size 20G", disk(20*event.GiB, nil)},
		{"--live --qemu-size +4G", disk(16*event.GiB, nil)},
		{"--live --qemu-native-4k", disk(12*event.GiB, func(d *vm.Disk) { d.SectorSize = 4096 })},
		{"--live --qemu-drive-opts cache=none,aio=native", disk(12*event.GiB, func(d *vm.Disk) { d.DriveOpts = "cache=none,aio=native" })},
		{"--live --qemu-nvme -D 1G", append(disk(12*event.GiB, func(d *vm.Disk) { d.Interface = vm.NVMe }), vm.Disk{Size: event.GiB})},
		{"--live -D 1G", disk(event.GiB, nil)},
	} {
		var o runOptions
		cmd := &cobra.Command{Use: "run"}
		o.add(cmd)
		if err := cmd.ParseFlags(strings.Fields(tt.args)); err != nil {
			t.Fatal(err)
		}
		if err := o.check(); err != nil {
			t.Fatalf("%s: %v", tt.args, err)
		}
		spec, err := o.spec()
		if err != nil {
			t.Fatalf("%s: %v", tt.args, err)
		}
		if diff := cmp.Diff(tt.want, spec.Disks); diff != "" {
			t.Errorf("%s: %s", tt.args, diff)
		}
	}
}

// The script that boots the files for PXE, in both ways.
func TestPXENetboot(t *testing.T) {
	files := pxeFiles{"/b/k", "/b/i", "/b/r"}
	for _, tt := range []struct {
		name string
		arch vm.Arch
		how  pxeBoot
		want string
		also map[string]string
	}{
		{
			"fetched by the guest", vm.X86_64, pxeBoot{config: "/vm/config.ign", kargs: "quiet"}, `#!ipxe
kernel @@URL@@/vmlinuz initrd=initrd.img ignition.firstboot ignition.platform.id=metal console=tty0 console=ttyS0,115200n8 nestos.live.rootfs_url=@@URL@@/rootfs.img ignition.config.url=@@URL@@/config.ign quiet
initrd @@URL@@/initrd.img
boot
`, map[string]string{"config.ign": "/vm/config.ign"},
		},
		{
			"appended", vm.AArch64, pxeBoot{appended: true}, `#!ipxe
kernel @@URL@@/vmlinuz initrd=initrd.img ignition.firstboot ignition.platform.id=metal console=tty0 console=ttyAMA0,115200n8
initrd @@URL@@/initrd.img
initrd @@URL@@/rootfs.img
boot
`, nil,
		},
	} {
		want := map[string]string{"vmlinuz": "/b/k", "initrd.img": "/b/i", "rootfs.img": "/b/r"}
		maps.Copy(want, tt.also)
		got := vm.Spec{Arch: tt.arch}
		files.boot(&got, tt.how)
		if diff := cmp.Diff(vm.Spec{Arch: tt.arch, Netboot: vm.Netboot{Script: tt.want}, Serve: want}, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestFindPXE(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"vmlinuz initrd.img rootfs.img genericx", "vmlinuz initrd.img rootfs.img"},
		{
			"n-1-live-kernel-x86_64 n-1-live-initramfs.x86_64.img n-1-live-rootfs.x86_64.img n-1-live.x86_64.iso",
			"n-1-live-kernel-x86_64 n-1-live-initramfs.x86_64.img n-1-live-rootfs.x86_64.img",
		},
		{"n.iso n-vmlinuz n-initrd.img n-rootfs.img", "n-vmlinuz n-initrd.img n-rootfs.img"},
		{"vmlinuz n-1-live-kernel-x86_64 initrd.img rootfs.img", "it has n-1-live-kernel-x86_64 and vmlinuz"},
		{"vmlinuz rootfs.img", "it has no initrd.img"},
	} {
		dir := t.TempDir()
		for name := range strings.FieldsSeq(tt.names) {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		f, err := findPXE(dir)
		got := strings.Join([]string{filepath.Base(f.kernel), filepath.Base(f.initrd), filepath.Base(f.rootfs)}, " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.names, got, tt.want)
		}
	}
}

// A config goes to the live system by the way that there is.
func TestLiveBoot(t *testing.T) {
	dir := t.TempDir()
	p := &runPlan{app: &app{}, o: runOptions{kargs: []string{"a", "b"}}, config: []byte(`{"ignition":{"version":"3.4.0"}}`)}
	p.req.Spec.Medium.Path = "/x.iso"
	if err := p.liveBoot(dir); err != nil {
		t.Fatal(err)
	}
	if m := p.req.Spec.Medium; m.Kargs != "a b" || !strings.Contains(string(m.Ignition), "autologin") {
		t.Errorf("%+v", m)
	}
	p.req.Spec.Medium.Path = ""
	p.setPXE(pxeFiles{"/k", "/i", "/r"})
	if err := p.liveBoot(dir); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(p.req.Spec.Serve[pxeConfig])
	if err != nil || !strings.Contains(string(config), "autologin") || !strings.Contains(p.req.Spec.Netboot.Script, "rootfs.img ignition.config.url=@@URL@@/config.ign a b\n") {
		t.Errorf("%s, %v, %s", config, err, p.req.Spec.Netboot.Script)
	}
	sealed := &runPlan{sealed: true}
	if err := sealed.liveBoot(dir); err != nil || sealed.req.Spec.Medium.Ignition != nil {
		t.Errorf("one that takes none: %v", err)
	}
}

// The config that is embedded into an ISO is merged with what the command adds, as
// one of the user's is; a config that is given is in its place.
func TestLiveBootEmbedded(t *testing.T) {
	if _, err := exec.LookPath("xorriso"); err != nil {
		missing(t, err.Error())
	}
	dir := t.TempDir()
	config := func(user string) []byte {
		return []byte(`{"ignition":{"version":"3.4.0"},"passwd":{"users":[{"name":"` + user + `"}]}}`)
	}
	for name, data := range map[string][]byte{
		"tree/images/ignition.img": make([]byte, 16<<10), "tree/nestos/igninfo.json": []byte(`{"file": "images/ignition.img"}`), "user.ign": config("given"),
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	empty, fitted := filepath.Join(dir, "empty.iso"), filepath.Join(dir, "fitted.iso")
	args := []string{"xorriso", "-as", "mkisofs", "-quiet", "-o", empty, "-r", filepath.Join(dir, "tree")}
	if err := proc.Run(t.Context(), proc.Cmd{Args: args}); err != nil {
		t.Fatal(err)
	}
	if err := live.Changed(t.Context(), empty, fitted, func(a *live.Areas) error { return a.SetIgnition(config("embedded")) }); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		o              runOptions
		has, not, note string
	}{
		{"none", runOptions{iso: empty}, "autologin", "embedded", ""},
		{"embedded", runOptions{iso: fitted}, `"embedded"`, "given", ""},
		{"given", runOptions{iso: fitted, ignition: filepath.Join(dir, "user.ign")}, `"given"`, "embedded", "fitted.iso is left out"},
	} {
		var notes bytes.Buffer
		p := &runPlan{app: &app{stderr: &notes}, o: tt.o}
		if err := errors.Join(p.findLive(t.Context()), p.findConfig(t.Context()), p.liveBoot(dir)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		got := string(p.req.Spec.Medium.Ignition)
		if !strings.Contains(got, "autologin") || !strings.Contains(got, tt.has) || strings.Contains(got, tt.not) {
			t.Errorf("%s: %s", tt.name, got)
		}
		if tt.note == "" && notes.Len() > 0 || !strings.Contains(notes.String(), tt.note) {
			t.Errorf("%s: note %q, want %q", tt.name, notes.String(), tt.note)
		}
	}
}
