package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// VictimKind says what it is that goes.
type VictimKind string

// The kinds of what goes.
const (
	VictimBuild    VictimKind = "build"
	VictimDeleted  VictimKind = "deleted" // a build in the trash
	VictimImage    VictimKind = "image"   // a disk image whose record stays
	VictimRPM      VictimKind = "rpm"
	VictimTree     VictimKind = "tree"
	VictimLayer    VictimKind = "layer"
	VictimStep     VictimKind = "step"     // record of a step
	VictimUnpacked VictimKind = "unpacked" // an image in the cache whose compressed form stays
	VictimRef      VictimKind = "ref"      // of the repository that serves as cache
)

// Victim is something that goes.
type Victim struct {
	Kind  VictimKind `json:"kind"`
	Path  string     `json:"path"` // below the workspace
	Build string     `json:"build,omitempty"`
	// Bytes is what its removal frees after that of those before it in the
	// list: allocated blocks, hard links counted once.
	Bytes int64 `json:"bytes"`
}

// Kept is a build, or an image of one, that was asked for and stays.
type Kept struct {
	Build  string `json:"build"`
	Path   string `json:"path,omitempty"` // of an image, below the workspace
	Reason string `json:"reason"`
}

// PruneOptions say which builds Prune takes.
type PruneOptions struct {
	Builds   []string // ids; empty is all but the newest
	KeepLast int      // how many of the newest stay, tagged ones not counted; 0 keeps all
	// Images are the types of disk images to remove instead of the builds: those
	// that can be made again. Empty removes the builds.
	Images []string
	Now    time.Time
}

// Pruning is what Prune does, or did.
type Pruning struct {
	Victims []Victim `json:"victims"`
	Kept    []Kept   `json:"kept,omitempty"`
	Freed   int64    `json:"freed"` // bytes
}

// pruned is a build that goes, or whose images go.
type pruned struct {
	id     string
	arches []string
}

// PlanPrune says what Prune would do, and changes nothing.
func (w *Workspace) PlanPrune(o PruneOptions) (Pruning, error) {
	x, err := w.ReadIndex()
	if err != nil {
		return Pruning{}, err
	}
	over, err := w.expired(o.Now)
	if err != nil {
		return Pruning{}, err
	}
	p := Pruning{Victims: []Victim{}}
	builds, trashed, err := w.toPrune(&x, o, &p)
	if err != nil {
		return Pruning{}, err
	}
	var use diskUsage
	for _, d := range append(over, trashed...) {
		path := filepath.Join("builds", ".trash", d.dir)
		if !slices.ContainsFunc(p.Victims, func(v Victim) bool { return v.Path == path }) {
			p.Victims = append(p.Victims, Victim{Kind: VictimDeleted, Path: path, Build: d.ID, Bytes: use.add(w.path(path))})
		}
	}
	for _, b := range builds {
		if len(o.Images) > 0 {
			w.prunedImages(b, o.Images, &p, &use)
			continue
		}
		path := filepath.Join("builds", b.id)
		p.Victims = append(p.Victims, Victim{Kind: VictimBuild, Path: path, Build: b.id, Bytes: use.add(w.path(path))})
	}
	p.Freed = use.freed
	return p, nil
}

// toPrune gives the builds that are meant, newest first, and those of the trash
// that were named.
func (w *Workspace) toPrune(x *Index, o PruneOptions, p *Pruning) ([]pruned, []Deleted, error) {
	if len(o.Builds) > 0 {
		return w.namedBuilds(x, o)
	}
	var list []pruned
	newest := 0
	for _, e := range x.Builds {
		arches := w.archesHere(x, e.ID)
		if len(arches) == 0 { // known from elsewhere: not ours to forget
			continue
		}
		tags := x.TagsOf(e.ID)
		if len(tags) > 0 {
			p.Kept = append(p.Kept, Kept{Build: e.ID, Reason: "tagged: " + strings.Join(tags, ", ")})
			continue
		}
		if why := w.keptBy(e.ID); why != "" {
			p.Kept = append(p.Kept, Kept{Build: e.ID, Reason: why})
			continue
		}
		if newest++; o.KeepLast > 0 && newest > o.KeepLast {
			list = append(list, pruned{e.ID, arches})
		}
	}
	return list, nil, nil
}

// namedBuilds finds builds that were asked for by name; a deleted one is meant
// when there is no other of that id.
func (w *Workspace) namedBuilds(x *Index, o PruneOptions) ([]pruned, []Deleted, error) {
	bin, err := w.bin()
	if err != nil {
		return nil, nil, err
	}
	var list []pruned
	var trashed []Deleted
	for _, name := range o.Builds {
		id, err := w.findBuild(x, name)
		arches := w.archesHere(x, id)
		tags := x.TagsOf(id)
		i := slices.IndexFunc(bin, func(d Deleted) bool { return d.ID == name && len(o.Images) == 0 })
		switch {
		case len(arches) == 0 && i >= 0:
			trashed = append(trashed, bin[i])
		case err != nil:
			return nil, nil, err
		case len(tags) > 0:
			return nil, nil, fmt.Errorf("build %s %w: %s", id, ErrTagged, strings.Join(tags, ", "))
		case w.keptBy(id) != "":
			return nil, nil, fmt.Errorf("build %s %w: %s", id, ErrInUse, w.keptBy(id))
		case len(arches) == 0:
			return nil, nil, fmt.Errorf("build %s %w", id, ErrNotHere)
		case !slices.ContainsFunc(list, func(have pruned) bool { return have.id == id }):
			list = append(list, pruned{id, arches})
		}
	}
	return list, trashed, nil
}

// prunedImages adds the images of a build that can be made again from it.
func (w *Workspace) prunedImages(b pruned, types []string, p *Pruning, use *diskUsage) {
	for _, arch := range b.arches {
		dir := filepath.Join("builds", b.id, arch)
		m, err := ReadMeta(w.path(dir))
		if err != nil {
			p.Kept = append(p.Kept, Kept{Build: b.id, Path: dir, Reason: err.Error()})
			continue
		}
		for _, t := range types {
			a, ok := m.Images[t]
			path := filepath.Join(dir, filepath.Base(a.Path))
			if !ok || !exists(w.path(path)) {
				continue
			}
			if reason := w.notRemade(w.path(dir), m); reason != "" {
				p.Kept = append(p.Kept, Kept{Build: b.id, Path: path, Reason: reason})
				continue
			}
			p.Victims = append(p.Victims, Victim{Kind: VictimImage, Path: path, Build: b.id, Bytes: use.add(w.path(path))})
		}
	}
}

// notRemade says why the disk images of the build in dir could not be made
// again as they were; empty is that they can.
func (w *Workspace) notRemade(dir string, m Meta) string {
	switch {
	case m.NosaVersion == "":
		return "another tool made it"
	case m.Images["ostree"].Path == "" || !exists(filepath.Join(dir, filepath.Base(m.Images["ostree"].Path))):
		return "the build's archive, from which it would be made again, is not here"
	}
	return ""
}

// Prune removes builds, or with Images their disk images, and the deleted
// builds whose day is over. Tagged builds and what the index knows only from
// elsewhere stay. It needs the lock on builds, exclusive.
//
// The index and latest are written first; then everything is moved to tmp/.trash
// and deleted there. Wherever that is interrupted, what is in the index is
// whole, and Repair puts back what was not moved yet.
func (w *Workspace) Prune(ctx context.Context, o PruneOptions) (p Pruning, err error) {
	l, err := w.lockIndex(ctx)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := w.settleBin(o.Now); err != nil {
		return p, err
	}
	if p, err = w.PlanPrune(o); err != nil || len(p.Victims) == 0 {
		return p, err
	}
	for _, step := range w.pruneSteps(p, o.Now) {
		if err := step(); err != nil {
			return p, fmt.Errorf("pruning: %w", err)
		}
	}
	return p, nil
}

// pruneSteps are what Prune does. A crash may come between any two.
func (w *Workspace) pruneSteps(p Pruning, now time.Time) []func() error {
	steps := []func() error{
		func() error {
			if !slices.ContainsFunc(p.Victims, func(v Victim) bool { return v.Kind == VictimBuild }) {
				return nil
			}
			return w.updateIndex(now, func(x *Index) error {
				for _, v := range p.Victims {
					if v.Kind != VictimBuild {
						continue
					}
					if err := x.removeArches(v.Build, w.archesHere(x, v.Build)); err != nil {
						return err
					}
				}
				return nil
			})
		},
		func() error { return w.syncDir(w.Builds()) },
	}
	for _, v := range p.Victims {
		steps = append(steps, func() error {
			if v.Kind == VictimImage { // its record says that it can be made again
				return os.Remove(w.path(v.Path))
			}
			return w.trash(v.Path)
		})
	}
	return append(steps, func() error {
		_ = os.Remove(w.binPath()) // when it is empty
		_, err := w.emptyTrash()
		return err
	})
}
