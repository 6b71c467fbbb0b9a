package disk

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nestos/nosa/workspace/event"
)

// The identities that the system's first boot looks for and replaces by random
// ones. Changing them here would switch that logic off.
const (
	DiskGUID GUID = "00000000-0000-4000-a000-000000000001"
	BootUUID GUID = "96d15588-3596-4b3c-adca-a2ff7279ea63"
	RootUUID GUID = "910678ff-f77e-4a7d-8d53-86f2ac47a823"
)

// The names of the partitions; those of boot and root are their filesystem's
// label too. The system finds its filesystems by these labels.
const (
	BIOSBoot  = "BIOS-BOOT"
	Reserved  = "reserved"
	EFISystem = "EFI-SYSTEM"
	Boot      = "boot"
	Root      = "root"
)

// The partition types.
const (
	typeBIOSBoot GUID = "21686148-6449-6E6F-744E-656564454649"
	typeReserved GUID = "8DA63339-0007-60C0-C436-083AC8230908"
	typeESP      GUID = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	typeLinux    GUID = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
)

// align is what the start and size of every partition is a multiple of.
const align = event.MiB

// slot is one row of an architecture's partition table; size 0 is what is left.
type slot struct {
	name string
	kind GUID
	size event.Bytes
}

// slots gives the partitions of arch in the order of their numbers, which
// other programs rely on: 2 is the ESP, 3 boot, 4 root.
func slots(arch string) ([]slot, error) {
	rest := []slot{
		{EFISystem, typeESP, 127 * event.MiB},
		{Boot, typeLinux, 384 * event.MiB},
		{Root, typeLinux, 0},
	}
	switch arch {
	case "x86_64":
		return append([]slot{{BIOSBoot, typeBIOSBoot, event.MiB}}, rest...), nil
	case "aarch64":
		return append([]slot{{Reserved, typeReserved, event.MiB}}, rest...), nil
	}
	return nil, fmt.Errorf("disk layout for %q: only x86_64 and aarch64 are known", arch)
}

// Partition is one entry of a partition table.
type Partition struct {
	Name  string
	Type  GUID
	UUID  GUID
	Start event.Bytes // from the start of the disk
	Size  event.Bytes
}

// Layout is a partition table.
type Layout struct {
	Arch       string
	SectorSize event.Bytes // 512 or 4096, logical and physical
	Size       event.Bytes // of the disk
	GUID       GUID
	Partitions []Partition
}

// Partition gives the partition of that name.
func (l Layout) Partition(name string) (Partition, error) {
	i := slices.IndexFunc(l.Partitions, func(p Partition) bool { return p.Name == name })
	if i < 0 {
		return Partition{}, fmt.Errorf("disk layout for %s has no partition %q", l.Arch, name)
	}
	return l.Partitions[i], nil
}

// LayoutRequest says what a Layout is wanted for.
type LayoutRequest struct {
	Arch       string      // as uname -m says it: x86_64, aarch64
	SectorSize event.Bytes // 512 (also when 0) or 4096
	DiskSize   event.Bytes // 0 is MinimumDisk(RootSize)
	RootSize   event.Bytes // 0 is the rest of the disk
}

// NewLayout lays the partitions of r.Arch on a disk. A disk that cannot hold
// them is a *TooSmallError.
func NewLayout(r LayoutRequest) (Layout, error) {
	rows, err := slots(r.Arch)
	if err != nil {
		return Layout{}, err
	}
	if r.SectorSize == 0 {
		r.SectorSize = 512
	}
	if r.SectorSize != 512 && r.SectorSize != 4096 {
		return Layout{}, fmt.Errorf("disk layout: sector size %d: want 512 or 4096", r.SectorSize)
	}
	if r.DiskSize == 0 && r.RootSize == 0 {
		return Layout{}, errors.New("disk layout: neither the size of the disk nor that of its root is given")
	}
	if r.DiskSize == 0 {
		r.DiskSize = MinimumDisk(r.RootSize)
	}
	if need := MinimumDisk(max(r.RootSize, align)); need > r.DiskSize {
		return Layout{}, &TooSmallError{Root: r.RootSize, Needed: need, Given: r.DiskSize}
	}
	l := Layout{Arch: r.Arch, SectorSize: r.SectorSize, Size: roundUp(r.DiskSize, align), GUID: DiskGUID}
	at := align
	for _, row := range rows {
		p := Partition{Name: row.name, Type: row.kind, Start: at, Size: row.size}
		if row.size == 0 && r.RootSize > 0 {
			p.Size = roundUp(r.RootSize, align)
		} else if row.size == 0 {
			p.Size = l.Size - align - at // the last MiB holds the second copy of the table
		}
		if p.UUID, err = l.GUID.derive(row.name); err != nil {
			return Layout{}, err
		}
		l.Partitions = append(l.Partitions, p)
		at += p.Size
	}
	return l, nil
}

// TooSmallError says that a system does not fit on the disk that was asked for.
type TooSmallError struct {
	Root   event.Bytes // what the root filesystem needs, with room to grow
	Needed event.Bytes // the smallest disk that holds it
	Given  event.Bytes
}

// Error names what is needed, what is given and what to set instead.
func (e *TooSmallError) Error() string {
	gib := (e.Needed + event.GiB - 1) / event.GiB
	return fmt.Sprintf("the disk is too small: its root filesystem needs %s and with the boot partitions the disk needs %s, but its size is %s: set \"size: %d\" or more in image.yaml",
		e.Root, e.Needed, e.Given, gib)
}

// EstimateRoot gives the size of a root filesystem for a commit with files of
// the given sizes (in bytes; everything that is an object: content, links,
// metadata) and that many inodes: a block more than each file needs, 512 bytes
// an inode, and 40 % for the filesystem itself and a first update.
func EstimateRoot(files []int64, inodes int) event.Bytes {
	const block, inode = 4096, 512
	blocks := int64(0)
	for _, size := range files {
		blocks += size/block + 1
	}
	mib := mebibytes(blocks*block) + mebibytes(int64(inodes)*inode) + 1
	return event.Bytes(mib*140/100+1) * event.MiB
}

// MinimumDisk gives the size of the smallest disk with a root partition of
// that size: the partitions before it, and a MiB at each end for the table.
func MinimumDisk(root event.Bytes) event.Bytes {
	return roundUp(root, align) + (1+1+127+384+1)*event.MiB
}

func mebibytes(n int64) int64 { return (n + int64(event.MiB) - 1) / int64(event.MiB) }

func roundUp(n, to event.Bytes) event.Bytes { return (n + to - 1) / to * to }
