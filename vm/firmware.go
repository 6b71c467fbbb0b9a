package vm

import (
	"fmt"
	"os"
	"strings"
)

// firmwareTable is where distributions put UEFI's flash images, best first:
// those of 4 MiB have room for the key databases, those of 2 MiB are of older
// releases.
func firmwareTable() map[Arch]map[Firmware][]FirmwareFiles {
	const (
		debian  = "/usr/share/OVMF/"
		fedora  = "/usr/share/edk2/ovmf/" // openEuler too
		debArm  = "/usr/share/AAVMF/"
		fedArm  = "/usr/share/edk2/aarch64/" // openEuler too
		archEdk = "/usr/share/edk2/x64/"
	)
	return map[Arch]map[Firmware][]FirmwareFiles{
		X86_64: {
			UEFI: {
				{Code: debian + "OVMF_CODE_4M.fd", Vars: debian + "OVMF_VARS_4M.fd", Format: "raw"},
				{Code: fedora + "OVMF_CODE_4M.qcow2", Vars: fedora + "OVMF_VARS_4M.qcow2", Format: "qcow2"},
				{Code: archEdk + "OVMF_CODE.4m.fd", Vars: archEdk + "OVMF_VARS.4m.fd", Format: "raw"},
				{Code: debian + "OVMF_CODE.fd", Vars: debian + "OVMF_VARS.fd", Format: "raw"},
				{Code: fedora + "OVMF_CODE.fd", Vars: fedora + "OVMF_VARS.fd", Format: "raw"},
			},
			// The variables have the keys of Microsoft enrolled and the check on.
			UEFISecure: {
				{Code: debian + "OVMF_CODE_4M.ms.fd", Vars: debian + "OVMF_VARS_4M.ms.fd", Format: "raw"},
				{Code: fedora + "OVMF_CODE_4M.secboot.qcow2", Vars: fedora + "OVMF_VARS_4M.secboot.qcow2", Format: "qcow2"},
				{Code: debian + "OVMF_CODE.secboot.fd", Vars: debian + "OVMF_VARS.ms.fd", Format: "raw"},
				{Code: fedora + "OVMF_CODE.secboot.fd", Vars: fedora + "OVMF_VARS.secboot.fd", Format: "raw"},
			},
		},
		AArch64: {
			UEFI: {
				{Code: debArm + "AAVMF_CODE.fd", Vars: debArm + "AAVMF_VARS.fd", Format: "raw"},
				{Code: fedArm + "QEMU_EFI-pflash.raw", Vars: fedArm + "vars-template-pflash.raw", Format: "raw"},
			},
		},
	}
}

// FindFirmware gives the flash images for UEFI of this host. root is put before
// every path; "" is the host itself. Vars is the template, to be copied. When
// none is there the error lists the places.
func FindFirmware(root string, arch Arch, fw Firmware) (FirmwareFiles, error) {
	var looked []string
	for _, f := range firmwareTable()[arch][fw] {
		f.Code, f.Vars = root+f.Code, root+f.Vars
		if isFile(f.Code) && isFile(f.Vars) {
			return f, nil
		}
		looked = append(looked, f.Code)
	}
	if len(looked) == 0 {
		return FirmwareFiles{}, fmt.Errorf("firmware %s: none is known for %s", fw, arch)
	}
	return FirmwareFiles{}, fmt.Errorf("firmware %s for %s is not installed (package ovmf or edk2-ovmf, qemu-efi-aarch64 or edk2-aarch64); looked for %s",
		fw, arch, strings.Join(looked, ", "))
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
