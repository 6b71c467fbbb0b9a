package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Placement tells which layer put what where; it is what overlays.json contains.
type Placement struct {
	Layers []PlacedLayer `json:"layers"`
}

// PlacedLayer is one layer's part of a Placement.
type PlacedLayer struct {
	Name     string   `json:"name"`
	Override bool     `json:"override,omitempty"`
	Paths    []string `json:"paths"` // files and links as a running system has them, in the layer's order
}

// Conflict is a path that a layer and something before it both have, and not the same.
type Conflict struct {
	Path  string // with a leading slash
	Layer string
	Other string // "package bash", "layer overlay/05core"
	Why   string // what differs
}

// Conflicts are all of a run. They are an error.
type Conflicts []Conflict

// Error names both owners of each path.
func (c Conflicts) Error() string {
	lines := make([]string, 0, len(c))
	for _, one := range c {
		lines = append(lines, fmt.Sprintf("%s: layer %s and %s both have it, with different %s", one.Path, one.Layer, one.Other, one.Why))
	}
	return strings.Join(lines, "\n")
}

// Overlays puts layers over the tree, in their order. A file that is there and differs is a
// Conflict (all are returned together, as a Conflicts error) unless the layer overrides; a directory that is there
// keeps its owner and mode. usr/etc in a layer means etc. After an error the tree is of no use.
func (t Tree) Overlays(ctx context.Context, layers []Layer) (Placement, error) {
	r, err := t.open()
	if err != nil {
		return Placement{}, err
	}
	defer r.close()
	o := overlayer{root: r, by: map[string]string{}}
	placement := Placement{Layers: []PlacedLayer{}}
	for _, layer := range layers {
		placed := PlacedLayer{Name: layer.Name, Override: layer.Override, Paths: []string{}}
		for _, f := range layer.Files {
			if ctx.Err() != nil {
				return Placement{}, context.Cause(ctx)
			}
			name, err := o.put(layer, f)
			if err != nil {
				return Placement{}, fmt.Errorf("layer %s: %w", layer.Name, err)
			}
			if !f.Mode.IsDir() {
				placed.Paths = append(placed.Paths, "/"+name)
			}
		}
		placement.Layers = append(placement.Layers, placed)
	}
	if len(o.conflicts) == 0 {
		return placement, nil
	}
	return Placement{}, t.blame(ctx, r, o.conflicts)
}

// blame finds the packages behind those conflicts that are not between layers.
func (t Tree) blame(ctx context.Context, r root, conflicts Conflicts) error {
	owners, err := t.packages(ctx, r)
	if err != nil {
		return errors.Join(conflicts, err)
	}
	for i, c := range conflicts {
		if c.Other == "" {
			conflicts[i].Other = owners.of(c.Path[1:])
		}
	}
	return conflicts
}

// overlayer puts layers over a root.
type overlayer struct {
	root
	by        map[string]string // path → the layer that put it
	conflicts Conflicts
}

// put places one file and gives the path where it came to lie.
func (o *overlayer) put(layer Layer, f File) (string, error) {
	name := path.Clean(f.Path)
	if rest, ok := strings.CutPrefix(name+"/", "usr/etc/"); ok {
		name = path.Join("etc", rest)
	}
	if !fs.ValidPath(name) || name == "." {
		return "", fmt.Errorf("%q is no path below the root", f.Path)
	}
	name, err := o.place(name)
	if err != nil {
		return "", err
	}
	if f.Mode.IsDir() {
		return name, o.putDir(layer, name, f)
	}
	why, err := o.differs(name, f)
	if err != nil {
		return "", err
	}
	if why == "nothing" {
		return name, nil
	}
	if why != "" {
		if !layer.Override || o.isDir(name) {
			o.conflict(layer, name, why)
			return name, nil
		}
		if err := o.removeAll(name); err != nil {
			return "", err
		}
	}
	o.by[name] = layer.Name
	return name, o.create(name, f)
}

func (o *overlayer) conflict(layer Layer, name, why string) {
	c := Conflict{Path: "/" + name, Layer: layer.Name, Why: why}
	if by, ok := o.by[name]; ok {
		c.Other = "layer " + by
	}
	o.conflicts = append(o.conflicts, c)
}

func (o *overlayer) putDir(layer Layer, name string, f File) error {
	target, err := o.resolve(name)
	if err != nil {
		return err
	}
	if o.isDir(target) {
		return nil
	}
	if o.exists(name) {
		o.conflict(layer, name, "types")
		return nil
	}
	if err := o.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	if err := o.mkdir(name, f.Mode&^fs.ModeDir); err != nil {
		return err
	}
	if err := o.Lchown(name, f.UID, f.GID); err != nil {
		return fmt.Errorf("placing /%s: %w", name, err)
	}
	return nil
}

func (o *overlayer) create(name string, f File) error {
	if f.Mode&fs.ModeSymlink != 0 {
		if err := o.link(f.Link, name); err != nil {
			return err
		}
		if err := o.Lchown(name, f.UID, f.GID); err != nil {
			return fmt.Errorf("placing /%s: %w", name, err)
		}
		return nil
	}
	src, err := os.Open(f.Source)
	if err != nil {
		return fmt.Errorf("placing /%s: %w", name, err)
	}
	defer src.Close()
	return o.root.put(name, src, owner{uid: f.UID, gid: f.GID, mode: f.Mode})
}

// differs tells in what the file at name differs from f: "" if there is none, "nothing" if it
// is the same.
func (o *overlayer) differs(name string, f File) (string, error) {
	info, err := o.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("placing /%s: %w", name, err)
	}
	if info.Mode().Type() != f.Mode.Type() {
		return "types", nil
	}
	have := ownerOf(info)
	if have.uid != f.UID || have.gid != f.GID {
		return fmt.Sprintf("owners (%d:%d, was %d:%d)", f.UID, f.GID, have.uid, have.gid), nil
	}
	if f.Mode&fs.ModeSymlink != 0 {
		target, err := o.Readlink(name)
		if err != nil || target == f.Link {
			return "nothing", err
		}
		return fmt.Sprintf("targets (%s, was %s)", f.Link, target), nil
	}
	same, err := o.sameContent(name, f.Source)
	if err != nil {
		return "", fmt.Errorf("placing /%s: %w", name, err)
	}
	if !same {
		return "content", nil
	}
	if have.mode != f.Mode {
		return fmt.Sprintf("modes (%04o, was %04o)", toUnix(f.Mode), toUnix(have.mode)), nil
	}
	return "nothing", nil
}

// toUnix is the inverse of fromUnix.
func toUnix(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// sameContent compares a file of the tree with one of the host.
func (r root) sameContent(name, source string) (bool, error) {
	a, err := r.Open(name)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := os.Open(source)
	if err != nil {
		return false, err
	}
	defer b.Close()
	const block = 64 << 10
	x, y := make([]byte, block), make([]byte, block)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if errA == nil && errB == nil {
			continue
		}
		if ended(errA) && ended(errB) {
			return true, nil
		}
		return false, errors.Join(errA, errB)
	}
}

func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// ReadOnlyExecutables takes the write bits from every regular file with an x bit
// (readonly-executables).
func (t Tree) ReadOnlyExecutables(ctx context.Context) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	return r.walk(".", func(name string, info fs.FileInfo) error {
		mode := ownerOf(info).mode
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !info.Mode().IsRegular() || mode&0o111 == 0 || mode&0o222 == 0 {
			return nil
		}
		if err := r.Chmod(name, mode&^0o222); err != nil {
			return fmt.Errorf("making executables read-only: %w", err)
		}
		return nil
	})
}
