package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// DiffRequest asks by what two builds differ. Without any part it is all of them.
type DiffRequest struct {
	From, To string // id, tag or "latest"; empty To is latest, empty From the one before To
	Packages bool
	Files    bool
	Kargs    bool
	Image    bool
	Sizes    bool
	// SizeDetails is sizes by package and directory; only when asked for.
	SizeDetails bool
	Config      bool // the files of the config; only when asked for
	Boot        bool // a part that is the caller's: what booting costs is not known here
}

// BuildDiff is by what two builds differ; what was not asked for is nil.
type BuildDiff struct {
	From     DiffSide         `json:"from"`
	To       DiffSide         `json:"to"`
	Packages *[]PackageChange `json:"packages,omitempty"`
	Files    *[]FileChange    `json:"files,omitempty"`
	Kargs    *[]KargChange    `json:"kargs,omitempty"`
	Image    *[]KeyChange     `json:"image,omitempty"`
	Sizes    *[]SizeChange    `json:"sizes,omitempty"`
	// SizeDetails is where the commits grew.
	SizeDetails *SizeDetails    `json:"size_details,omitempty"`
	ConfigFiles *[]ConfigChange `json:"config_files,omitempty"`
	Notes       []string        `json:"notes,omitempty"` // what could not be compared, and why
}

// DiffSide is one of the two builds.
type DiffSide struct {
	Build     string         `json:"build"`
	Arch      string         `json:"arch"`
	Version   string         `json:"version"`
	Timestamp string         `json:"timestamp,omitempty"`
	Commit    string         `json:"commit"`
	Linux     string         `json:"linux,omitempty"` // version of the kernel; only with files, kargs or image
	Config    *workspace.Git `json:"config,omitempty"`
}

// FileChange is a path by which two commits differ.
type FileChange struct {
	Path   string     `json:"path"`
	Change string     `json:"change"`         // added, removed, changed
	What   []string   `json:"what,omitempty"` // of what is changed: content, mode, owner, xattrs, target, type
	From   *FileState `json:"from,omitempty"`
	To     *FileState `json:"to,omitempty"`
}

// FileState is a path of a commit.
type FileState struct {
	Mode   string `json:"mode"` // "0100644": st_mode, octal
	UID    uint32 `json:"uid"`
	GID    uint32 `json:"gid"`
	Size   int64  `json:"size,omitempty"`
	Target string `json:"target,omitempty"`
}

// KargChange is kernel arguments that came or went.
type KargChange struct {
	Platform string   `json:"platform,omitempty"` // empty: of every image
	Added    []string `json:"added,omitempty"`
	Removed  []string `json:"removed,omitempty"`
}

// KeyChange is a key of image.json whose value differs. What is not there is nil.
type KeyChange struct {
	Key  string `json:"key"`
	From any    `json:"from"`
	To   any    `json:"to"`
}

// SizeChange is the size of an artifact, or of what the commit holds, in bytes;
// 0 is not there. Unchanged ones are listed too.
type SizeChange struct {
	Name string `json:"name"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// diffSide is a build with what is read of it.
type diffSide struct {
	meta workspace.Meta
	dir  string
	tree ostree.Tree
	repo ostree.Repo
}

// Diff compares two builds. A commit that the cache does not have is brought
// back from its build's archive.
func Diff(ctx context.Context, env *Env, req DiffRequest) (*BuildDiff, error) {
	l, err := UseBuilds(ctx, env)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	if !req.Packages && !req.Files && !req.Kargs && !req.Image && !req.Sizes && !req.SizeDetails && !req.Config && !req.Boot {
		req.Packages, req.Files, req.Kargs, req.Image, req.Sizes = true, true, true, true, true
	}
	from, to, err := env.diffIDs(req)
	if err != nil {
		return nil, err
	}
	var sides [2]diffSide
	for i, id := range []string{from, to} {
		s := &sides[i]
		s.dir = env.WS.BuildDir(id, env.Arch.Name)
		if s.meta, err = workspace.ReadMeta(s.dir); err != nil {
			return nil, err
		}
		if req.Files || req.Kargs || req.Image || req.Sizes || req.SizeDetails {
			if s.tree, s.repo, err = env.commitTree(ctx, s.meta); err != nil {
				return nil, fmt.Errorf("commit of build %s: %w", id, err)
			}
		}
	}
	d, err := diffSides(sides[0], sides[1], req)
	if err == nil && req.SizeDetails {
		err = env.sizeDetails(ctx, d, sides)
	}
	return d, err
}

// diffIDs gives the builds that a request means.
func (e *Env) diffIDs(req DiffRequest) (from, to string, err error) {
	if to, err = e.WS.Resolve(req.To, e.Arch.Name); err != nil {
		return "", "", err
	}
	if req.From != "" {
		from, err = e.WS.Resolve(req.From, e.Arch.Name)
		return from, to, err
	}
	index, err := e.WS.ReadIndex()
	if err != nil {
		return "", "", err
	}
	i := slices.IndexFunc(index.Builds, func(b workspace.IndexEntry) bool { return b.ID == to })
	for _, b := range index.Builds[i+1:] {
		if e.WS.HasBuild(b.ID, e.Arch.Name) {
			return b.ID, to, nil
		}
	}
	return "", "", hint(fmt.Errorf("no build here is older than %s: %w", to, workspace.ErrNoBuild), "name the two builds: nosa diff A B")
}

func diffSides(a, b diffSide, req DiffRequest) (*BuildDiff, error) {
	d := &BuildDiff{From: a.describe(), To: b.describe()}
	if req.Packages {
		if err := d.packages(a, b); err != nil {
			return nil, err
		}
	}
	if req.Files {
		files, err := diffFiles(a, b)
		if err != nil {
			return nil, err
		}
		d.Files = &files
	}
	if req.Kargs || req.Image {
		if err := d.image(a, b, req); err != nil {
			return nil, err
		}
	}
	if req.Config {
		if err := d.config(a, b); err != nil {
			return nil, err
		}
	}
	if req.Sizes {
		sizes := diffSizes(a, b)
		d.Sizes = &sizes
	}
	return d, nil
}

func (s diffSide) describe() DiffSide {
	linux, _ := s.tree.Commit.Metadata["ostree.linux"].Value.(string)
	return DiffSide{
		Build: s.meta.BuildID, Arch: s.meta.Arch, Version: s.meta.Version, Timestamp: s.meta.BuildTimestamp,
		Commit: s.meta.Commit, Linux: linux, Config: s.meta.ConfigGit,
	}
}

func (d *BuildDiff) packages(a, b diffSide) error {
	var locks [2]rpmmd.Lockfile
	for i, s := range []diffSide{a, b} {
		name := workspace.GeneratedLockfile(s.meta.Arch)
		var err error
		if locks[i], err = readLockfile(filepath.Join(s.dir, name)); err != nil {
			if _, statErr := os.Stat(filepath.Join(s.dir, name)); errors.Is(statErr, fs.ErrNotExist) {
				d.Notes = append(d.Notes, fmt.Sprintf("packages: build %s has no %s", s.meta.BuildID, name))
				return nil
			}
			return fmt.Errorf("packages of build %s: %w", s.meta.BuildID, err)
		}
	}
	changes := DiffPackages(locks[0], locks[1])
	d.Packages = &changes
	return nil
}

// diffFiles lists the paths that differ, sorted.
func diffFiles(a, b diffSide) ([]FileChange, error) {
	paths := ostree.Diff(a.tree, b.tree)
	list := []FileChange{}
	before, after := byPath(a.tree), byPath(b.tree)
	for _, p := range paths.Removed {
		list = append(list, FileChange{Path: p, Change: "removed", From: fileState(before[p])})
	}
	for _, p := range paths.Added {
		list = append(list, FileChange{Path: p, Change: "added", To: fileState(after[p])})
	}
	for _, p := range paths.Changed {
		what, err := b.repo.Compare(before[p], after[p])
		if err != nil {
			return nil, err
		}
		list = append(list, FileChange{Path: p, Change: "changed", What: words(what), From: fileState(before[p]), To: fileState(after[p])})
	}
	slices.SortFunc(list, func(x, y FileChange) int { return cmp.Compare(x.Path, y.Path) })
	return list, nil
}

func words(list []ostree.Aspect) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = string(a)
	}
	return out
}

func byPath(t ostree.Tree) map[string]ostree.Entry {
	m := make(map[string]ostree.Entry, len(t.Entries))
	for _, e := range t.Entries {
		m[e.Path] = e
	}
	return m
}

func fileState(e ostree.Entry) *FileState {
	return &FileState{Mode: fmt.Sprintf("%07o", e.Mode), UID: e.UID, GID: e.GID, Size: e.Size, Target: e.Target}
}

// diffSizes compares artifacts, and the files of the commits.
func diffSizes(a, b diffSide) []SizeChange {
	list := []SizeChange{{"files", treeSize(a.tree), treeSize(b.tree)}}
	for _, name := range sortedKeys(a.meta.Images, b.meta.Images) {
		list = append(list, SizeChange{name, a.meta.Images[name].Size, b.meta.Images[name].Size})
	}
	return list
}

// treeSize is the sum of a commit's files, each content once.
func treeSize(t ostree.Tree) int64 {
	var sum int64
	seen := map[string]bool{}
	for _, e := range t.Entries {
		if !seen[e.Checksum] {
			seen[e.Checksum] = true
			sum += e.Size
		}
	}
	return sum
}
