package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// file is a file to be written to the boot partition.
type file struct {
	name string
	data []byte
}

// maxNetwork bounds a file of the network's configuration, in bytes.
const maxNetwork = 1 << 20

// NetworkDirs are the directories whose files are copied: NetworkManager's
// connections, and what an administrator, or the kernel's ip=, told
// systemd-networkd.
func NetworkDirs() []string {
	return []string{"/etc/NetworkManager/system-connections", "/etc/systemd/network", "/run/systemd/network"}
}

// networkFiles reads the network's configuration. Of files of the same name the
// first is taken, as systemd-networkd does.
func networkFiles(dirs []string) ([]file, error) {
	var list []file
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the network configuration: %w", err)
		}
		for _, e := range entries {
			known := slices.Contains([]string{".nmconnection", ".network", ".netdev", ".link"}, filepath.Ext(e.Name()))
			if !known || slices.ContainsFunc(list, func(f file) bool { return f.name == e.Name() }) {
				continue
			}
			info, err := os.Stat(filepath.Join(dir, e.Name()))
			if err != nil || !info.Mode().IsRegular() {
				continue // a link to /dev/null masks a file; nothing needs to be masked there
			}
			if info.Size() > maxNetwork {
				return nil, fmt.Errorf("reading the network configuration: %s has %d bytes", e.Name(), info.Size())
			}
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("reading the network configuration: %w", err)
			}
			list = append(list, file{e.Name(), data})
		}
	}
	return list, nil
}
