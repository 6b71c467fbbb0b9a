// Package vm runs images in QEMU: what a machine is, as data; the argv that
// follows from it; which accelerator and firmware this host has; start and stop.
//
// It asserts nothing about what runs inside; that is vm/check's.
package vm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Arch is the architecture of a guest, as uname -m names it.
type Arch string

// The architectures.
const (
	X86_64  Arch = "x86_64"
	AArch64 Arch = "aarch64"
)

// Firmware is what starts the boot loader.
type Firmware string

// The kinds of firmware. The zero value is the architecture's default: BIOS on
// x86_64, UEFI on aarch64 and for a first disk with 4096-byte sectors.
const (
	BIOS       Firmware = "bios"
	UEFI       Firmware = "uefi"
	UEFISecure Firmware = "uefi-secure"
)

// Accel is what executes the guest's code.
type Accel string

// The accelerators. The zero value means TCG to Args.
const (
	KVM Accel = "kvm"
	TCG Accel = "tcg"
)

// FirmwareFiles are the flash images of UEFI.
type FirmwareFiles struct {
	Code   string // read-only
	Vars   string // written; must be a copy of one's own
	Format string // raw or qcow2
}

// Direct boots a kernel without firmware and boot loader.
type Direct struct{ Kernel, Initrd, Args string }

// Icount makes guest time a function of the instructions that were executed: the
// same guest takes the same time however busy the host is. Only TCG can, with one
// processor.
type Icount struct {
	// Shift makes an instruction take 2^Shift nanoseconds, 1 to 10; 0 does not count.
	Shift int
	// Sleep lets an idle guest wait in real time, so that a person can use it;
	// without it time jumps to the next timer.
	Sleep bool
}

// Spec is a machine. Zero values are defaults.
type Spec struct {
	Arch  Arch  // "" is x86_64
	Accel Accel // "" is TCG
	CPU   string
	CPUs  int // 0 is 2; Icount makes it 1
	// MemoryMiB is 2048 where it is 0; for a live system, which is in memory with all
	// that it writes, and has its root filesystem there twice for a moment when that
	// comes over the network, 4096.
	MemoryMiB int
	Firmware  Firmware
	Flash     FirmwareFiles // Start fills it for UEFI
	Disks     []Disk        // the first is booted
	Medium    Medium        // an ISO image, which is booted where no disk is
	Netboot   Netboot       // what is booted where neither a disk nor a medium is
	Direct    Direct        // Kernel "" is a boot from the first disk
	Net       Net
	// ConfigDrive is an Ignition config that the guest finds as OpenStack gives one:
	// on a disk labelled config-2. nil is no such disk.
	ConfigDrive []byte
	// Serve are files that the guest may get over HTTP, by name: see ServerURL.
	Serve map[string]string
	// TPM gives the guest a TPM 2.0, which the program swtpm emulates.
	TPM bool
	// TPMState is the directory with what the TPM remembers, absolute; Start
	// makes one beside the disks.
	TPMState string
	Shares   []Share // directories of the host, from PlanShares
	Ports    []Port  // virtio serial ports
	Icount   Icount
	Boot     BootChanges // of the first disk
	// SerialPath is the tty that the first serial port is; Start fills it.
	SerialPath string
	// QMPFD is the descriptor of a connected socket for QMP; 0 is no QMP.
	QMPFD  int
	Memory MemoryFile
	// State is a file that Save wrote: the machine goes on from there, with the
	// disks and the memory as they were then. "" starts from power-on.
	State string
	// Paused keeps the processors from running until QMP's cont.
	Paused bool
	// FwCfg are named strings for the guest (opt/com.coreos/config …).
	FwCfg map[string]string
	// FwCfgFiles are the same from files.
	FwCfgFiles map[string]string
	// SMBIOS are the OEM strings of table 11 (io.systemd.credential:NAME=VALUE …).
	SMBIOS []string
	// Extra is added to the end, unchecked.
	Extra []string
}

// liveMemoryMiB is what a live system gets where nothing is said: what upstream
// asks for where the root filesystem comes over the network.
const liveMemoryMiB = 4096

// platform is what differs between architectures.
type platform struct {
	binary  string
	machine string
	tcgCPU  string
	secure  string // added to machine for UEFISecure
	tpm     string // the device
}

// platforms: q35 because UEFI on x86_64 is only kept there; Nehalem because TCG
// is some 7 % faster without the newer instructions (measured), and a fixed CPU
// makes boots comparable.
func platforms() map[Arch]platform {
	return map[Arch]platform{
		X86_64:  {binary: "qemu-system-x86_64", machine: "q35", tcgCPU: "Nehalem", secure: ",smm=on", tpm: "tpm-tis"},
		AArch64: {binary: "qemu-system-aarch64", machine: "virt,gic-version=max", tcgCPU: "cortex-a72", tpm: "tpm-tis-device"},
	}
}

// withDefaults fills what the zero values stand for.
func (s Spec) withDefaults() (Spec, platform, error) {
	if s.Arch == "" {
		s.Arch = X86_64
	}
	p, ok := platforms()[s.Arch]
	if !ok {
		return s, p, fmt.Errorf("architecture %q: want x86_64 or aarch64", s.Arch)
	}
	if s.Accel == "" {
		s.Accel = TCG
	}
	if s.CPUs == 0 {
		s.CPUs = 2
	}
	if s.Icount.Shift != 0 {
		s.CPUs = 1
	}
	if s.MemoryMiB == 0 {
		s.MemoryMiB = 2048
		if s.Medium.Path != "" || s.Netboot.wanted() {
			s.MemoryMiB = liveMemoryMiB
		}
	}
	if s.Firmware == "" {
		s.Firmware = BIOS
		if s.Arch == AArch64 || len(s.Disks) > 0 && s.Disks[0].SectorSize == 4096 {
			s.Firmware = UEFI
		}
	}
	if s.CPU == "" {
		s.CPU = p.tcgCPU
		if s.Accel == KVM {
			s.CPU = "host"
		}
	}
	s.Disks = slices.Clone(s.Disks)
	for i := range s.Disks {
		s.Disks[i] = s.Disks[i].withDefaults(i)
	}
	return s, p, s.check()
}

// Args is QEMU's command line for the machine, the program first. Nothing of the
// host's configuration and no default device is in it.
func Args(spec Spec) ([]string, error) {
	s, p, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	args := slices.Concat(s.base(p), s.flash())
	bootindex := 1
	if s.Medium.beforeDisks(s.Firmware) {
		args = append(args, s.medium(&bootindex)...)
	}
	for i, d := range s.Disks {
		args = append(args, d.args(i, &bootindex)...)
	}
	if !s.Medium.beforeDisks(s.Firmware) {
		args = append(args, s.medium(&bootindex)...)
	}
	if s.Direct.Kernel != "" {
		args = append(args, "-kernel", s.Direct.Kernel)
		if s.Direct.Initrd != "" {
			args = append(args, "-initrd", s.Direct.Initrd)
		}
		if s.Direct.Args != "" {
			args = append(args, "-append", s.Direct.Args)
		}
	}
	return slices.Concat(args, s.Net.args(s.Netboot, bootindex), s.io(), s.tpm(p), s.shares(), s.ports(), s.data(), s.start(), s.Extra), nil
}

// base is what the accelerator probe has in common with the real run.
func (s Spec) base(p platform) []string {
	machine := p.machine
	if s.Firmware == UEFISecure {
		machine += p.secure
	}
	accel := "tcg,thread=multi,tb-size=512"
	switch {
	case s.Accel == KVM:
		accel = "kvm"
	case s.Icount.Shift != 0:
		accel = "tcg,thread=single,tb-size=512"
	}
	backend, memory := s.memory()
	machine += backend
	return slices.Concat([]string{
		p.binary, "-name", "nosa", "-no-user-config", "-nodefaults", "-display", "none",
		"-machine", machine, "-accel", accel, "-cpu", s.CPU,
		"-smp", strconv.Itoa(s.CPUs), "-m", strconv.Itoa(s.MemoryMiB) + "M",
	}, memory, []string{"-boot", "strict=on"})
}

// Programs are the programs by name that the machine needs on this host.
func (s Spec) Programs() []string {
	arch := s.Arch
	if arch == "" {
		arch = X86_64
	}
	list := []string{"qemu-img", platforms()[arch].binary}
	if s.TPM {
		list = append(list, swtpm)
	}
	return list
}

// Warnings are what a machine may need that only its guest can give, a sentence each.
func (s Spec) Warnings() []string {
	var list []string
	for i, d := range s.Disks {
		if d.Multipath {
			list = append(list, fmt.Sprintf("disk %d has two paths: the guest sees two disks with the same contents unless it runs multipathd"+
				" (kernel arguments rd.multipath=default root=/dev/disk/by-label/dm-mpath-root)", i))
		}
	}
	return list
}

// comma quotes a value of a comma-separated option.
func comma(s string) string { return strings.ReplaceAll(s, ",", ",,") }
