package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
)

// imageToolsKey is the key of meta.json under which the versions of the
// programs that wrote each image are kept, by image type and program.
const imageToolsKey = "nosa.image-tools"

// RemadeError is an image that was made again and differs from the one that was
// recorded and removed.
type RemadeError struct {
	Type    string
	Want    string   // sha256 as recorded
	Got     string   // of the new one
	Changed []string // programs that have another version now: "mke2fs 1.47.0, was 1.46.2"
	Unknown bool     // the versions that wrote the recorded one are not known
}

// Error names the programs that changed.
func (e *RemadeError) Error() string {
	text := fmt.Sprintf("the %s image made again is not the recorded one: sha256 %.16s…, recorded %.16s…", e.Type, e.Got, e.Want)
	switch {
	case e.Unknown:
		return text + "; what wrote that one was not recorded"
	case len(e.Changed) == 0:
		return text + "; no version of a program that writes it differs from the recorded ones"
	}
	return text + "; other versions now: " + strings.Join(e.Changed, "; ")
}

// madeImage is an image that is finished and not yet in its build.
type madeImage struct {
	dir      string // of the build
	kind     string // key of workspace.ArtifactTypes
	artifact workspace.Artifact
	tools    map[string]string // by imageTools
}

// diskTools are the programs that write disk images.
func diskTools() []string {
	return []string{"mke2fs", "debugfs", "mkfs.fat", "mkfs.xfs", "mcopy", "qemu-img"}
}

// imageTools gives the versions of programs that write images, and nosa's; an empty one is not known.
func imageTools(ctx context.Context, env *Env, programs ...string) (map[string]string, error) {
	found, err := tool.Survey(ctx, programs...)
	if err != nil {
		return nil, err
	}
	versions := map[string]string{"nosa": env.Version}
	for _, f := range found {
		if f.Path != "" {
			versions[f.Tool.Name] = f.Version
		}
	}
	return versions, nil
}

// check refuses an image that replaces one which was recorded and removed
// (workspace.Prune does that) and is another. One that was compressed is made
// again as it was before.
func (i madeImage) check(meta workspace.Meta) error {
	recorded, ok := meta.Images[i.kind]
	if !ok {
		return nil
	}
	if _, err := os.Stat(filepath.Join(i.dir, filepath.Base(recorded.Path))); err == nil {
		return nil // it is here: replacing it was asked for
	}
	want := recorded.SHA256
	if recorded.UncompressedSHA256 != "" {
		want = recorded.UncompressedSHA256
	}
	if want == "" || want == i.artifact.SHA256 {
		return nil
	}
	was := toolsOf(meta)[i.kind]
	return hint(&RemadeError{Type: i.kind, Want: want, Got: i.artifact.SHA256, Changed: changedTools(was, i.tools), Unknown: len(was) == 0},
		"--force keeps the new one and its checksum")
}

// recordImages writes images of one build and what wrote them to its record, with other keys of it: all
// of that at once.
func recordImages(ctx context.Context, made []madeImage, now time.Time, extra map[string]json.RawMessage) error {
	if len(made) == 0 {
		return nil
	}
	return workspace.UpdateMeta(ctx, made[0].dir, now, func(m *workspace.Meta) error {
		if m.Extra == nil {
			m.Extra = map[string]json.RawMessage{}
		}
		if m.Images == nil {
			m.Images = map[string]workspace.Artifact{}
		}
		all := toolsOf(*m)
		for _, i := range made {
			all[i.kind], m.Images[i.kind] = i.tools, i.artifact
		}
		data, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("recording images: %w", err)
		}
		m.Extra[imageToolsKey] = data
		maps.Copy(m.Extra, extra)
		return nil
	})
}

// toolsOf reads what record wrote; what cannot be read is empty.
func toolsOf(m workspace.Meta) map[string]map[string]string {
	all := map[string]map[string]string{}
	if json.Unmarshal(m.Extra[imageToolsKey], &all) != nil || all == nil {
		return map[string]map[string]string{}
	}
	return all
}

// changedTools says what differs between two sets of versions.
func changedTools(was, is map[string]string) []string {
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		switch is[name] {
		case was[name]:
		case "":
			changed = append(changed, name+" missing, was "+was[name])
		default:
			changed = append(changed, name+" "+is[name]+", was "+was[name])
		}
	}
	return changed
}
