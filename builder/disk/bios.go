package disk

import (
	"encoding/binary"
	"fmt"
)

// BootCode is what a BIOS starts: GRUB's boot.img (one sector) and core.img,
// as grub-mkimage makes it (-O i386-pc).
type BootCode struct {
	BootImg []byte
	CoreImg []byte
}

// Offsets of GRUB 2.06's boot.S and diskboot.S (include/grub/machine/boot.h),
// unchanged since 1.98.
const (
	biosSector      = 512
	bootKernelLBA   = 0x5c  // u64: first sector of core.img
	bootDrive       = 0x64  // u8: 0xff is the drive that the BIOS started
	bootDriveCheck  = 0x66  // two bytes: a jump over the test for a floppy
	coreBlocklist   = 0x1f4 // u64 start, u16 sectors, u16 segment: the rest of core.img
	coreLoadSegment = 0x820
)

// embed gives the 446 bytes of boot code for the first sector and the bytes of
// the BIOS boot partition, which starts at sector lba and has room for size
// bytes: what grub-install does, without a device.
func (b BootCode) embed(lba uint64, size int64) (mbr, core []byte, err error) {
	if len(b.BootImg) != biosSector {
		return nil, nil, fmt.Errorf("GRUB boot.img has %d bytes, want %d", len(b.BootImg), biosSector)
	}
	sectors := (len(b.CoreImg) + biosSector - 1) / biosSector
	if sectors < 2 {
		return nil, nil, fmt.Errorf("GRUB core.img has %d bytes: too short for one", len(b.CoreImg))
	}
	if int64(sectors*biosSector) > size || sectors-1 > 0xffff {
		return nil, nil, fmt.Errorf("GRUB core.img has %d bytes, the %s partition only %d", len(b.CoreImg), BIOSBoot, size)
	}
	mbr = append(mbr, b.BootImg[:mbrTable]...)
	binary.LittleEndian.PutUint64(mbr[bootKernelLBA:], lba)
	mbr[bootDrive] = 0xff
	mbr[bootDriveCheck], mbr[bootDriveCheck+1] = 0x90, 0x90 // no-operations, as grub-install writes for a hard disk
	core = make([]byte, sectors*biosSector)
	copy(core, b.CoreImg)
	binary.LittleEndian.PutUint64(core[coreBlocklist:], lba+1)
	binary.LittleEndian.PutUint16(core[coreBlocklist+8:], uint16(sectors-1))
	binary.LittleEndian.PutUint16(core[coreBlocklist+10:], coreLoadSegment)
	return mbr, core, nil
}
