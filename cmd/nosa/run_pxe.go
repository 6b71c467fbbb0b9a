package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/vm"
)

// pxeFiles are what boots a live system over the network.
type pxeFiles struct{ kernel, initrd, rootfs string }

// setPXE makes the machine boot the files, with the root filesystem fetched by the
// guest over HTTP.
func (p *runPlan) setPXE(f pxeFiles) {
	p.info.Image = f.kernel
	f.boot(&p.req.Spec, pxeBoot{})
}

// pxeBoot is how the files are booted.
type pxeBoot struct {
	appended bool   // the root filesystem is loaded as a second initrd, not fetched by the guest
	config   string // file with an Ignition config; "" is none
	kargs    string // more of them
}

// The names of the files in the URLs.
const (
	pxeKernel = "vmlinuz"
	pxeInitrd = "initrd.img"
	pxeRootfs = "rootfs.img"
	pxeConfig = "config.ign"
)

// boot makes a machine boot the files.
func (f pxeFiles) boot(s *vm.Spec, how pxeBoot) {
	s.Serve = map[string]string{pxeKernel: f.kernel, pxeInitrd: f.initrd, pxeRootfs: f.rootfs}
	serial := "ttyS0"
	if s.Arch == vm.AArch64 {
		serial = "ttyAMA0"
	}
	args := []string{"ignition.firstboot", "ignition.platform.id=metal", "console=tty0", "console=" + serial + ",115200n8"}
	initrds := []string{pxeInitrd}
	if how.appended {
		initrds = append(initrds, pxeRootfs)
	} else {
		args = append(args, "nestos.live.rootfs_url="+vm.ServerURL+"/"+pxeRootfs)
	}
	if how.config != "" {
		s.Serve[pxeConfig] = how.config
		args = append(args, "ignition.config.url="+vm.ServerURL+"/"+pxeConfig)
	}
	s.Netboot = vm.Netboot{Script: vm.LiveScript(pxeKernel, initrds, strings.Join(append(args, how.kargs), " "))}
}

// findNetboot takes a boot program with its directory, or a directory with the
// files for PXE of a build.
func (p *runPlan) findNetboot() error {
	path, err := filepath.Abs(p.o.netboot)
	if err != nil {
		return fmt.Errorf("--netboot %s: %w", p.o.netboot, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return usageError{fmt.Errorf("--netboot %s: %w", p.o.netboot, errors.Unwrap(err))}
	}
	if info.IsDir() {
		if p.o.netbootDir != "" {
			return usageError{errors.New("--netboot-dir: --netboot names a directory already")}
		}
		files, err := findPXE(path)
		if err != nil {
			return usageError{fmt.Errorf("--netboot %s: %w", p.o.netboot, err)}
		}
		p.setPXE(files)
		return nil
	}
	dir := filepath.Dir(path)
	if p.o.netbootDir != "" {
		if dir, err = filepath.Abs(p.o.netbootDir); err != nil {
			return fmt.Errorf("--netboot-dir %s: %w", p.o.netbootDir, err)
		}
	}
	name, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(name) {
		return usageError{fmt.Errorf("--netboot %s: it is not below --netboot-dir %s", p.o.netboot, p.o.netbootDir)}
	}
	p.info.Image, p.req.Spec.Netboot = path, vm.Netboot{Dir: dir, File: name}
	if p.o.ignition != "" || p.o.butane != "" || p.o.addIgnition != nil || p.o.kargs != nil || !p.o.console && !p.o.detach {
		return usageError{fmt.Errorf("--netboot %s: what it loads decides on config and kernel arguments: use -c or -d, and log in as it says", p.o.netboot)}
	}
	return nil
}

// findPXE finds the three files in a directory: by the names that a build gives
// them, those that they have in an ISO, or those of nestos-installer iso extract pxe.
func findPXE(dir string) (pxeFiles, error) {
	var f pxeFiles
	entries, err := os.ReadDir(dir)
	if err != nil {
		return f, fs.ErrPermission
	}
	for _, e := range entries {
		name := e.Name()
		for _, one := range []struct {
			into   *string
			plain  string
			inName string
		}{{&f.kernel, pxeKernel, "-" + liveKernel + "-"}, {&f.initrd, pxeInitrd, "-" + liveInitrd + "."}, {&f.rootfs, pxeRootfs, "-" + liveRootfs + "."}} {
			if name != one.plain && !strings.HasSuffix(name, "-"+one.plain) && !strings.Contains(name, one.inName) || !e.Type().IsRegular() {
				continue
			}
			if *one.into != "" {
				return f, fmt.Errorf("it has %s and %s", filepath.Base(*one.into), name)
			}
			*one.into = filepath.Join(dir, name)
		}
	}
	for path, want := range map[string]string{f.kernel: pxeKernel, f.initrd: pxeInitrd, f.rootfs: pxeRootfs} {
		if path == "" {
			return f, fmt.Errorf("it has no %s", want)
		}
	}
	return f, nil
}
