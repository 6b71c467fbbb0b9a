package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KeptFile says in vms/NAME what a kept disk is a change of.
const KeptFile = "kept.json"

// ErrInUse is a build whose image a kept disk is a change of.
var ErrInUse = errors.New("is in use")

// KeptDisk is what nosa run --keep NAME keeps: the changes that a machine made to
// an image, which must stay what and where it is.
type KeptDisk struct {
	Name     string `json:"-"`
	Build    string `json:"build,omitempty"`
	Artifact string `json:"artifact,omitempty"`
	Image    string `json:"image"` // absolute
	Arch     string `json:"arch"`
	Firmware string `json:"firmware,omitempty"`
}

// KeptDisks are the kept disks of the workspace, by name.
func (w *Workspace) KeptDisks() ([]KeptDisk, error) {
	files, err := filepath.Glob(filepath.Join(w.KeptDir(), "*", KeptFile))
	if err != nil {
		return nil, fmt.Errorf("reading the kept disks: %w", err)
	}
	var list []KeptDisk
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		k := KeptDisk{Name: filepath.Base(filepath.Dir(file))}
		if err == nil {
			err = json.Unmarshal(data, &k)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the kept disk %s: %w", k.Name, err)
		}
		list = append(list, k)
	}
	return list, nil
}

// keptBy says which kept disks need a build; "" is none. In doubt it is needed.
func (w *Workspace) keptBy(id string) string {
	list, err := w.KeptDisks()
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, k := range list {
		if k.Build == id {
			names = append(names, k.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "the kept disk of " + strings.Join(names, ", ") + " is a change of it"
}
