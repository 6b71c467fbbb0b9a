package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// MergeConflict is two records that are not of the same build.
type MergeConflict struct {
	Key            string
	Disk, Incoming string
}

// Error names the key and both values.
func (e *MergeConflict) Error() string {
	return fmt.Sprintf("%s is %q on disk and %q in what is to be written: not the same build", e.Key, e.Disk, e.Incoming)
}

// MergeMeta joins incoming with what is on disk, by the original tool's rule.
// What identifies the build must be equal, as far as the disk has it. Equal
// stamps mean that nobody wrote in between: incoming replaces. Else the one
// with the higher stamp wins key by key; objects are merged, lists united.
func MergeMeta(disk, incoming Meta) (Meta, error) {
	for _, c := range []struct{ key, disk, incoming string }{
		{"ostree-commit", disk.Commit, incoming.Commit},
		{"ostree-content-checksum", disk.ContentChecksum, incoming.ContentChecksum},
		{"coreos-assembler.image-config-checksum", disk.ImageConfigChecksum, incoming.ImageConfigChecksum},
		{"coreos-assembler.container-config-git.commit", commitOf(disk.ConfigGit), commitOf(incoming.ConfigGit)},
	} {
		if c.disk != "" && c.disk != c.incoming {
			return Meta{}, &MergeConflict{Key: c.key, Disk: c.disk, Incoming: c.incoming}
		}
	}
	d, i := stampValue(disk.Stamp), stampValue(incoming.Stamp)
	if d == i {
		return incoming, nil
	}
	newer, older := incoming, disk
	if d > i {
		newer, older = disk, incoming
	}
	return mergeOver(newer, older)
}

func commitOf(g *Git) string {
	if g == nil {
		return ""
	}
	return g.Commit
}

func mergeOver(newer, older Meta) (Meta, error) {
	n, err := toTree(newer)
	if err != nil {
		return Meta{}, err
	}
	o, err := toTree(older)
	if err != nil {
		return Meta{}, err
	}
	data, err := json.Marshal(mergeTrees(n, o))
	if err != nil {
		return Meta{}, fmt.Errorf("merging meta.json: %w", err)
	}
	var m Meta
	if err := json.Unmarshal(data, &m); err != nil {
		return Meta{}, fmt.Errorf("merging meta.json: %w", err)
	}
	return m, nil
}

// toTree is v as decoded JSON with numbers as written.
func toTree(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("merging meta.json: %w", err)
	}
	var tree map[string]any
	if err := decodeNumbers(data, &tree); err != nil {
		return nil, fmt.Errorf("merging meta.json: %w", err)
	}
	return tree, nil
}

func mergeTrees(newer, older map[string]any) map[string]any {
	merged := make(map[string]any, len(newer)+len(older))
	maps.Copy(merged, older)
	for key, n := range newer {
		merged[key] = mergeValues(n, merged[key])
	}
	return merged
}

func mergeValues(newer, older any) any {
	switch n := newer.(type) {
	case map[string]any:
		if o, ok := older.(map[string]any); ok {
			return mergeTrees(n, o)
		}
	case []any:
		if o, ok := older.([]any); ok {
			return unite(n, o)
		}
	}
	return newer
}

// unite is newer and then what only older has.
func unite(newer, older []any) []any {
	all := slices.Clone(newer)
	for _, o := range older {
		if !slices.ContainsFunc(all, func(have any) bool { return reflect.DeepEqual(have, o) }) {
			all = append(all, o)
		}
	}
	return all
}

// ImageInputChecksum is the checksum that tells whether images must be made
// anew: of the commit and of the checksum of image.json, a line each.
func ImageInputChecksum(commit, imageConfigChecksum string) string {
	sum := sha256.Sum256([]byte(commit + "\n" + imageConfigChecksum + "\n"))
	return hex.EncodeToString(sum[:])
}
