package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/ignition"
	"github.com/nestos/nosa/workspace"
)

// options are the machine of a boot and what it must be.
func (c *checker) options(ctx context.Context, facts *builder.Facts, on target) (check.Options, error) {
	switch on.kind {
	case liveISO, livePXE:
		return c.liveOptions(ctx, facts, on)
	case checkInstall512, checkInstall4k:
		return c.installOptions(ctx, facts, on)
	}
	o := check.Options{Want: c.want(facts), WayIn: wayIn(facts, on.kind)}
	var err error
	if o.Quiet, err = c.quiet(facts.Meta, on.kind); err != nil {
		return o, err
	}
	o.Spec, err = c.spec(ctx, facts.Meta, on)
	if err == nil {
		o.Want.SectorSize, o.Want.FirstBoot = o.Spec.Disks[0].SectorSize, facts.Ignition
	}
	return o, err
}

// quiet says that the first console of a disk image is not the serial port: the last
// that the kernel's arguments name is the first.
func (c *checker) quiet(meta workspace.Meta, kind string) (bool, error) {
	t, err := workspace.FindArtifactType(kind)
	if err != nil {
		return false, err
	}
	data, err := os.ReadFile(filepath.Join(c.env.WS.BuildDir(meta.BuildID, c.env.Arch.Name), builder.PlatformsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the platforms of the build: %w", err)
	}
	platforms, err := workspace.ReadPlatformsJSON(data)
	first := ""
	for word := range strings.FieldsSeq(strings.Join(platforms.ByName[t.Platform].Kargs, " ")) {
		if name, ok := strings.CutPrefix(word, "console="); ok {
			first = name
		}
	}
	return strings.HasPrefix(first, "tty") && strings.Trim(first, "0123456789") == "tty", err
}

// spec is the machine that boots a disk image of a build.
func (c *checker) spec(ctx context.Context, meta workspace.Meta, on target) (vm.Spec, error) {
	t, err := workspace.FindArtifactType(on.kind)
	if err != nil {
		return vm.Spec{}, err
	}
	file, err := c.image(ctx, meta, on.kind)
	if err != nil {
		return vm.Spec{}, err
	}
	spec := vm.Spec{
		Arch: vm.Arch(c.env.Arch.Name), Firmware: on.firmware,
		Disks: []vm.Disk{{Path: file, SectorSize: int(t.SectorSize)}},
	}
	if on.direct {
		files := c.env.Work("direct-" + on.kind)
		if err := os.MkdirAll(files, 0o700); err != nil {
			return spec, fmt.Errorf("kernel of build %s: %w", meta.BuildID, err)
		}
		d, err := builder.Direct(ctx, c.env, meta, builder.DirectTarget{Type: on.kind, Dir: files})
		if err != nil {
			return spec, err
		}
		spec.Direct = vm.Direct{Kernel: d.Kernel, Initrd: d.Initrd, Args: d.Args}
	}
	return spec, nil
}

// isDiskKarg says that a kernel argument is about a system on a disk: a live one has it not.
func isDiskKarg(arg string) bool {
	return arg == "rw" || slices.ContainsFunc([]string{"root=", "console=", "ostree=", "ignition.platform.id="}, func(key string) bool { return strings.HasPrefix(arg, key) })
}

// liveOptions boot a live system that nobody gave a config: it logs its user in.
func (c *checker) liveOptions(ctx context.Context, facts *builder.Facts, on target) (check.Options, error) {
	o := check.Options{
		Spec: vm.Spec{Arch: vm.Arch(c.env.Arch.Name), Firmware: on.firmware},
		Want: c.want(facts), WayIn: check.ByItself, Become: "sudo sh", Way: string(on.way),
	}
	o.Want.Live, o.Want.LiveUser, o.Want.BootLabel = true, runGuestUser, ""
	o.Want.Kargs = slices.DeleteFunc(o.Want.Kargs, isDiskKarg)
	if on.kind == livePXE {
		o.Want.Kargs = nil // they are whose who writes the boot menu
		var f pxeFiles
		for kind, into := range map[string]*string{liveKernel: &f.kernel, liveInitrd: &f.initrd, liveRootfs: &f.rootfs} {
			var err error
			if *into, err = c.image(ctx, facts.Meta, kind); err != nil {
				return o, err
			}
		}
		f.boot(&o.Spec, pxeBoot{appended: on.way == rootAsInitr})
		return o, nil
	}
	var err error
	if o.Spec.Medium.Path, err = c.image(ctx, facts.Meta, liveISO); err != nil {
		return o, err
	}
	if on.way == asStick {
		o.Spec.Medium.Type = vm.Stick
	}
	return o, nil
}

// installedName is what an installed machine is called, by which its login prompt is
// told from the live system's.
const installedName = "nosa-installed"

// targetConfig is the name of the installed system's config in a URL.
const targetConfig = "target.ign"

// installFailed is what systemd's manager says of the installer's unit.
var installFailed = regexp.MustCompile(`FAILED.*nestos-installer`)

// installOptions boot the ISO beside an empty disk, with the kernel arguments that
// install unattended, and go on until the system on the disk has had its first boot.
func (c *checker) installOptions(ctx context.Context, facts *builder.Facts, on target) (check.Options, error) {
	o := check.Options{
		Spec: vm.Spec{Arch: vm.Arch(c.env.Arch.Name), Firmware: on.firmware, Disks: []vm.Disk{{Size: targetSize, SectorSize: 512}}},
		Want: c.want(facts), WayIn: check.ByItself,
		Prompt: guest.Prompt{Host: installedName, Boots: 4, Failed: installFailed},
	}
	if on.kind == checkInstall4k {
		o.Spec.Disks[0].SectorSize = 4096
	}
	o.Want.SectorSize, o.Want.FirstBoot = o.Spec.Disks[0].SectorSize, true
	var err error
	if o.Spec.Medium.Path, err = c.image(ctx, facts.Meta, liveISO); err != nil {
		return o, err
	}
	config, _, err := ignition.Merge(nil, ignition.RootConsole(), ignition.Hostname(installedName))
	if err != nil {
		return o, err
	}
	file := c.env.Work(targetConfig)
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return o, fmt.Errorf("config of the system that is installed: %w", err)
	}
	o.Spec.Serve = map[string]string{targetConfig: file}
	o.Spec.Medium.Kargs = "nestos.inst.install_dev=/dev/vda nestos.inst.ignition_url=" + vm.ServerURL + "/" + targetConfig
	return o, nil
}
