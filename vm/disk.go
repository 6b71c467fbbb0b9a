package vm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/event"
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

// primarySerial is the serial number of the disk that is booted.
const primarySerial = "primary-disk"

// Disk is one disk of a machine.
type Disk struct {
	// Path is absolute, or relative to the caller's directory; "" is a new empty
	// disk of Size, which Start makes and which goes away with the machine.
	Path       string
	Format     string      // raw or qcow2; "" is by the name's end
	Size       event.Bytes // of a new disk
	Grow       Resize      // of a disk with a Path; what is written of it is a matter of Writes
	SectorSize int         // bytes; 0 is 512
	Interface  Interface
	// Serial appears as /dev/disk/by-id/virtio-SERIAL (nvme-…_SERIAL, scsi-…_SERIAL),
	// at most 20 bytes; "" is primary-disk for the first, disk1, disk2 … for the others.
	Serial string
	// Multipath attaches the disk twice, by two virtio-scsi controllers, so that
	// the guest has two paths to it.
	Multipath bool
	// DriveOpts is added to QEMU's -drive, unchecked ("cache=none,aio=native").
	DriveOpts string
	Writes    Writes
}

func (d Disk) withDefaults(i int) Disk {
	if d.Serial == "" {
		d.Serial = "disk" + strconv.Itoa(i)
		if i == 0 {
			d.Serial = primarySerial
		}
	}
	if d.Multipath && d.Interface == "" {
		d.Interface = VirtioSCSI
	}
	return d
}

// ImageFormat is the format of the disk's file: as given, else by its name's end.
func (d Disk) ImageFormat() string {
	if d.Format != "" {
		return d.Format
	}
	if strings.HasSuffix(d.Path, ".qcow2") {
		return "qcow2"
	}
	return "raw"
}

// name is the disk for people.
func (d Disk) name() string {
	if d.Path == "" {
		return d.Serial
	}
	return d.Path
}

// args is the i-th disk; a disk that could be booted takes the next bootindex.
// cache=unsafe: what a throw-away overlay loses in a crash of the host is lost
// anyway; a disk that is kept is written through the host's cache as usual.
func (d Disk) args(i int, bootindex *int) []string {
	id := "disk" + strconv.Itoa(i)
	props := func() string {
		opts := "drive=" + id
		if i == 0 || d.Size == 0 { // nothing is on a new disk
			opts += ",bootindex=" + strconv.Itoa(*bootindex)
			*bootindex++
		}
		opts += ",serial=" + comma(d.Serial)
		if d.SectorSize == 4096 {
			opts += ",logical_block_size=4096,physical_block_size=4096"
		}
		return opts
	}
	if d.Multipath {
		return d.paths(i, props)
	}
	cache := "unsafe"
	if d.Writes == Keep {
		cache = "writeback"
	}
	drive := fmt.Sprintf("if=none,id=%s,format=%s,cache=%s,discard=unmap,file=%s", id, d.ImageFormat(), cache, comma(d.Path))
	if d.DriveOpts != "" {
		drive += "," + d.DriveOpts
	}
	args := []string{"-drive", drive}
	switch d.Interface {
	case NVMe:
		return append(args, "-device", "nvme,"+props())
	case VirtioSCSI:
		bus := "scsi" + strconv.Itoa(i)
		return append(args, "-device", "virtio-scsi-pci,id="+bus, "-device", "scsi-hd,bus="+bus+".0,"+props())
	}
	return append(args, "-device", "virtio-blk-pci,"+props())
}

// paths attaches one block node twice, each time to a controller of its own. The
// world wide name makes the two one disk to multipathd, and so do vendor and
// product, which coreos-assembler's kola uses as well; its form is NAA 5 with the
// vendor number that QEMU's network cards have.
func (d Disk) paths(i int, props func() string) []string {
	id := "disk" + strconv.Itoa(i)
	node := fmt.Sprintf("driver=%s,node-name=%s,discard=unmap,cache.no-flush=on,file.driver=file,file.filename=%s", d.ImageFormat(), id, comma(d.Path))
	if d.Writes == Keep {
		node = strings.Replace(node, "cache.no-flush=on,", "", 1)
	}
	args := []string{"-blockdev", node}
	for path := range 2 {
		bus := fmt.Sprintf("scsi%d-%d", i, path)
		args = append(
			args, "-device", "virtio-scsi-pci,id="+bus, "-device",
			fmt.Sprintf("scsi-hd,bus=%s.0,share-rw=on,vendor=NVME,product=VirtualMultipath,wwn=0x5525400%09x,%s", bus, i+1, props()),
		)
	}
	return args
}
