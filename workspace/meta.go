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
	"strconv"
	"time"

	"github.com/nestos/nosa/workspace/lock"
)

// Meta is meta.json, the record of one build for one architecture. The fields
// are what nosa writes; everything else is in Extra and survives a rewrite.
type Meta struct {
	BuildID string `json:"buildid"`
	Name    string `json:"name"`
	Summary string `json:"summary,omitempty"`
	Ref     string `json:"ref,omitempty"`

	Commit          string `json:"ostree-commit"`
	Version         string `json:"ostree-version"`
	CommitTimestamp string `json:"ostree-timestamp"`
	ContentChecksum string `json:"ostree-content-checksum"`
	InputHash       string `json:"rpm-ostree-inputhash"`

	MetadataTotal   int64 `json:"ostree-n-metadata-total,omitempty"`
	MetadataWritten int64 `json:"ostree-n-metadata-written,omitempty"`
	ContentTotal    int64 `json:"ostree-n-content-total,omitempty"`
	ContentWritten  int64 `json:"ostree-n-content-written,omitempty"`
	CacheHits       int64 `json:"ostree-n-cache-hits,omitempty"`
	BytesWritten    int64 `json:"ostree-content-bytes-written,omitempty"`

	// Differences of packages, as rpm-ostree db diff --format=json gives them.
	PkgDiff       json.RawMessage `json:"pkgdiff,omitempty"`
	ParentPkgDiff json.RawMessage `json:"parent-pkgdiff,omitempty"`

	Images map[string]Artifact `json:"images,omitempty"`

	Arch           string `json:"coreos-assembler.basearch,omitempty"`
	BuildTimestamp string `json:"coreos-assembler.build-timestamp,omitempty"`
	CodeSource     string `json:"coreos-assembler.code-source,omitempty"`
	ConfigRev      string `json:"coreos-assembler.config-gitrev,omitempty"`
	ConfigDirty    string `json:"coreos-assembler.config-dirty,omitempty"` // "true" or "false"
	ConfigVariant  string `json:"coreos-assembler.config-variant,omitempty"`
	ConfigGit      *Git   `json:"coreos-assembler.container-config-git,omitempty"`
	ToolGit        *Git   `json:"coreos-assembler.container-image-git,omitempty"`
	YumReposGit    *Git   `json:"coreos-assembler.yumrepos-git,omitempty"`

	ImageConfigChecksum string      `json:"coreos-assembler.image-config-checksum,omitempty"` // sha256 of image.json
	ImageInputChecksum  string      `json:"coreos-assembler.image-input-checksum,omitempty"`  // ImageInputChecksum()
	ImageGeneration     int         `json:"coreos-assembler.image-genver"`                    // 0, or N of an id that ends in -N
	Stamp               json.Number `json:"coreos-assembler.meta-stamp,omitempty"`            // ns since the epoch, set by the writers
	DelayedMerge        bool        `json:"coreos-assembler.delayed-meta-merge,omitempty"`
	OverridesActive     bool        `json:"coreos-assembler.overrides-active,omitempty"`

	NosaVersion string `json:"nosa.version,omitempty"`
	Engine      string `json:"nosa.engine,omitempty"` // dnf or rpm-ostree
	Rootfs      string `json:"nosa.rootfs,omitempty"` // root filesystem of the images

	Extra map[string]json.RawMessage `json:"-"`
}

// Artifact is one file of a build.
type Artifact struct {
	Path               string                     `json:"path"`   // file name in the build's directory
	SHA256             string                     `json:"sha256"` // of the file, hexadecimal
	Size               int64                      `json:"size,omitempty"`
	SkipCompression    bool                       `json:"skip-compression,omitempty"`
	UncompressedSHA256 string                     `json:"uncompressed-sha256,omitempty"`
	UncompressedSize   int64                      `json:"uncompressed-size,omitempty"`
	Extra              map[string]json.RawMessage `json:"-"`
}

// Git is the state of a checkout.
type Git struct {
	Commit string                     `json:"commit"`
	Origin string                     `json:"origin"`           // URL of the remote, or "unknown"
	Branch string                     `json:"branch,omitempty"` // "HEAD" when detached
	Dirty  string                     `json:"dirty,omitempty"`  // "true" or "false"
	Extra  map[string]json.RawMessage `json:"-"`
}

type (
	plainMeta     Meta
	plainArtifact Artifact
	plainGit      Git
)

// UnmarshalJSON implements json.Unmarshaler.
func (m *Meta) UnmarshalJSON(data []byte) (err error) {
	m.Extra, err = unmarshalExtra(data, (*plainMeta)(m))
	return err
}

// MarshalJSON implements json.Marshaler.
func (m Meta) MarshalJSON() ([]byte, error) { return marshalExtra(plainMeta(m), m.Extra) }

// UnmarshalJSON implements json.Unmarshaler.
func (a *Artifact) UnmarshalJSON(data []byte) (err error) {
	a.Extra, err = unmarshalExtra(data, (*plainArtifact)(a))
	return err
}

// MarshalJSON implements json.Marshaler.
func (a Artifact) MarshalJSON() ([]byte, error) { return marshalExtra(plainArtifact(a), a.Extra) }

// UnmarshalJSON implements json.Unmarshaler.
func (g *Git) UnmarshalJSON(data []byte) (err error) {
	g.Extra, err = unmarshalExtra(data, (*plainGit)(g))
	return err
}

// MarshalJSON implements json.Marshaler.
func (g Git) MarshalJSON() ([]byte, error) { return marshalExtra(plainGit(g), g.Extra) }

// ReadMeta reads the meta.json in dir, the directory of a build for one architecture.
func ReadMeta(dir string) (Meta, error) {
	var m Meta
	data, err := os.ReadFile(filepath.Join(dir, MetaFile))
	if err != nil {
		return m, fmt.Errorf("reading the build's record: %w", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("reading %s: %w", filepath.Join(dir, MetaFile), err)
	}
	return m, nil
}

// WriteMeta writes m as the meta.json in dir. One that is there already is
// merged with it (MergeMeta), so that m may be an old copy of it with changes.
// The result must keep to the schema.
func WriteMeta(ctx context.Context, dir string, m Meta, now time.Time) error {
	return lockedMeta(ctx, dir, func(disk *Meta) error {
		if disk == nil {
			return writeMeta(dir, nil, m, now)
		}
		merged, err := MergeMeta(*disk, m)
		if err != nil {
			return fmt.Errorf("writing %s: %w", filepath.Join(dir, MetaFile), err)
		}
		return writeMeta(dir, disk, merged, now)
	})
}

// UpdateMeta changes the meta.json in dir by edit, alone under its lock.
// The result must keep to the schema.
func UpdateMeta(ctx context.Context, dir string, now time.Time, edit func(*Meta) error) error {
	return lockedMeta(ctx, dir, func(disk *Meta) error {
		if disk == nil {
			return fmt.Errorf("changing %s: %w", filepath.Join(dir, MetaFile), fs.ErrNotExist)
		}
		m := *disk
		m.Images, m.Extra = maps.Clone(disk.Images), maps.Clone(disk.Extra)
		if err := edit(&m); err != nil {
			return err
		}
		return writeMeta(dir, disk, m, now)
	})
}

// AddArtifact records a finished file of the build in dir under the key of an
// ArtifactType; one of that key is replaced.
func AddArtifact(ctx context.Context, dir string, now time.Time, add map[string]Artifact) error {
	return UpdateMeta(ctx, dir, now, func(m *Meta) error {
		if m.Images == nil {
			m.Images = map[string]Artifact{}
		}
		maps.Copy(m.Images, add)
		return nil
	})
}

func lockedMeta(ctx context.Context, dir string, write func(disk *Meta) error) (err error) {
	l, err := lock.Open(filepath.Join(dir, ".meta.json.lock"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.Lock(ctx, lock.Exclusive, 0); err != nil {
		return err
	}
	disk, err := ReadMeta(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return write(nil)
	}
	if err != nil {
		return err
	}
	return write(&disk)
}

// writeMeta stamps, checks and writes m in place of disk, which is nil for none.
func writeMeta(dir string, disk *Meta, m Meta, now time.Time) error {
	m.Stamp = nextStamp(disk, now)
	path := filepath.Join(dir, MetaFile)
	if err := checkMeta(disk, m); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := WriteJSON(path, m); err != nil {
		return err
	}
	return flush(dir)
}

// nextStamp is now in nanoseconds, and in any case more than that of disk.
func nextStamp(disk *Meta, now time.Time) json.Number {
	ns := now.UnixNano()
	if disk != nil {
		ns = max(ns, stampValue(disk.Stamp)+1)
	}
	return json.Number(strconv.FormatInt(ns, 10))
}

// stampValue reads a stamp; the original tool writes floats in places.
func stampValue(n json.Number) int64 {
	if v, err := n.Int64(); err == nil {
		return v
	}
	v, _ := n.Float64()
	return int64(v)
}
