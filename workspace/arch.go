package workspace

import (
	"fmt"
	"runtime"
	"slices"
)

// Arch is what differs between the architectures that images can be made for.
type Arch struct {
	Name     string   // basearch: what packages, refs and file names say
	GOARCH   string   // what Go calls it
	Debian   string   // what Debian calls it
	Packages []string // architectures of packages that can be installed, best first
	Serial   string   // first serial console of a machine of QEMU
	QEMU     string   // the emulator
	BIOS     bool     // images boot by BIOS too
	Grub     []string // GRUB platforms that are installed
	EFI      string   // suffix of EFI binaries: shimEFI.efi, grubEFI.efi
	EFIBoot  string   // file in EFI/BOOT that firmware starts by itself
	First    Reserved // first partition of every disk
}

// Reserved is the first partition of a disk, 1 MiB without a file system.
type Reserved struct {
	Name string // GPT entry name
	Type string // GPT type GUID
}

// Arches is the table of supported architectures.
func Arches() []Arch {
	return []Arch{
		{
			Name: "x86_64", GOARCH: "amd64", Debian: "amd64",
			Packages: []string{"x86_64", "noarch"},
			Serial:   "ttyS0", QEMU: "qemu-system-x86_64",
			BIOS: true, Grub: []string{"i386-pc", "x86_64-efi"},
			EFI: "x64", EFIBoot: "BOOTX64.EFI",
			First: Reserved{"BIOS-BOOT", "21686148-6449-6E6F-744E-656564454649"},
		},
		{
			Name: "aarch64", GOARCH: "arm64", Debian: "arm64",
			Packages: []string{"aarch64", "noarch"},
			Serial:   "ttyAMA0", QEMU: "qemu-system-aarch64",
			Grub: []string{"arm64-efi"},
			EFI:  "aa64", EFIBoot: "BOOTAA64.EFI",
			First: Reserved{"reserved", "8DA63339-0007-60C0-C436-083AC8230908"},
		},
	}
}

// FindArch gives the table's entry for a basearch.
func FindArch(name string) (Arch, error) {
	arches := Arches()
	i := slices.IndexFunc(arches, func(a Arch) bool { return a.Name == name })
	if i < 0 {
		return Arch{}, fmt.Errorf("architecture %q: want x86_64 or aarch64", name)
	}
	return arches[i], nil
}

// HostArch gives the entry of the machine that runs this program.
func HostArch() (Arch, error) {
	arches := Arches()
	i := slices.IndexFunc(arches, func(a Arch) bool { return a.GOARCH == runtime.GOARCH })
	if i < 0 {
		return Arch{}, fmt.Errorf("this machine's architecture (%s) is not supported: want x86_64 or aarch64", runtime.GOARCH)
	}
	return arches[i], nil
}
