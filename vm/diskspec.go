package vm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/event"
)

// ParseDisk reads what --add-disk takes: a size in GiB and options, as in
// "10G:mpath,4k,channel=nvme,serial=data". The disk is new and empty.
func ParseDisk(text string) (Disk, error) {
	size, opts, hasOpts := strings.Cut(text, ":")
	d := Disk{}
	number, ok := strings.CutSuffix(size, "G")
	n, err := strconv.ParseUint(number, 10, 20)
	if !ok || err != nil || n == 0 {
		return d, fmt.Errorf("disk %q: the size must be a whole number of GiB that ends in G, as in 10G", text)
	}
	d.Size = event.Bytes(n) * event.GiB
	if !hasOpts {
		return d, nil
	}
	for opt := range strings.SplitSeq(opts, ",") {
		if err := d.option(opt); err != nil {
			return d, fmt.Errorf("disk %q: %w", text, err)
		}
	}
	if d.Multipath && d.Interface == NVMe {
		return d, fmt.Errorf("disk %q: %w", text, errMultipathNVMe)
	}
	return d, nil
}

var errMultipathNVMe = errors.New("two paths (mpath) need virtio-scsi, not nvme")

// option takes one option of --add-disk.
func (d *Disk) option(opt string) error {
	key, value, hasValue := strings.Cut(opt, "=")
	switch {
	case key == "mpath" && !hasValue:
		d.Multipath = true
	case key == "4k" && !hasValue:
		d.SectorSize = 4096
	case key == "channel" && value == "virtio":
		d.Interface = ""
	case key == "channel" && value == "nvme":
		d.Interface = NVMe
	case key == "channel":
		return fmt.Errorf("channel %q: want virtio or nvme", value)
	case key == "serial" && value != "":
		d.Serial = value
	default:
		return fmt.Errorf("option %q: want mpath, 4k, channel=virtio, channel=nvme or serial=NAME", opt)
	}
	return nil
}

// Resize is a new size of a disk; the zero value keeps it. At most one is set.
type Resize struct {
	To event.Bytes // absolute
	By event.Bytes // added to what its image has
}

// ParseSize reads what --qemu-size takes: "20G" or "+4G" (K, M, G, T).
func ParseSize(text string) (Resize, error) {
	number, add := strings.CutPrefix(text, "+")
	n, err := event.ParseBytes(number)
	if err != nil || n == 0 || strings.HasPrefix(number, "+") {
		return Resize{}, fmt.Errorf("size %q: want a size such as 20G, or +4G to add to what the image has", text)
	}
	if add {
		return Resize{By: n}, nil
	}
	return Resize{To: n}, nil
}

// from is the new size of a disk whose image has base and which itself has now,
// a multiple of 1 MiB where it grows.
func (r Resize) from(base, now event.Bytes) (event.Bytes, error) {
	size := base + r.By
	if r.To != 0 {
		size = r.To
	}
	if size < now {
		return 0, fmt.Errorf("size %s: the disk has %s already and cannot shrink", size, now)
	}
	if size == now {
		return now, nil
	}
	return (size + event.MiB - 1) / event.MiB * event.MiB, nil
}
