package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/workspace"
)

// checkRequest is what nosa check asks of its job.
type checkRequest struct {
	Build    string `json:"build"`
	Artifact string `json:"artifact"`
	Firmware string `json:"firmware,omitempty"`
	Way      string `json:"way,omitempty"`     // one of wayNames
	Upgrade  string `json:"upgrade,omitempty"` // A..B
	Direct   bool   `json:"direct,omitempty"`  // the kernel without firmware and boot loader
	Icount   bool   `json:"icount,omitempty"`  // measure
	Repeat   int    `json:"repeat,omitempty"`  // boots that are measured

	testsRequest
}

func newCheckCommand(a *app) *cobra.Command {
	var req checkRequest
	artifacts, firmwares, ways := checkNames(), []string{"bios", "uefi", "uefi-secure"}, []string{"cd", "stick", "url", "initrd"}
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Boot a build's image and look",
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: `Boot an image of a build in QEMU, log in over the serial console, and look: the
booted commit, the packages, the overlays' files, failed units, the boot
partition, the sector size; where the initramfs has Ignition, whether it ran and
the machine became one of its own (machine-id, host keys, a root filesystem that
fills the disk). The image is not written to. The result is kept in the build as
check-ARTIFACT.json: {v, artifact, ok, runs}, each run with firmware, way, accel,
commit, time, login-ms, ms, ok, assertions [{name, ok, want, got, ms, note}] and
timeline [{kind, at_ms, boot, unit, line}]: what was seen of the boot and when,
in milliseconds since power-on. Kinds are firmware, boot loader, kernel, initrd,
ignition, switch root, multi-user, login, shutdown; of trouble failed unit (with
the unit), ignition failed, boot loader failed, panic, emergency.

live-iso boots the ISO as a CD and as a stick, live-pxe the files for PXE with the
root filesystem fetched and as a second initrd: the system must be in memory, be
the build's commit, and log its user in where there is no config. install-512 and
install-4k install it to an empty disk with such sectors, unattended, and check the
first boot of what is there then. openstack is given its config on a config drive.
--way cd, stick, url or initrd boots in one of the ways only.

With --upgrade A..B: boot build A, upgrade it to B over HTTP, reboot into B, and
go back to A.

With --direct-kernel QEMU loads the build's kernel and initramfs itself, with the
arguments that the image's boot loader would give them: quicker, and no test of
firmware and boot loader. Its result stands beside the others' as firmware direct.

With --icount one processor executes the guest whose time is the number of its
instructions, and nothing is asserted but that it boots: what the boot cost is
kept in the build as icount-ARTIFACT.json, {v, artifact, machine, commit, time,
shift, boots}, each boot with total, kernel, initrd, userspace, rest and units
[{unit, insns}] in guest instructions, waiting not included. They hardly depend on
how busy this host is; --repeat N boots N times and tells by how much they differ.
As the kernel is where it begins, firmware and boot loader are left out unless
--firmware is given. nosa diff --boot compares two builds by it.
` + testsHelp + `
The image must offer a way in: Ignition, which logs root in on the serial console
of the machine under test. One without Ignition in its initramfs must honour the
systemd credential nosa.console.autologin.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitConfig, exitCheck, exitNoWorkspace, exitMissing, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(artifacts, req.Artifact) {
				return usageError{fmt.Errorf("--artifact %q: want %s", req.Artifact, alternatives(artifacts))}
			}
			if req.Firmware != "" && !slices.Contains(firmwares, req.Firmware) {
				return usageError{fmt.Errorf("--firmware %q: want %s", req.Firmware, alternatives(firmwares))}
			}
			if req.Way != "" && !slices.Contains(ways, req.Way) {
				return usageError{fmt.Errorf("--way %q: want %s", req.Way, alternatives(ways))}
			}
			if req.Upgrade != "" && !strings.Contains(req.Upgrade, "..") {
				return usageError{fmt.Errorf("--upgrade %q: want A..B", req.Upgrade)}
			}
			if err := req.conflict(); err != nil {
				return usageError{err}
			}
			if req.List {
				return a.listTests(req)
			}
			return a.inWorkspace(cmd.Context(), "check", req)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&req.Direct, "direct-kernel", false, "boot the kernel without firmware and boot loader")
	f.BoolVar(&req.Icount, "icount", false, "measure the boot in guest instructions")
	f.IntVar(&req.Repeat, "repeat", 1, "with --icount: boot `N` times")
	f.StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag")
	f.StringVar(&req.Artifact, "artifact", "qemu", "`WHAT` is checked: "+alternatives(artifacts)+" that the build has")
	f.StringVar(&req.Firmware, "firmware", "", "bios, uefi or uefi-secure (default: bios and uefi where the image boots on both)")
	f.StringVar(&req.Way, "way", "", "of live-iso cd or stick, of live-pxe url or initrd (default: each)")
	f.StringVar(&req.Upgrade, "upgrade", "", "check the upgrade from build `A..B`")
	req.testsFlags(f)
	completeWith(cmd, "artifact", artifacts)
	completeWith(cmd, "firmware", firmwares)
	completeWith(cmd, "way", ways)
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}

// conflict says which options do not go together.
func (r checkRequest) conflict() error {
	if r.Artifact != checkAll && !findCheckKind(r.Artifact).isDisk() && (r.Upgrade != "" || r.Direct || r.Icount || r.wanted()) {
		return fmt.Errorf("--artifact %s: what is asked for is about a disk image", r.Artifact)
	}
	switch {
	case r.Way != "" && !slices.Contains(findCheckKind(r.Artifact).ways, wayNames()[r.Way]):
		return fmt.Errorf("--way %s: --artifact %s is not booted in that way", r.Way, r.Artifact)
	case r.onBIOS() && findCheckKind(r.Artifact).needsUEFI():
		return fmt.Errorf("--artifact %s and --firmware bios: a BIOS boots no disk with sectors of 4096 bytes", r.Artifact)
	case r.Upgrade != "" && r.Direct:
		return errors.New("--direct-kernel and --upgrade: an upgrade is booted by the boot loader")
	case r.Upgrade != "" && r.Icount:
		return errors.New("--icount and --upgrade: one boot is measured, not an upgrade")
	case r.Icount && r.Artifact == "all":
		return errors.New("--icount: one artifact at a time")
	case r.Repeat < 1 || r.Repeat > 100:
		return fmt.Errorf("--repeat %d: want 1 to 100", r.Repeat)
	case r.Repeat > 1 && !r.Icount:
		return errors.New("--repeat: only with --icount")
	case r.Direct && r.Firmware == string(vm.UEFISecure):
		return errors.New("--direct-kernel and --firmware uefi-secure: the kernel alone proves nothing of Secure Boot")
	}
	return r.testsConflict()
}

// stageCheck is the job of nosa check.
func stageCheck(ctx context.Context, w *worker) error {
	var req checkRequest
	if err := w.request(&req); err != nil {
		return err
	}
	if err := tool.Require("check"); err != nil {
		return err
	}
	env, err := w.env()
	if err != nil {
		return err
	}
	release, err := env.Open(ctx, builder.UseBuilds)
	if err != nil {
		return err
	}
	c := checker{w: w, env: env, prober: vm.Prober{Cache: filepath.Join(env.WS.Cache(), "kvm.json"), NoKVM: vm.NoKVM(os.Environ())}}
	switch {
	case req.wanted():
		err = c.tests(ctx, req)
	case req.Upgrade != "":
		err = c.upgrade(ctx, req)
	case req.Icount:
		err = c.icount(ctx, req)
	default:
		err = c.boots(ctx, req)
	}
	return errors.Join(err, release())
}

// checker runs the checks of one job.
type checker struct {
	w      *worker
	env    *builder.Env
	prober vm.Prober
}

// boots checks each artifact on each firmware.
func (c *checker) boots(ctx context.Context, req checkRequest) error {
	id, err := c.env.WS.Resolve(req.Build, c.env.Arch.Name)
	if err != nil {
		return err
	}
	facts, err := builder.ReadFacts(ctx, c.env, id)
	if err != nil {
		return err
	}
	var failed []string
	for _, kind := range req.kinds(facts.Meta) {
		for _, on := range req.targets(kind, c.env.Arch) {
			ok, err := c.boot(ctx, facts, on)
			if err != nil {
				return err
			}
			if !ok {
				failed = append(failed, kind.Name+" on "+on.name())
			}
		}
	}
	if len(failed) > 0 {
		return checkFailed{fmt.Errorf("checks failed: %s", strings.Join(failed, ", "))}
	}
	return nil
}

// kinds are what is to be checked of a build: one, or all for which it has what is needed
// and that the firmware boots.
func (r checkRequest) kinds(meta workspace.Meta) []checkKind {
	return slices.DeleteFunc(checkKinds(), func(k checkKind) bool {
		if r.Artifact != checkAll {
			return k.Name != r.Artifact
		}
		if r.Direct && !k.isDisk() || r.onBIOS() && k.needsUEFI() {
			return true
		}
		return !k.Of(func(artifact string) bool { return meta.Images[artifact].Path != "" })
	})
}

// image gives the file of a build's image, unpacked into the cache if it is compressed.
func (c *checker) image(ctx context.Context, meta workspace.Meta, kind string) (string, error) {
	if _, ok := meta.Images[kind]; !ok {
		return "", hinted{fmt.Errorf("build %s has no %s image", meta.BuildID, kind), makeCommand(kind) + " --build " + meta.BuildID}
	}
	return c.w.unpackedImage(ctx, c.env, unpackRequest{meta.BuildID, kind})
}
