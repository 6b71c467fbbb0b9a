package vm

import (
	"context"
	"fmt"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace/event"
)

// BootChanges are what is changed in the boot partition of the first disk
// before it is first started. It is the machine's own overlay that is changed,
// never the image. The zero value changes nothing.
type BootChanges struct {
	Kargs          string // added to every boot entry
	FirstbootKargs string // for the first boot only
	Ignition       []byte // the user config, as /ignition/config.ign; nil is none
}

func (b BootChanges) empty() bool {
	return b.Kargs == "" && b.FirstbootKargs == "" && b.Ignition == nil
}

// apply makes the changes in the overlay of a machine that does not run yet.
func (b BootChanges) apply(ctx context.Context, d Disk) error {
	if b.empty() {
		return nil
	}
	edit := disk.BootEdit{Image: d.Path, Format: d.Format, SectorSize: event.Bytes(d.SectorSize)}
	err := edit.Edit(ctx, func(ctx context.Context, files *disk.BootFiles) (edits []disk.FileEdit, err error) {
		if b.Kargs != "" {
			if edits, err = disk.KargEdits(ctx, files, b.Kargs); err != nil {
				return nil, err
			}
		}
		if b.FirstbootKargs != "" {
			e, err := disk.FirstbootKargs(b.FirstbootKargs)
			if err != nil {
				return nil, err
			}
			edits = append(edits, e)
		}
		if b.Ignition != nil {
			edits = append(edits, disk.InjectIgnition(b.Ignition))
		}
		return edits, nil
	})
	if err != nil {
		return fmt.Errorf("changing the boot partition: %w", err)
	}
	return nil
}
