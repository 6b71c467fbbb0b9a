package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// What of a build boots without being a disk image: the keys of the ISO and of the
// files for PXE, and the word for those files together.
const (
	liveISO    = "live-iso"
	liveKernel = "live-kernel"
	liveInitrd = "live-initramfs"
	liveRootfs = "live-rootfs"
	livePXE    = "live-pxe"
)

// bootable are the words by which a build's artifacts can be booted.
func bootable() []string {
	var names []string
	for _, b := range workspace.Bootables() {
		if !b.CheckOnly {
			names = append(names, b.Name)
		}
	}
	return names
}

// targetSize is how large the empty disk is that something may be installed to; the
// original's.
const targetSize = 12 * event.GiB

// isLive says that no disk image is booted.
func (o *runOptions) isLive() bool {
	return o.iso != "" || o.netboot != "" || o.artifact == liveISO || o.artifact == livePXE
}

// checkLive refuses what does not go together where no disk image is booted, and
// takes --live for what it is short for.
func (o *runOptions) checkLive() error {
	if o.live {
		if o.artifact != usualArtifact && o.artifact != liveISO {
			return fmt.Errorf("--live and --artifact %s: want one of them", o.artifact)
		}
		o.artifact = liveISO
	}
	named := slices.DeleteFunc([]string{"--qemu-iso", "--netboot", "FILE.qcow2", "--artifact " + o.artifact}, func(flag string) bool {
		switch flag {
		case "--qemu-iso":
			return o.iso == ""
		case "--netboot":
			return o.netboot == ""
		case "FILE.qcow2":
			return o.image == ""
		}
		return o.artifact == usualArtifact
	})
	switch {
	case o.isLive() && len(named) > 1:
		return fmt.Errorf("%s: what is booted is named twice", strings.Join(named, " and "))
	case !slices.Contains(bootable(), o.artifact):
		return fmt.Errorf("--artifact %q: want %s", o.artifact, alternatives(bootable()))
	case o.asDisk && o.iso == "" && o.artifact != liveISO:
		return errors.New("--qemu-iso-as-disk: only with --live or --qemu-iso FILE")
	case o.netbootDir != "" && o.netboot == "":
		return errors.New("--netboot-dir: only with --netboot FILE")
	case !o.isLive():
		return nil
	case o.keep != "":
		return errors.New("--keep: a live system keeps nothing; install it to a disk, or leave the machine running")
	case o.injectIgnition:
		return errors.New("--inject-ignition: there is no boot partition; the config is embedded anyway")
	case o.firstbootKargs != nil:
		return errors.New("--firstbootkargs: every boot of a live system is its first; use --kargs")
	case (o.netboot != "" || o.artifact == livePXE) && !o.usernet:
		return errors.New("--usernet=false: there is no network to boot from")
	}
	return nil
}

// targetDisks is the empty disk that a live system may be installed to, where one
// is asked for by what it shall be like, or usual.
func (o *runOptions) targetDisks(like vm.Disk) []vm.Disk {
	if !o.asDisk && o.size == "" && len(o.driveOpts) == 0 && !o.nvme && !o.native4k && !o.multipath {
		return nil
	}
	like.Size = targetSize
	if like.Grow.To != 0 {
		like.Size = like.Grow.To
	}
	like.Size += like.Grow.By
	like.Grow = vm.Resize{}
	return []vm.Disk{like}
}

// findLive finds the ISO or the files that are booted over the network.
func (p *runPlan) findLive(ctx context.Context) error {
	switch {
	case p.o.netboot != "":
		return p.findNetboot()
	case p.o.iso != "":
		path, err := filepath.Abs(p.o.iso)
		if err != nil {
			return fmt.Errorf("ISO %s: %w", p.o.iso, err)
		}
		if _, err := os.Stat(path); err != nil {
			return usageError{fmt.Errorf("ISO %s: %w", p.o.iso, errors.Unwrap(err))}
		}
		if err := p.setMedium(path); err != nil {
			return usageError{fmt.Errorf("ISO %s: %w", p.o.iso, err)}
		}
		return nil
	}
	arch := string(p.req.Spec.Arch)
	id, err := p.ws.Resolve(p.o.build, arch)
	if err != nil {
		return err
	}
	p.info.Build, p.info.Artifact = id, p.o.artifact
	if p.o.artifact == liveISO {
		path, err := p.app.imageOf(ctx, p.ws, imageName{id, liveISO, arch})
		if err != nil {
			return err
		}
		return p.setMedium(path)
	}
	files := pxeFiles{}
	for kind, into := range map[string]*string{liveKernel: &files.kernel, liveInitrd: &files.initrd, liveRootfs: &files.rootfs} {
		if *into, err = p.app.imageOf(ctx, p.ws, imageName{id, kind, arch}); err != nil {
			return err
		}
	}
	p.setPXE(files)
	return nil
}

// setMedium makes the machine boot an ISO, whose own config is the user's where no
// other is given. One that cannot be given a config is one to look at: nobody gets in
// by SSH.
func (p *runPlan) setMedium(path string) error {
	p.info.Image, p.req.Spec.Medium.Path = path, path
	if p.o.asDisk {
		p.req.Spec.Medium.Type = vm.Stick
	}
	config, takes, err := vm.MediumIgnition(path)
	if p.config = config; err != nil || takes {
		return err
	}
	p.sealed = true
	if p.o.ignition != "" || p.o.butane != "" || p.o.addIgnition != nil || p.o.kargs != nil || !p.o.console && !p.o.detach {
		return errors.New("it has no room for a config, nor for kernel arguments: use -c or -d, and log in as it says")
	}
	return nil
}

// liveBoot makes what a live system is told: its config and kernel arguments.
func (p *runPlan) liveBoot(dir string) error {
	kargs := strings.Join(p.o.kargs, " ")
	if p.sealed || p.req.Spec.Netboot.File != "" {
		return nil // what it loads decides
	}
	config, err := p.firstBootConfig()
	if err != nil {
		return err
	}
	if p.req.Spec.Medium.Path != "" {
		p.req.Spec.Medium.Ignition, p.req.Spec.Medium.Kargs = config, kargs
		return nil
	}
	file := filepath.Join(dir, "config.ign")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return fmt.Errorf("writing the config for the live system: %w", err)
	}
	files := pxeFiles{p.req.Spec.Serve[pxeKernel], p.req.Spec.Serve[pxeInitrd], p.req.Spec.Serve[pxeRootfs]}
	files.boot(&p.req.Spec, pxeBoot{config: file, kargs: kargs})
	return nil
}
