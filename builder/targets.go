package builder

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// TargetOSTree is the target that asks for no image.
const TargetOSTree = "ostree"

// Targets gives the image types that the words of a command line ask for; no
// word is nil, the usual ones.
func Targets(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	list := []string{}
	for _, w := range words {
		if w != TargetOSTree && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// images gives the image types that a build of m makes. The usual one is qemu; a container, which has
// no kernel, has none, and asking for one is doc.Diagnostics.
func (r BuildRequest) images(m *manifest.Manifest) ([]string, error) {
	switch {
	case m.Container && len(r.Targets) > 0:
		d := m.Origins["container"].Errorf(CodeContainer, "there can be no %s image of a container", strings.Join(r.Targets, " and no "))
		return nil, doc.Diagnostics{d.WithWhy("it has neither kernel nor boot loader").WithHint("nosa build ostree makes the commit and the ociarchive")}
	case m.Container || r.Targets != nil:
		return r.Targets, nil
	}
	return []string{"qemu"}, nil
}

// isContainer says if a build is one, by the manifest that is kept with it.
func isContainer(dir string) bool {
	var m struct{ Container bool }
	data, err := os.ReadFile(filepath.Join(dir, workspace.FlatManifestFile))
	return err == nil && json.Unmarshal(data, &m) == nil && m.Container
}
