package ostree

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is one path of a commit.
type Entry struct {
	Path     string // absolute; the first of a Tree is "/"
	Mode     uint32 // st_mode, with the type bits
	UID, GID uint32
	Xattrs   []byte // as libostree stores them; see ParseXattrs
	Size     int64  // of a regular file, in bytes
	Target   string // of a symbolic link
	Checksum string // of the content object, or of a directory's dirtree object
	Meta     string // of a directory: its dirmeta object's checksum
}

// IsDir reports whether the entry is a directory.
func (e Entry) IsDir() bool { return e.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsRegular reports whether the entry is a regular file.
func (e Entry) IsRegular() bool { return e.Mode&unix.S_IFMT == unix.S_IFREG }

// IsSymlink reports whether the entry is a symbolic link.
func (e Entry) IsSymlink() bool { return e.Mode&unix.S_IFMT == unix.S_IFLNK }

// Tree is the content of a commit: depth first, the names of a directory in byte order.
type Tree struct {
	Checksum string
	Commit   Commit
	Entries  []Entry
}

// Tree reads the content of a commit. The repository must be of mode bare-user.
func (r Repo) Tree(ctx context.Context, sum string) (Tree, error) {
	c, err := r.ReadCommit(sum)
	if err != nil {
		return Tree{}, err
	}
	w := walker{repo: r, dirs: map[string]owner{}, files: map[string]Entry{}}
	if err := w.dir(ctx, "/", child{sum: c.tree, meta: c.meta}); err != nil {
		return Tree{}, fmt.Errorf("reading commit %s: %w", sum, err)
	}
	return Tree{Checksum: sum, Commit: c, Entries: w.entries}, nil
}

// Lookup finds a path in the tree.
func (t Tree) Lookup(path string) (Entry, bool) {
	i := slices.IndexFunc(t.Entries, func(e Entry) bool { return e.Path == path })
	if i < 0 {
		return Entry{}, false
	}
	return t.Entries[i], true
}

// Below gives the entries under dir, without dir itself.
func (t Tree) Below(dir string) []Entry {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	var list []Entry
	for _, e := range t.Entries {
		if e.Path != "/" && strings.HasPrefix(e.Path, prefix) {
			list = append(list, e)
		}
	}
	return list
}

type walker struct {
	repo    Repo
	entries []Entry
	dirs    map[string]owner // by dirmeta checksum
	files   map[string]Entry // by content checksum, without Path
	depth   int
}

// maxTreeDepth bounds the recursion into directories (PATH_MAX allows no more).
const maxTreeDepth = 2048

func (w *walker) dir(ctx context.Context, path string, d child) error {
	w.depth++
	defer func() { w.depth-- }()
	if w.depth > maxTreeDepth {
		return fmt.Errorf("%s: nested too deep", path)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	meta, err := w.dirOwner(d.meta)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	w.entries = append(w.entries, Entry{
		Path: path, Mode: meta.Mode, UID: meta.UID, GID: meta.GID, Xattrs: meta.Xattrs, Checksum: d.sum, Meta: d.meta,
	})
	raw, err := w.repo.readObject(d.sum, extDirtree)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	files, dirs, err := parseDirtree(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	all := slices.Concat(files, dirs)
	slices.SortFunc(all, func(a, b child) int { return strings.Compare(a.name, b.name) })
	for _, c := range all {
		name := strings.TrimSuffix(path, "/") + "/" + c.name
		if c.meta != "" {
			err = w.dir(ctx, name, c)
		} else {
			err = w.file(name, c.sum)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) dirOwner(sum string) (owner, error) {
	if o, ok := w.dirs[sum]; ok {
		return o, nil
	}
	raw, err := w.repo.readObject(sum, extDirmeta)
	if err != nil {
		return owner{}, err
	}
	o, err := parseOwner(raw)
	if err != nil {
		return owner{}, err
	}
	if o.Mode&unix.S_IFMT != unix.S_IFDIR {
		return owner{}, fmt.Errorf("dirmeta %s: mode %o: %w", sum, o.Mode, errVariant)
	}
	w.dirs[sum] = o
	return o, nil
}

func (w *walker) file(path, sum string) error {
	e, ok := w.files[sum]
	if !ok {
		var err error
		if e, err = w.repo.fileEntry(sum); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		w.files[sum] = e
	}
	e.Path = path
	w.entries = append(w.entries, e)
	return nil
}

// fileEntry describes a content object; Path is empty.
func (r Repo) fileEntry(sum string) (Entry, error) {
	o, err := r.fileOwner(sum)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Mode: o.Mode, UID: o.UID, GID: o.GID, Xattrs: o.Xattrs, Checksum: sum}
	switch {
	case e.IsRegular():
		info, err := os.Lstat(r.object(sum, extFile))
		if err != nil {
			return Entry{}, fmt.Errorf("looking at object %s: %w", sum, err)
		}
		e.Size = info.Size()
	case e.IsSymlink():
		target, err := os.ReadFile(r.object(sum, extFile))
		if err != nil {
			return Entry{}, fmt.Errorf("reading symbolic link %s: %w", sum, err)
		}
		e.Target = strings.TrimRight(string(target), "\x00")
	default:
		return Entry{}, fmt.Errorf("object %s: mode %o: %w", sum, e.Mode, errVariant)
	}
	return e, nil
}
