package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// Which boots a check makes.
func TestCheckTargets(t *testing.T) {
	for _, tt := range []struct {
		req  checkRequest
		want string
	}{
		{checkRequest{Artifact: "qemu"}, "bios, uefi"},
		{checkRequest{Artifact: "openstack"}, "bios, uefi"},
		{checkRequest{Artifact: "metal4k"}, "uefi"},
		{checkRequest{Artifact: "metal", Firmware: "uefi-secure"}, "uefi-secure"},
		{checkRequest{Artifact: "qemu", Direct: true}, "direct"},
		{checkRequest{Artifact: "live-iso"}, "bios as CD, uefi as stick"},
		{checkRequest{Artifact: "live-iso", Firmware: "uefi"}, "uefi as CD, uefi as stick"},
		{checkRequest{Artifact: "live-iso", Way: "cd"}, "bios as CD"},
		{checkRequest{Artifact: "live-iso", Way: "cd", Firmware: "uefi"}, "uefi as CD"},
		{checkRequest{Artifact: "live-iso", Way: "stick"}, "uefi as stick"},
		{checkRequest{Artifact: "live-pxe", Way: "initrd"}, "bios root as initrd"},
		{checkRequest{Artifact: "live-pxe"}, "bios root by URL, bios root as initrd"},
		{checkRequest{Artifact: "install-512"}, "bios"},
		{checkRequest{Artifact: "install-512", Firmware: "uefi"}, "uefi"},
		{checkRequest{Artifact: "install-4k"}, "uefi"},
	} {
		var names []string
		for _, on := range tt.req.targets(findCheckKind(tt.req.Artifact), workspace.Arch{Name: "x86_64", BIOS: true}) {
			names = append(names, on.name())
		}
		if got := strings.Join(names, ", "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.req, got, tt.want)
		}
	}
	if got := (checkRequest{Artifact: "live-iso"}).targets(findCheckKind("live-iso"), workspace.Arch{Name: "aarch64"}); len(got) != 2 || got[0].firmware != vm.UEFI {
		t.Errorf("without a BIOS: %+v", got)
	}
}

// What is checked of a build is what it has.
func TestCheckKindsOfBuild(t *testing.T) {
	meta := workspace.Meta{Images: map[string]workspace.Artifact{"ostree": {Path: "o"}, "qemu": {Path: "q"}, "metal4k": {Path: "m"}, "live-iso": {Path: "i"}, "live-kernel": {Path: "k"}}}
	for _, tt := range []struct {
		req  checkRequest
		want string
	}{
		{checkRequest{Artifact: "all"}, "qemu metal4k live-iso install-512 install-4k"},
		{checkRequest{Artifact: "all", Firmware: "bios"}, "qemu live-iso install-512"},
		{checkRequest{Artifact: "all", Firmware: "uefi"}, "qemu metal4k live-iso install-512 install-4k"},
		{checkRequest{Artifact: "all", Direct: true}, "qemu metal4k"},
		{checkRequest{Artifact: "all", Direct: true, Firmware: "bios"}, "qemu metal4k"},
		{checkRequest{Artifact: "live-pxe"}, "live-pxe"},
	} {
		var names []string
		for _, k := range tt.req.kinds(meta) {
			names = append(names, k.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.req, got, tt.want)
		}
	}
}

// checkedBuild is build 1 with an empty file for each artifact.
func checkedBuild(t *testing.T) (*checker, *builder.Facts, string) {
	t.Helper()
	dir := t.TempDir()
	build := filepath.Join(dir, "builds/1/x86_64")
	sum := strings.Repeat("0a", 32)
	meta := workspace.Meta{
		BuildID: "1", Name: "n", Commit: sum, ContentChecksum: sum, InputHash: sum, Version: "1", CommitTimestamp: "2026-11-20T12:00:00Z", Images: map[string]workspace.Artifact{},
	}
	for _, name := range []string{build, filepath.Join(dir, "src/config"), filepath.Join(dir, "tmp/work/j"), filepath.Join(dir, "cache")} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"ostree", "qemu", "metal", "metal4k", "openstack", liveISO, liveKernel, liveInitrd, liveRootfs} {
		meta.Images[kind] = workspace.Artifact{Path: kind, SHA256: sum}
		if err := os.WriteFile(filepath.Join(build, kind), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := workspace.WriteMeta(t.Context(), build, meta, time.Now()); err != nil {
		t.Fatal(err)
	}
	env, err := builder.NewEnv(builder.Env{Dir: dir, Job: "j", Now: time.Now, Sink: noSink{}})
	if err != nil {
		t.Fatal(err)
	}
	env.Arch = workspace.Arch{Name: "x86_64", BIOS: true}
	return &checker{w: &worker{app: &app{now: time.Now}}, env: env}, &builder.Facts{Meta: meta, Ignition: true}, build
}

// The console that the kernel's arguments name last is the first.
func TestCheckQuiet(t *testing.T) {
	c, facts, build := checkedBuild(t)
	if quiet, err := c.quiet(facts.Meta, "openstack"); quiet || err != nil {
		t.Errorf("without platforms: %v, %v", quiet, err)
	}
	data := `{"openstack": {"kernel_arguments": ["console=ttyS0,115200n8 console=tty0"]}, "qemu": {"kernel_arguments": ["console=tty0", "console=ttyS0"]}}`
	if err := os.WriteFile(filepath.Join(build, builder.PlatformsFile), []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]bool{"openstack": true, "qemu": false, "metal": false} {
		if o, err := c.options(t.Context(), facts, target{kind: kind, firmware: vm.UEFI}); err != nil || o.Quiet != want {
			t.Errorf("%s: %v, want %v, %v", kind, o.Quiet, want, err)
		}
	}
}

// An upgrade begins on the machine of the artifact.
func TestUpgradeOptions(t *testing.T) {
	c, facts, build := checkedBuild(t)
	data := `{"openstack": {"kernel_arguments": ["console=ttyS0,115200n8 console=tty0"]}}`
	if err := os.WriteFile(filepath.Join(build, builder.PlatformsFile), []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind   string
		sector int
		quiet  bool
		way    check.WayIn
	}{
		{"qemu", 512, false, check.ByIgnition},
		{"metal4k", 4096, false, check.ByBootPartition},
		{"openstack", 512, true, check.ByConfigDrive},
	} {
		o, err := c.upgradeOptions(t.Context(), facts, target{kind: tt.kind, firmware: vm.UEFI})
		want := vm.Spec{Arch: vm.X86_64, Firmware: vm.UEFI, Disks: []vm.Disk{{Path: filepath.Join(build, tt.kind), SectorSize: tt.sector}}}
		if diff := cmp.Diff(want, o.Spec); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tt.kind, err, diff)
		}
		if o.Quiet != tt.quiet || o.WayIn != tt.way || o.Want.Commit != facts.Meta.Commit {
			t.Errorf("%s: %+v", tt.kind, o)
		}
	}
}

// The machines that the checks boot.
func TestCheckOptions(t *testing.T) {
	c, facts, build := checkedBuild(t)
	file := func(kind string) string { return filepath.Join(build, kind) }
	serve := map[string]string{"vmlinuz": file(liveKernel), "initrd.img": file(liveInitrd), "rootfs.img": file(liveRootfs)}
	target512 := []vm.Disk{{Size: 12 * event.GiB, SectorSize: 512}}
	for _, tt := range []struct {
		on   target
		spec vm.Spec
		way  check.WayIn
		also string // what the result and the way to a shell have
	}{
		{target{kind: "qemu", firmware: vm.BIOS}, vm.Spec{Firmware: vm.BIOS, Disks: []vm.Disk{{Path: file("qemu"), SectorSize: 512}}}, check.ByIgnition, " "},
		{target{kind: "metal", firmware: vm.UEFI}, vm.Spec{Firmware: vm.UEFI, Disks: []vm.Disk{{Path: file("metal"), SectorSize: 512}}}, check.ByBootPartition, " "},
		{target{kind: "openstack", firmware: vm.BIOS}, vm.Spec{Firmware: vm.BIOS, Disks: []vm.Disk{{Path: file("openstack"), SectorSize: 512}}}, check.ByConfigDrive, " "},
		{target{kind: liveISO, firmware: vm.BIOS, way: asCD}, vm.Spec{Firmware: vm.BIOS, Medium: vm.Medium{Path: file(liveISO)}}, check.ByItself, "as CD sudo sh"},
		{target{kind: liveISO, firmware: vm.UEFI, way: asStick}, vm.Spec{Firmware: vm.UEFI, Medium: vm.Medium{Path: file(liveISO), Type: vm.Stick}}, check.ByItself, "as stick sudo sh"},
		{target{kind: livePXE, firmware: vm.BIOS, way: rootByURL}, vm.Spec{Firmware: vm.BIOS, Serve: serve}, check.ByItself, "root by URL sudo sh"},
		{target{kind: livePXE, firmware: vm.BIOS, way: rootAsInitr}, vm.Spec{Firmware: vm.BIOS, Serve: serve}, check.ByItself, "root as initrd sudo sh"},
		{target{kind: checkInstall512, firmware: vm.BIOS}, vm.Spec{Firmware: vm.BIOS, Disks: target512}, check.ByItself, " "},
		{target{kind: checkInstall4k, firmware: vm.UEFI}, vm.Spec{Firmware: vm.UEFI, Disks: []vm.Disk{{Size: 12 * event.GiB, SectorSize: 4096}}}, check.ByItself, " "},
	} {
		o, err := c.options(t.Context(), facts, tt.on)
		if err != nil {
			t.Errorf("%+v: %v", tt.on, err)
			continue
		}
		tt.spec.Arch = vm.X86_64
		install := tt.on.kind == checkInstall512 || tt.on.kind == checkInstall4k
		if install {
			tt.spec.Medium = vm.Medium{Path: file(liveISO), Kargs: "nestos.inst.install_dev=/dev/vda nestos.inst.ignition_url=@@URL@@/target.ign"}
			tt.spec.Serve = map[string]string{"target.ign": c.env.Work("target.ign")}
		}
		tt.spec.Netboot = o.Spec.Netboot
		if appended := strings.Contains(o.Spec.Netboot.Script, "initrd @@URL@@/rootfs.img"); appended != (tt.on.way == rootAsInitr) {
			t.Errorf("%+v: %s", tt.on, o.Spec.Netboot.Script)
		}
		if diff := cmp.Diff(tt.spec, o.Spec); diff != "" {
			t.Errorf("%+v: %s", tt.on, diff)
		}
		if got := o.Way + " " + o.Become; o.WayIn != tt.way || got != tt.also {
			t.Errorf("%+v: way in %q, %q", tt.on, o.WayIn, got)
		}
		live := tt.on.way != ""
		if o.Want.Live != live || o.Want.FirstBoot == live || (o.Want.SectorSize > 0) == live || o.Want.Commit != facts.Meta.Commit || (o.Prompt.Host == installedName) != install {
			t.Errorf("%+v: %+v, prompt %+v", tt.on, o.Want, o.Prompt)
		}
	}
	facts.Image.ExtraKargs = []string{"mitigations=auto", "root=LABEL=root", "rw", "rwx"}
	o, err := c.options(t.Context(), facts, target{kind: liveISO, way: asCD})
	if diff := cmp.Diff([]string{"mitigations=auto", "rwx"}, o.Want.Kargs); err != nil || diff != "" || facts.Image.ExtraKargs[1] == "" {
		t.Errorf("%v %s", err, diff)
	}
	var config struct{ Storage, Systemd any }
	data, err := os.ReadFile(c.env.Work(targetConfig))
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil || !strings.Contains(string(data), installedName) || !strings.Contains(string(data), "autologin root") {
		t.Errorf("config of the installed system: %s, %v", data, err)
	}
	for line, failed := range map[string]bool{"[FAILED] Failed to start nestos-installer.service - NestOS Installer.": true, "Starting nestos-installer.service": false} {
		o, err := c.installOptions(t.Context(), facts, target{kind: checkInstall512})
		if err != nil || o.Prompt.Failed.MatchString(line) != failed {
			t.Errorf("%s: want %v, %v", line, failed, err)
		}
	}
	facts.Ignition = false
	for kind, want := range map[string]check.WayIn{"openstack": check.ByCredential} {
		if got := wayIn(facts, kind); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}
