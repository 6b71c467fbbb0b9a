package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// ownDisk makes the machine's own file of its i-th disk, unless an earlier start
// has kept it, and gives the disk that uses it.
func (m *Machine) ownDisk(ctx context.Context, i int, d Disk) (Disk, error) {
	own := Disk{Path: filepath.Join(m.files, fmt.Sprintf("disk%d.qcow2", i)), Format: "qcow2"}
	if d.Path == "" {
		if err := qemuImg(ctx, own.Path, func(name string) []string { return NewDiskArgs(name, d.Size) }); err != nil {
			return d, fmt.Errorf("new disk %s: %w", d.Serial, err)
		}
		return m.using(d, own), nil
	}
	path, err := filepath.Abs(d.Path)
	if err != nil {
		return d, err
	}
	base := Disk{Path: path, Format: d.ImageFormat()}
	used := m.using(d, base)
	if d.Writes != Keep {
		if err := qemuImg(ctx, own.Path, func(name string) []string { return OverlayArgs(name, base.Path, base.Format) }); err != nil {
			return d, fmt.Errorf("overlay of disk %s: %w", path, err)
		}
		used = m.using(d, own)
	}
	if d.Grow != (Resize{}) {
		if err := d.Grow.apply(ctx, base, used); err != nil {
			return d, fmt.Errorf("enlarging disk %s: %w", path, err)
		}
	}
	return used, nil
}

// using is d with the file of another. A file that is kept is not written carelessly.
func (m *Machine) using(d, file Disk) Disk {
	d.Path, d.Format = file.Path, file.Format
	if m.files != m.dir {
		d.Writes = Keep
	}
	return d
}

// qemuImg runs a command that makes a file, unless it is there.
func qemuImg(ctx context.Context, file string, args func(name string) []string) error {
	return once(file, func(name string) error { return proc.Run(ctx, proc.Cmd{Args: args(name)}) })
}

// OverlayArgs is the command that makes a qcow2 file that takes the writes to base.
func OverlayArgs(overlay, base, baseFormat string) []string {
	return []string{"qemu-img", "create", "-q", "-f", "qcow2", "-F", baseFormat, "-b", base, overlay}
}

// NewDiskArgs is the command that makes an empty qcow2 file, which takes next to
// no room.
func NewDiskArgs(file string, size event.Bytes) []string {
	return []string{"qemu-img", "create", "-q", "-f", "qcow2", file, strconv.FormatInt(int64(size), 10)}
}

// apply enlarges the file of a disk. What is added is added to the image that
// the file takes the writes to, so that a kept one does not grow at every start.
func (r Resize) apply(ctx context.Context, base, used Disk) error {
	sizes := make([]event.Bytes, 2)
	for i, d := range []Disk{base, used} {
		out, err := proc.Output(ctx, proc.Cmd{Args: []string{"qemu-img", "info", "--output=json", "-f", d.Format, d.Path}})
		if err != nil {
			return err
		}
		var info struct {
			VirtualSize event.Bytes `json:"virtual-size"`
		}
		if err := json.Unmarshal(out, &info); err != nil {
			return fmt.Errorf("reading what qemu-img info says: %w", err)
		}
		sizes[i] = info.VirtualSize
	}
	size, err := r.from(sizes[0], sizes[1])
	if err != nil || size == sizes[1] {
		return err
	}
	return proc.Run(ctx, proc.Cmd{Args: []string{"qemu-img", "resize", "-q", "-f", used.Format, used.Path, strconv.FormatInt(int64(size), 10)}})
}
