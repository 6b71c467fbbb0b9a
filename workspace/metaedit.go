package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MetaTree is meta.json as decoded JSON, with numbers as they are written
// (json.Number).
type MetaTree map[string]any

// NoMetaKeyError is a key that a meta.json does not have.
type NoMetaKeyError struct {
	Key  string   // as it was asked for
	Last string   // the part of it that is not there
	Have []string // the keys that are there instead
}

// Error names the key.
func (e *NoMetaKeyError) Error() string {
	if e.Last == e.Key {
		return fmt.Sprintf("meta.json has no %s", e.Key)
	}
	return fmt.Sprintf("meta.json has no %s: there is no %s", e.Key, e.Last)
}

// ReadMetaTree reads the meta.json in dir as it is, whoever wrote it.
func ReadMetaTree(dir string) (MetaTree, error) {
	data, err := os.ReadFile(filepath.Join(dir, MetaFile))
	if err != nil {
		return nil, fmt.Errorf("reading the build's record: %w", err)
	}
	var tree MetaTree
	if err := decodeNumbers(data, &tree); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, MetaFile), err)
	}
	return tree, nil
}

// metaKeyPath splits a dotted key. The first two words of coreos-assembler.*,
// fedora-coreos.* and nosa.* are one key in the file.
func metaKeyPath(key string) []string {
	path := strings.Split(key, ".")
	if len(path) > 1 && slices.Contains([]string{"coreos-assembler", "fedora-coreos", "nosa"}, path[0]) {
		path = slices.Concat([]string{path[0] + "." + path[1]}, path[2:])
	}
	return path
}

// Get gives the value of a dotted key ("images.qemu.size"); a number goes into
// a list. A *NoMetaKeyError when there is none.
func (t MetaTree) Get(key string) (any, error) {
	var at any = map[string]any(t)
	for _, name := range metaKeyPath(key) {
		missing := &NoMetaKeyError{Key: key, Last: name}
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[name]
			if !ok {
				missing.Have = slices.Sorted(maps.Keys(v))
				return nil, missing
			}
			at = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return nil, missing
			}
			at = v[i]
		default:
			return nil, missing
		}
	}
	return at, nil
}

// set puts a value at a dotted key; objects on the way are made.
func (t MetaTree) set(key string, value any) error {
	path := metaKeyPath(key)
	if slices.Contains(path, "") {
		return fmt.Errorf("key %q: want words with dots between them", key)
	}
	at := map[string]any(t)
	for _, name := range path[:len(path)-1] {
		next, ok := at[name]
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		if at, ok = next.(map[string]any); !ok {
			return fmt.Errorf("setting %s: %s is there and no object", key, name)
		}
	}
	at[path[len(path)-1]] = value
	return nil
}

// MetaValue is a value for a dotted key.
type MetaValue struct {
	Key   string
	Value any // string, integer or bool
}

// EditOptions say how a meta.json is changed by hand.
type EditOptions struct {
	Now     time.Time
	NoCheck bool // the result need not keep to the schema
}

// SetMeta sets values in the meta.json in dir, all or none.
func SetMeta(ctx context.Context, dir string, o EditOptions, values ...MetaValue) error {
	return editMeta(ctx, dir, o, func(disk Meta) (Meta, error) {
		tree, err := toTree(disk)
		if err != nil {
			return Meta{}, err
		}
		for _, v := range values {
			if err := MetaTree(tree).set(v.Key, v.Value); err != nil {
				return Meta{}, err
			}
		}
		return fromTree(tree)
	})
}

// MergeFile is a record that is to be merged into that of a build.
type MergeFile struct {
	Path     string
	Artifact string // take over only this artifact's record; empty is everything
}

// MergeMetaFile merges a record from elsewhere (another machine's meta.json of
// the same build, or a meta.ARTIFACT.json) into the meta.json in dir, by the
// original tool's rule: see MergeMeta. One without a stamp is the newer.
func MergeMetaFile(ctx context.Context, dir string, o EditOptions, file MergeFile) error {
	data, err := os.ReadFile(file.Path)
	if err != nil {
		return fmt.Errorf("merging a record: %w", err)
	}
	var item map[string]any
	if err := decodeNumbers(data, &item); err != nil {
		return fmt.Errorf("merging %s: %w", file.Path, err)
	}
	if file.Artifact != "" {
		if item, err = artifactRecord(item, file.Artifact); err != nil {
			return fmt.Errorf("merging %s: %w", file.Path, err)
		}
	}
	err = editMeta(ctx, dir, o, func(disk Meta) (Meta, error) {
		tree, err := toTree(disk)
		if err != nil {
			return Meta{}, err
		}
		incoming, err := fromTree(mergeTrees(item, tree))
		if err != nil {
			return Meta{}, err
		}
		return MergeMeta(disk, incoming)
	})
	if err != nil {
		return fmt.Errorf("merging %s: %w", file.Path, err)
	}
	return nil
}

// artifactRecord is of a record only what is about one artifact, and what
// tells which build it is of.
func artifactRecord(item map[string]any, artifact string) (map[string]any, error) {
	only := map[string]any{}
	for _, key := range []string{"ostree-commit", "ostree-content-checksum", "coreos-assembler.image-config-checksum", "coreos-assembler.meta-stamp", artifact} {
		if v, ok := item[key]; ok {
			only[key] = v
		}
	}
	images, _ := item["images"].(map[string]any)
	if v, ok := images[artifact]; ok {
		only["images"] = map[string]any{artifact: v}
	} else if only[artifact] == nil {
		return nil, fmt.Errorf("it has no record of %s", artifact)
	}
	return only, nil
}

// DelayedMeta lists the meta.ARTIFACT.json in dir, the records of a build whose
// merge is delayed.
func DelayedMeta(dir string) ([]string, error) {
	list, err := filepath.Glob(filepath.Join(escapeGlob(dir), "meta.*.json"))
	if err != nil {
		return nil, fmt.Errorf("looking for delayed records: %w", err)
	}
	return list, nil
}

// CheckMetaFile says whether the meta.json in dir can be read and is that of
// the build id for arch. Keys that the schema does not know are fine: newer
// tools write some.
func CheckMetaFile(dir, id, arch string) (Meta, error) {
	m, err := ReadMeta(dir)
	if err != nil {
		return m, err
	}
	if m.BuildID != id {
		return m, fmt.Errorf("it is the record of build %q", m.BuildID)
	}
	if m.Arch != "" && m.Arch != arch {
		return m, fmt.Errorf("it is the record of a build for %s", m.Arch)
	}
	return m, checkMeta(&m, m)
}

// editMeta writes what edit makes of the meta.json in dir, under its lock.
func editMeta(ctx context.Context, dir string, o EditOptions, edit func(Meta) (Meta, error)) error {
	return lockedMeta(ctx, dir, func(disk *Meta) error {
		path := filepath.Join(dir, MetaFile)
		if disk == nil {
			return fmt.Errorf("changing %s: %w", path, fs.ErrNotExist)
		}
		m, err := edit(*disk)
		if err != nil {
			return err
		}
		if o.NoCheck {
			m.Stamp = nextStamp(disk, o.Now)
			return WriteJSON(path, m)
		}
		return writeMeta(dir, disk, m, o.Now)
	})
}

func fromTree(tree map[string]any) (Meta, error) {
	var m Meta
	data, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return m, fmt.Errorf("meta.json: %s cannot be a %s", wrong.Field, wrong.Value)
	}
	if err != nil {
		return m, fmt.Errorf("meta.json: %w", err)
	}
	return m, nil
}
