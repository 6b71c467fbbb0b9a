package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Listed is a build as nosa list shows it.
type Listed struct {
	ID     string       `json:"id"`
	Latest bool         `json:"latest"` // builds/latest points at it
	Tags   []string     `json:"tags,omitempty"`
	Arches []ListedArch `json:"arches"`
}

// ListedArch is a build for one architecture.
type ListedArch struct {
	Arch      string           `json:"arch"`
	Local     bool             `json:"local"`               // its files are here; else the rest is empty
	Problem   string           `json:"problem,omitempty"`   // why its record cannot be read
	Timestamp string           `json:"timestamp,omitempty"` // of the build
	Commit    string           `json:"commit,omitempty"`
	Version   string           `json:"version,omitempty"`
	Config    *Git             `json:"config,omitempty"`
	Artifacts []ListedArtifact `json:"artifacts,omitempty"`
}

// ListedArtifact is a file of a build.
type ListedArtifact struct {
	Type     string `json:"type"`
	Path     string `json:"path"`                       // below the workspace
	Size     int64  `json:"size"`                       // in bytes, as the record has it, else as found
	Disk     int64  `json:"disk"`                       // bytes that it takes on disk: images are sparse
	Missing  bool   `json:"missing"`                    // recorded and not here
	Remade   bool   `json:"remade_on_demand,omitempty"` // missing, and its build holds what it is made from
	Changed  bool   `json:"changed"`                    // its size is not the recorded one
	Checksum string `json:"checksum"`                   // sha256 as recorded
}

// List gives all builds of the index, newest first, with what is here of them.
func (w *Workspace) List() ([]Listed, error) { return w.ListBy(w.ReadBuild) }

// ListBy is List for who keeps the records that he has read: read stands for
// ReadBuild.
func (w *Workspace) ListBy(read func(id, arch string) (Meta, error)) ([]Listed, error) {
	x, err := w.ReadIndex()
	if err != nil {
		return nil, err
	}
	latest, err := os.Readlink(filepath.Join(w.Builds(), latestLink))
	if err != nil {
		latest = "" // none, or not a link: then none is
	}
	all := make([]Listed, 0, len(x.Builds))
	for _, e := range x.Builds {
		l := Listed{ID: e.ID, Latest: e.ID == latest, Tags: x.TagsOf(e.ID), Arches: []ListedArch{}}
		for _, arch := range e.Arches {
			m, err := read(e.ID, arch)
			l.Arches = append(l.Arches, w.listArch(w.BuildDir(e.ID, arch), arch, m, err))
		}
		all = append(all, l)
	}
	for _, raw := range x.Odd {
		var e IndexEntry
		err := e.check(raw)
		all = append(all, Listed{ID: strconv.Quote(e.ID), Arches: []ListedArch{{Local: true, Problem: "an entry of builds.json that is no build: " + err.Error()}}})
	}
	return all, nil
}

func (w *Workspace) listArch(dir, arch string, m Meta, err error) ListedArch {
	l := ListedArch{Arch: arch}
	if errors.Is(err, fs.ErrNotExist) {
		return l
	}
	l.Local = true
	if err != nil {
		l.Problem = err.Error()
		return l
	}
	l.Timestamp, l.Commit, l.Version, l.Config = m.BuildTimestamp, m.Commit, m.Version, m.ConfigGit
	for typ, a := range m.Images {
		f := w.listArtifact(dir, typ, a)
		kind, err := FindArtifactType(typ)
		f.Remade = f.Missing && err == nil && kind.Stage != "" && w.notRemade(dir, m) == ""
		l.Artifacts = append(l.Artifacts, f)
	}
	slices.SortFunc(l.Artifacts, func(a, b ListedArtifact) int { return strings.Compare(a.Type, b.Type) })
	return l
}

func (w *Workspace) listArtifact(dir, typ string, a Artifact) ListedArtifact {
	l := ListedArtifact{Type: typ, Size: a.Size, Checksum: a.SHA256}
	path := filepath.Join(dir, filepath.Base(a.Path))
	if rel, err := filepath.Rel(w.Dir, path); err == nil {
		l.Path = rel
	}
	info, err := os.Stat(path)
	if err != nil {
		l.Missing = true
		return l
	}
	if l.Size == 0 {
		l.Size = info.Size()
	}
	l.Changed = l.Size != info.Size()
	l.Disk = diskUse(info)
	return l
}
