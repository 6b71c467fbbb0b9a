// Package vm runs images in QEMU: what a machine is, as data; the argv that
// follows from it; which accelerator and firmware this host has; start and stop.
//
// It asserts nothing about what runs inside; that is vm/check's.
package vm

import (
	"errors"
	"fmt"
	"maps"
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
// x86_64, UEFI on aarch64 and for a disk with 4096-byte sectors.
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

// Interface is what a disk is attached to.
type Interface string

// The disk interfaces; the zero value is VirtioBlk.
const (
	VirtioBlk  Interface = "virtio-blk"
	VirtioSCSI Interface = "virtio-scsi"
	NVMe       Interface = "nvme"
)

// Writes is what becomes of what the guest writes to a disk.
type Writes string

// The zero value is Discard: the file of the disk is never written, an overlay
// beside it takes the writes and goes away with the machine.
const (
	Discard Writes = ""
	Keep    Writes = "keep"
)

// Disk is one disk of a machine.
type Disk struct {
	Path       string // absolute, or relative to the caller's directory
	Format     string // raw or qcow2; "" is by the name's end
	SectorSize int    // bytes; 0 is 512
	Interface  Interface
	Serial     string // appears as /dev/disk/by-id/virtio-SERIAL; "" is none
	Writes     Writes
}

// format is the format of the disk's file.
func (d Disk) format() string {
	if d.Format != "" {
		return d.Format
	}
	if strings.HasSuffix(d.Path, ".qcow2") {
		return "qcow2"
	}
	return "raw"
}

// Forward makes a TCP port of the guest reachable on 127.0.0.1.
type Forward struct{ Host, Guest int }

// Net is the guest's network card. The zero value is a user-mode network: DHCP,
// the host's 127.0.0.1 as 10.0.2.2, nothing reachable from outside.
type Net struct {
	None     bool      // no network card
	Restrict bool      // the guest reaches nothing but GuestForwards
	Forwards []Forward // from the host into the guest
	// GuestForwards gives the guest single services, as QEMU's guestfwd option
	// has them ("tcp:10.0.2.100:80-cmd:…").
	GuestForwards []string
}

// FirmwareFiles are the flash images of UEFI.
type FirmwareFiles struct {
	Code   string // read-only
	Vars   string // written; must be a copy of one's own
	Format string // raw or qcow2
}

// Direct boots a kernel without firmware and boot loader.
type Direct struct{ Kernel, Initrd, Args string }

// Spec is a machine. Zero values are defaults.
type Spec struct {
	Arch      Arch  // "" is x86_64
	Accel     Accel // "" is TCG
	CPU       string
	CPUs      int // 0 is 2
	MemoryMiB int // 0 is 2048
	Firmware  Firmware
	Flash     FirmwareFiles // Start fills it for UEFI
	Disks     []Disk        // the first is booted
	Direct    Direct        // Kernel "" is a boot from the first disk
	Net       Net
	// SerialPath is the tty that the first serial port is; Start fills it.
	SerialPath string
	// QMPFD is the descriptor of a connected socket for QMP; 0 is no QMP.
	QMPFD int
	// FwCfg are named strings for the guest (opt/com.coreos/config …).
	FwCfg map[string]string
	// FwCfgFiles are the same from files.
	FwCfgFiles map[string]string
	// SMBIOS are the OEM strings of table 11 (io.systemd.credential:NAME=VALUE …).
	SMBIOS []string
	// Extra is added to the end, unchecked.
	Extra []string
}

// platform is what differs between architectures.
type platform struct {
	binary  string
	machine string
	tcgCPU  string
	secure  string // added to machine for UEFISecure
}

// platforms: q35 because UEFI on x86_64 is only kept there; Nehalem because TCG
// is some 7 % faster without the newer instructions (measured), and a fixed CPU
// makes boots comparable.
func platforms() map[Arch]platform {
	return map[Arch]platform{
		X86_64:  {binary: "qemu-system-x86_64", machine: "q35", tcgCPU: "Nehalem", secure: ",smm=on"},
		AArch64: {binary: "qemu-system-aarch64", machine: "virt,gic-version=max", tcgCPU: "cortex-a72"},
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
	if s.MemoryMiB == 0 {
		s.MemoryMiB = 2048
	}
	if s.Firmware == "" {
		s.Firmware = BIOS
		if s.Arch == AArch64 || slices.ContainsFunc(s.Disks, func(d Disk) bool { return d.SectorSize == 4096 }) {
			s.Firmware = UEFI
		}
	}
	if s.CPU == "" {
		s.CPU = p.tcgCPU
		if s.Accel == KVM {
			s.CPU = "host"
		}
	}
	return s, p, s.check()
}

// check refuses what cannot boot.
func (s Spec) check() error {
	if s.Arch == AArch64 && s.Firmware == BIOS {
		return errors.New("firmware bios: aarch64 has none, use uefi")
	}
	if s.Arch == AArch64 && s.Firmware == UEFISecure {
		return errors.New("firmware uefi-secure: not supported on aarch64")
	}
	for _, d := range s.Disks {
		switch d.SectorSize {
		case 0, 512:
		case 4096:
			if s.Firmware == BIOS && s.Direct.Kernel == "" {
				return fmt.Errorf("disk %s: a BIOS boots no disk with 4096-byte sectors, use firmware uefi", d.Path)
			}
		default:
			return fmt.Errorf("disk %s: sector size %d: want 512 or 4096", d.Path, d.SectorSize)
		}
	}
	return nil
}

// Args is QEMU's command line for the machine, the program first. Nothing of the
// host's configuration and no default device is in it.
func Args(spec Spec) ([]string, error) {
	s, p, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	args := slices.Concat(s.base(p), s.flash())
	for i, d := range s.Disks {
		args = append(args, d.args(i)...)
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
	return slices.Concat(args, s.net(), s.io(), s.data(), s.Extra), nil
}

// base is what the accelerator probe has in common with the real run.
func (s Spec) base(p platform) []string {
	machine := p.machine
	if s.Firmware == UEFISecure {
		machine += p.secure
	}
	accel := "tcg,thread=multi,tb-size=512"
	if s.Accel == KVM {
		accel = "kvm"
	}
	return []string{
		p.binary, "-name", "nosa", "-no-user-config", "-nodefaults", "-display", "none",
		"-machine", machine, "-accel", accel, "-cpu", s.CPU,
		"-smp", strconv.Itoa(s.CPUs), "-m", strconv.Itoa(s.MemoryMiB) + "M", "-boot", "strict=on",
	}
}

// flash is UEFI's two flash chips.
func (s Spec) flash() []string {
	if s.Firmware == BIOS {
		return nil
	}
	format := s.Flash.Format
	if format == "" {
		format = "raw"
	}
	var args []string
	if s.Firmware == UEFISecure {
		args = append(args, "-global", "driver=cfi.pflash01,property=secure,value=on")
	}
	return append(
		args,
		"-drive", "if=pflash,unit=0,format="+format+",readonly=on,file="+comma(s.Flash.Code),
		"-drive", "if=pflash,unit=1,format="+format+",file="+comma(s.Flash.Vars),
	)
}

// args is the i-th disk. cache=unsafe: what a throw-away overlay loses in a
// crash of the host is lost anyway; a disk that is kept is written through the
// host's cache as usual.
func (d Disk) args(i int) []string {
	id := "disk" + strconv.Itoa(i)
	cache := "unsafe"
	if d.Writes == Keep {
		cache = "writeback"
	}
	drive := fmt.Sprintf("if=none,id=%s,format=%s,cache=%s,discard=unmap,file=%s", id, d.format(), cache, comma(d.Path))
	opts := "drive=" + id + ",bootindex=" + strconv.Itoa(i+1)
	if d.Serial != "" {
		opts += ",serial=" + comma(d.Serial)
	}
	if d.SectorSize == 4096 {
		opts += ",logical_block_size=4096,physical_block_size=4096"
	}
	args := []string{"-drive", drive}
	switch d.Interface {
	case NVMe:
		if d.Serial == "" { // NVMe has no drive without one
			opts += ",serial=" + id
		}
		return append(args, "-device", "nvme,"+opts)
	case VirtioSCSI:
		bus := "scsi" + strconv.Itoa(i)
		return append(args, "-device", "virtio-scsi-pci,id="+bus, "-device", "scsi-hd,bus="+bus+".0,"+opts)
	}
	return append(args, "-device", "virtio-blk-pci,"+opts)
}

func (s Spec) net() []string {
	if s.Net.None {
		return []string{"-nic", "none"}
	}
	dev := []string{"user", "id=net0"}
	if s.Net.Restrict {
		dev = append(dev, "restrict=on")
	}
	for _, f := range s.Net.Forwards {
		dev = append(dev, fmt.Sprintf("hostfwd=tcp:127.0.0.1:%d-:%d", f.Host, f.Guest))
	}
	for _, g := range s.Net.GuestForwards {
		dev = append(dev, "guestfwd="+comma(g))
	}
	// romfile= : no network boot ROM, which QEMU may lack and the guest would wait in.
	return []string{"-netdev", strings.Join(dev, ","), "-device", "virtio-net-pci,netdev=net0,romfile="}
}

// io is the random number generator, the serial port and QMP.
func (s Spec) io() []string {
	args := []string{"-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0"}
	if s.SerialPath != "" {
		args = append(args, "-chardev", "serial,id=serial0,path="+comma(s.SerialPath), "-serial", "chardev:serial0")
	}
	if s.QMPFD > 0 {
		args = append(args, "-chardev", "socket,id=qmp0,fd="+strconv.Itoa(s.QMPFD), "-mon", "chardev=qmp0,mode=control")
	}
	return args
}

// data is what the guest is told.
func (s Spec) data() []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(s.FwCfg)) {
		args = append(args, "-fw_cfg", "name="+comma(name)+",string="+comma(s.FwCfg[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(s.FwCfgFiles)) {
		args = append(args, "-fw_cfg", "name="+comma(name)+",file="+comma(s.FwCfgFiles[name]))
	}
	for _, text := range s.SMBIOS {
		args = append(args, "-smbios", "type=11,value="+comma(text))
	}
	return args
}

// comma quotes a value of a comma-separated option.
func comma(s string) string { return strings.ReplaceAll(s, ",", ",,") }
