package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/vm"
	serial "github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/event"
)

// runOptions are the flags of nosa run: those of the original, and ours.
type runOptions struct {
	build, artifact, image string
	live, asDisk           bool
	iso                    string
	netboot, netbootDir    string
	console, detach        bool
	keep                   string
	cold, raw              bool
	exec                   string
	timeout                time.Duration

	memory   int
	cpus     int
	autoCPUs bool
	arch     string
	firmware string
	swtpm    bool

	ignition, butane               string
	ignitionDirect, injectIgnition bool
	addIgnition                    []string
	kargs, firstbootKargs          []string

	disks, driveOpts          []string
	size                      string
	nvme, native4k, multipath bool
	usernet                   bool
	usernetAddr, hostname     string
	nics                      int
	bindRO, bindRW            []string
	consoleToFile             string
	extra                     []string // behind --
}

// usualArtifact is what is booted where nothing is said.
const usualArtifact = "qemu"

// runGuestUser is who logs in where nothing says otherwise: the sample's and NestOS' user.
const runGuestUser = "nest"

func (o *runOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.build, "build", "latest", "the build's `ID` or a tag")
	f.StringVar(&o.artifact, "artifact", usualArtifact, "`WHICH` of the build: "+alternatives(bootable()))
	f.BoolVar(&o.live, "live", false, "boot the build's live ISO: --artifact "+liveISO)
	f.StringVar(&o.image, "qemu-image", "", "boot `FILE` instead of a build's image")
	f.StringVar(&o.iso, "qemu-iso", "", "boot the ISO `FILE`")
	f.BoolVar(&o.asDisk, "qemu-iso-as-disk", false, "the ISO is a disk like a USB stick, and there is an empty one of "+targetSize.String())
	f.StringVar(&o.netboot, "netboot", "", "boot over the network: a boot program, or a directory with the PXE `FILE`s")
	f.StringVar(&o.netbootDir, "netboot-dir", "", "the boot program's other files are in `DIR` (default: beside it)")
	f.BoolVarP(&o.console, "devshell-console", "c", false, "be on the serial console from power-on (Ctrl-] leaves, Ctrl-A X ends)")
	f.BoolVarP(&o.detach, "detach", "d", false, "start it in the background and print its ID")
	f.StringVarP(&o.exec, "ssh-command", "x", "", "run `COMMAND` over SSH, end with its exit status")
	f.StringVar(&o.keep, "keep", "", "keep what the machine changes as `NAME`, and go on from there the next time")
	f.BoolVar(&o.cold, "cold", false, "boot, even if this build could be resumed")
	f.BoolVar(&o.raw, "raw", false, "let the guest's terminal sequences through unfiltered")
	f.DurationVar(&o.timeout, "timeout", 0, "give up when there is no shell after `TIME` (default: by the accelerator)")

	f.IntVarP(&o.memory, "memory", "m", 0, "`MiB` of memory (default 2048, of a live system 4096)")
	f.IntVar(&o.memory, "qemu-memory", 0, "the same")
	f.IntVar(&o.cpus, "cpus", 0, "`N` processors (default 2)")
	f.BoolVar(&o.autoCPUs, "auto-cpus", false, "as many processors as this host has, at most 16")
	f.StringVar(&o.arch, "arch", "", "x86_64 or aarch64 (default: the host's)")
	f.StringVar(&o.firmware, "qemu-firmware", "", "bios, uefi or uefi-secure (default: what suits the image)")
	f.BoolVar(&o.swtpm, "qemu-swtpm", false, "give it a TPM 2.0")

	f.StringVarP(&o.ignition, "ignition", "i", "", "Ignition config `FILE` for the first boot")
	f.StringVarP(&o.butane, "butane", "B", "", "the same as Butane `FILE`")
	f.BoolVar(&o.ignitionDirect, "ignition-direct", false, "pass the config as it is, nothing merged in")
	f.BoolVar(&o.injectIgnition, "inject-ignition", false, "put the config into the boot partition instead of fw_cfg")
	f.StringSliceVar(&o.addIgnition, "add-ignition", nil, "merge in what `NAME` stands for: autologin, autoresize, noautoupdate")
	f.StringArrayVar(&o.kargs, "kargs", nil, "add kernel `ARGUMENTS` to the boot entries")
	f.StringArrayVar(&o.firstbootKargs, "firstbootkargs", nil, "add kernel `ARGUMENTS` to the first boot only")

	f.StringArrayVarP(&o.disks, "add-disk", "D", nil, "add an empty disk: `SIZE`G[:mpath,4k,channel=nvme,serial=NAME]")
	f.StringVar(&o.size, "qemu-size", "", "make the disk `[+]SIZE` large")
	f.StringSliceVar(&o.driveOpts, "qemu-drive-opts", nil, "add `OPTIONS` to the first disk's -drive")
	f.BoolVar(&o.nvme, "qemu-nvme", false, "attach the disk as NVMe")
	f.BoolVar(&o.native4k, "qemu-native-4k", false, "give the disk 4096-byte sectors")
	f.BoolVar(&o.multipath, "qemu-multipath", false, "give the disk two paths")

	f.BoolVarP(&o.usernet, "usernet", "U", true, "user-mode network with a way in by SSH")
	f.StringVar(&o.usernetAddr, "usernet-addr", "", "its `NETWORK`, as 10.0.3.0/24")
	f.StringVar(&o.hostname, "hostname", "", "the guest's host `NAME`")
	f.IntVar(&o.nics, "additional-nics", 0, "add `N` network cards, at most 16")
	f.StringArrayVar(&o.bindRO, "bind-ro", nil, "show directory `SRC,DEST` in the guest, not to be changed")
	f.StringArrayVar(&o.bindRW, "bind-rw", nil, "share directory `SRC,DEST` with the guest")
	f.StringVar(&o.consoleToFile, "console-to-file", "", "copy what the console prints to `FILE`")
	_ = f.MarkHidden("qemu-memory")
	cmd.MarkFlagsMutuallyExclusive("devshell-console", "detach", "ssh-command")
	cmd.MarkFlagsMutuallyExclusive("ignition", "butane")
	cmd.MarkFlagsMutuallyExclusive("build", "qemu-image", "qemu-iso", "netboot")
	cmd.MarkFlagsMutuallyExclusive("cpus", "auto-cpus")
}

// check refuses what does not go together.
func (o *runOptions) check() error {
	if err := o.checkLive(); err != nil {
		return err
	}
	switch {
	case o.ignitionDirect && o.ignition == "" && o.butane == "":
		return errors.New("--ignition-direct wants -i FILE or -B FILE")
	case o.ignitionDirect && len(o.bindRO)+len(o.bindRW) > 0:
		return errors.New("--ignition-direct adds nothing to the config, so that a shared directory would not be mounted; leave out --bind-ro and --bind-rw")
	case o.ignitionDirect && len(o.addIgnition) > 0:
		return errors.New("--ignition-direct adds nothing to the config, so it does not go with --add-ignition")
	case o.keep != "" && !nameRE(o.keep):
		return fmt.Errorf("--keep %q: want letters, digits, dots and dashes", o.keep)
	case !o.usernet && !o.console && !o.detach:
		return errors.New("without a network (--usernet=false) there is no SSH; use -c or -d")
	case o.memory < 0 || o.memory > 0 && o.memory < 256:
		return fmt.Errorf("--memory %d: want MiB, 256 at least", o.memory)
	case o.cpus < 0 || o.cpus > 255:
		return fmt.Errorf("--cpus %d: want 1 to 255", o.cpus)
	}
	return nil
}

// nameRE says whether a name can be a directory's.
func nameRE(name string) bool {
	if name == "" || len(name) > 64 || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// spec is the machine without its files.
func (o *runOptions) spec() (vm.Spec, error) {
	s := vm.Spec{
		Arch: vm.Arch(o.arch), CPUs: o.cpus, MemoryMiB: o.memory, Firmware: vm.Firmware(o.firmware), TPM: o.swtpm,
		Net:   vm.Net{None: !o.usernet, Addr: o.usernetAddr, Hostname: o.hostname, More: o.nics},
		Extra: o.extra,
	}
	if o.autoCPUs {
		s.CPUs = min(runtime.NumCPU(), 16)
	}
	if s.Arch == "" {
		s.Arch = map[string]vm.Arch{"amd64": vm.X86_64, "arm64": vm.AArch64}[runtime.GOARCH]
	}
	switch s.Firmware {
	case "", vm.BIOS, vm.UEFI, vm.UEFISecure:
	default:
		return s, fmt.Errorf("--qemu-firmware %q: want bios, uefi or uefi-secure", o.firmware)
	}
	if o.usernet {
		s.Net.Forwards = []vm.Forward{{Guest: sshPort}}
	}
	first, err := o.firstDisk()
	if err != nil {
		return s, err
	}
	s.Disks = []vm.Disk{first}
	if o.isLive() {
		s.Disks = o.targetDisks(first)
	}
	for _, text := range o.disks {
		d, err := vm.ParseDisk(text)
		if err != nil {
			return s, fmt.Errorf("--add-disk: %w", err)
		}
		s.Disks = append(s.Disks, d)
	}
	return s, nil
}

// sshPort is where a guest's sshd listens.
const sshPort = 22

// firstDisk is the disk that is booted, its file apart.
func (o *runOptions) firstDisk() (vm.Disk, error) {
	d := vm.Disk{Multipath: o.multipath, DriveOpts: strings.Join(o.driveOpts, ",")}
	if o.nvme {
		d.Interface = vm.NVMe
	}
	if o.native4k {
		d.SectorSize = 4096
	}
	if o.size != "" {
		var err error
		if d.Grow, err = vm.ParseSize(o.size); err != nil {
			return d, fmt.Errorf("--qemu-size: %w", err)
		}
	}
	return d, nil
}

// consoleLimit reads how much of what a console prints is kept, a quarter of it
// from the beginning; "" is the usual.
func consoleLimit(text string) (serial.LogOptions, error) {
	if text == "" {
		return serial.LogOptions{}, nil
	}
	n, err := event.ParseBytes(text)
	if err != nil || n < 4 {
		return serial.LogOptions{}, usageError{fmt.Errorf("NOSA_CONSOLE_LIMIT %q: want a size such as 64M", text)}
	}
	return serial.LogOptions{Head: int64(n) / 4, Tail: int64(n) - int64(n)/4}, nil
}

// binds reads --bind-ro and --bind-rw.
func (o *runOptions) binds() ([]vm.Bind, error) {
	var list []vm.Bind
	for i, texts := range [][]string{o.bindRO, o.bindRW} {
		for _, text := range texts {
			b, err := vm.ParseBind(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", []string{"--bind-ro", "--bind-rw"}[i], err)
			}
			if b.Source, err = filepath.Abs(b.Source); err != nil {
				return nil, fmt.Errorf("sharing %s: %w", text, err)
			}
			b.ReadOnly = i == 0
			list = append(list, b)
		}
	}
	return list, nil
}
