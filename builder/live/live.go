// Package live makes what a system runs from without being installed: the root filesystem as a
// squashfs in rootfs.img, the initramfs that finds it, the kernel arguments, and the ISO that a
// BIOS and a UEFI start, as a CD and as a disk. Paths and values go in, files come out.
//
// It knows no workspace and no OSTree: what the tree consists of and which boot programs the
// system has, its caller decides.
package live

import (
	"fmt"
	"regexp"
)

// Names of the ISO's files, as tools that read the ISO know them.
const (
	KernelPath    = "images/pxeboot/vmlinuz"
	InitrdPath    = "images/pxeboot/initrd.img"
	RootfsPath    = "images/pxeboot/rootfs.img"
	IgnitionPath  = "images/ignition.img"
	EFIBootPath   = "images/efiboot.img"
	metaDir       = "nestos"
	FeaturesPath  = metaDir + "/features.json"
	IgnInfoPath   = metaDir + "/igninfo.json"
	KargsPath     = metaDir + "/kargs.json"
	MinISOPath    = metaDir + "/miniso.dat"
	isolinuxDir   = "isolinux"
	bootCatalogue = isolinuxDir + "/boot.cat"
)

// Names in the initramfs and in rootfs.img by which the two know each other.
const (
	InitramfsStamp  = "etc/nestos-live-initramfs"   // in the initramfs: the build
	RootfsStamp     = "etc/nestos-live-rootfs"      // in rootfs.img: the build
	WantRootfs      = "etc/nestos-live-want-rootfs" // in the initramfs: the stream hash of rootfs.img
	FeaturesInside  = "etc/nestos/features.json"    // in the initramfs
	SquashfsName    = "root.squashfs"               // in rootfs.img, its first file
	SquashfsOffset  = 124                           // of its data in rootfs.img, in bytes
	ignitionImgSize = 256 << 10
	minISOSize      = 16 << 10
)

// VolumeIDMax is the length of an ISO's volume id in bytes (ECMA-119 8.4.8).
const VolumeIDMax = 32

// volumeID is what survives everything that reads the label: GRUB's and isolinux' syntax, the
// kernel's command line, udev's escaping (ID_FS_LABEL_ENC). Lower case is more than ECMA-119's
// d-characters, and what every live ISO has.
var volumeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// VolumeID gives the label of a build's ISO: NAME-BUILD. Where that is too long, or has characters
// that a boot loader would not read as they are meant, it is an error.
func VolumeID(name, build string) (string, error) {
	id := name + "-" + build
	if len(id) > VolumeIDMax {
		return "", fmt.Errorf("volume id %q: it has %d bytes, an ISO's has room for %d: a shorter name or version is needed", id, len(id), VolumeIDMax)
	}
	if !volumeID.MatchString(id) {
		return "", fmt.Errorf("volume id %q: want letters, digits and ._+- only", id)
	}
	return id, nil
}
