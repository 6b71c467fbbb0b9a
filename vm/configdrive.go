package vm

import (
	"context"
	"path/filepath"
	"time"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace/event"
)

// configLabel and the names of configFiles are those of OpenStack's config drive
// (docs.openstack.org/nova/latest/admin/config-drive.html); Ignition looks for the
// label and reads user_data.
const configLabel = "config-2"

func configFiles(config []byte) []disk.File {
	return []disk.File{
		{Path: "openstack/latest/user_data", Data: config},
		{Path: "openstack/latest/meta_data.json", Data: []byte(`{"uuid": "00000000-0000-4000-8000-000000000000", "name": "nosa"}` + "\n")},
	}
}

// configDrive makes the disk with the config in dir. It is no disk to boot from.
func configDrive(ctx context.Context, dir string, config []byte) (Disk, error) {
	path := filepath.Join(dir, "config-drive.raw")
	err := once(path, func(name string) error {
		return disk.WriteFAT(ctx, disk.FAT{Path: name, Label: configLabel, Files: configFiles(config), Epoch: time.Unix(1<<30, 0)}, nil)
	})
	return Disk{Path: path, Format: "raw", Size: event.MiB, Serial: configLabel}, err
}
