package builder

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// upperWatch finds out what changed in a copy-on-write view between two looks: it walks the upper
// directory of the overlay, which holds nothing but the differences, and compares with the last walk
// and with the tree below.
type upperWatch struct {
	lower, upper string
	seed         maphash.Seed
	seen         upperState
	parts        []PartChanges
	err          error // nothing is recorded any more
}

func watchUpper(lower, upper string) *upperWatch {
	return &upperWatch{lower: lower, upper: upper, seed: maphash.MakeSeed(), seen: upperState{}}
}

// upperState is the upper directory at one moment, by path below it.
type upperState map[string]stamp

// stamp is what tells versions of a file apart.
type stamp struct {
	mode, uid, gid uint32
	size           int64
	target         string // of a symbolic link
	sum            uint64 // of the content, if summed
	summed         bool   // a small file
	hidden         bool   // the overlay's mark that the lower file is gone
	opaque         bool   // a directory that hides all of the lower one

	ino          uint64
	ctime, mtime int64
}

// maxSummed is the size up to which a file's content is compared, in bytes; a larger one has changed
// when its time has.
const maxSummed = 64 << 10

// same says if two stamps are of files that a commit does not tell apart.
func (s stamp) same(o stamp) bool {
	if s.mode != o.mode || s.uid != o.uid || s.gid != o.gid || s.target != o.target {
		return false
	}
	if s.mode&unix.S_IFMT != unix.S_IFREG {
		return true
	}
	return s.size == o.size && s.summed == o.summed && s.sum == o.sum && (s.summed || s.mtime == o.mtime)
}

// note compares with the last look and keeps what p changed, if it is anything.
func (w *upperWatch) note(p PartChanges) error {
	now, err := w.look()
	if err != nil {
		return fmt.Errorf("recording what %s changed: %w", p.Part, err)
	}
	if err := w.compare(w.seen, now, &p); err != nil {
		return fmt.Errorf("recording what %s changed: %w", p.Part, err)
	}
	w.seen = now
	for _, list := range [][]string{p.Added, p.Changed, p.Removed} {
		slices.Sort(list)
	}
	p.Removed = slices.DeleteFunc(p.Removed, func(name string) bool { return hasParent(p.Removed, name) })
	if len(p.Added)+len(p.Changed)+len(p.Removed) > 0 {
		w.parts = append(w.parts, p)
	}
	return nil
}

// hasParent says if a directory above name is in the list, which is sorted.
func hasParent(list []string, name string) bool {
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if _, found := slices.BinarySearch(list, dir); found {
			return true
		}
	}
	return false
}

// look walks the upper directory.
func (w *upperWatch) look() (upperState, error) {
	now := make(upperState, len(w.seen)+64)
	return now, w.lookInto(now, "")
}

// lookInto adds what is below a directory. A build looks two dozen times, so it asks by descriptor
// and name, which costs half of what paths do.
func (w *upperWatch) lookInto(now upperState, dir string) error {
	f, err := os.Open(filepath.Join(w.upper, dir))
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(int(f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("asking for %s in %s: %w", name, f.Name(), err)
		}
		rel := path.Join(dir, name)
		s, known := w.seen[rel]
		if !known || !s.is(&st) {
			if s, err = w.stamp(filepath.Join(w.upper, rel), &st); err != nil {
				return err
			}
		}
		now[rel] = s
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			if err := w.lookInto(now, rel); err != nil {
				return err
			}
		}
	}
	return nil
}

// is says if a file is the one that has this stamp, unchanged.
func (s stamp) is(st *unix.Stat_t) bool { return s.ino == st.Ino && s.ctime == st.Ctim.Nano() }

// stamp looks at one file.
func (w *upperWatch) stamp(name string, st *unix.Stat_t) (stamp, error) {
	s := stamp{mode: st.Mode, uid: st.Uid, gid: st.Gid, size: st.Size, ino: st.Ino, ctime: st.Ctim.Nano(), mtime: st.Mtim.Nano()}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		s.hidden = st.Rdev == 0
	case unix.S_IFLNK:
		s.target, err = os.Readlink(name)
	case unix.S_IFDIR:
		value := make([]byte, 1)
		n, _ := unix.Lgetxattr(name, "user.overlay.opaque", value) // absent: it is not
		s.opaque = n == 1 && value[0] == 'y'
	case unix.S_IFREG:
		if st.Size > maxSummed {
			break
		}
		var data []byte
		data, err = os.ReadFile(name)
		s.sum, s.summed = maphash.Bytes(w.seed, data), true
	}
	return s, err
}

// at gives what the view has at a path of its own; false when there is nothing.
func (w *upperWatch) at(state upperState, rel string) (stamp, bool, error) {
	if s, ok := state[rel]; ok {
		return s, !s.hidden, nil
	}
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		if s, ok := state[dir]; ok && (s.hidden || s.opaque || s.mode&unix.S_IFMT != unix.S_IFDIR) {
			return stamp{}, false, nil
		}
	}
	name := filepath.Join(w.lower, rel)
	var st unix.Stat_t
	switch err := unix.Lstat(name, &st); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return stamp{}, false, nil
	case err != nil:
		return stamp{}, false, fmt.Errorf("asking for %s: %w", name, err)
	}
	s, err := w.stamp(name, &st)
	return s, err == nil, err
}

// In the commit, /etc is /usr/etc; until the layout the view has it as /etc, and /usr/etc may be a
// link to it.
const (
	treeEtc   = "etc"
	commitEtc = "usr/etc"
)

// inCommit gives what the view has for a path of the commit.
func (w *upperWatch) inCommit(state upperState, name string) (stamp, bool, error) {
	rest, isEtc := below(name, commitEtc)
	if !isEtc {
		return w.at(state, name)
	}
	s, ok, err := w.at(state, name)
	if err != nil || ok && (rest != "" || s.mode&unix.S_IFMT == unix.S_IFDIR) {
		return s, ok, err
	}
	return w.at(state, treeEtc+rest)
}

// below cuts dir off the start of name; rest begins with a slash or is empty.
func below(name, dir string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(name, dir)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// compare fills p with what differs between two states.
func (w *upperWatch) compare(before, now upperState, p *PartChanges) error {
	names, err := w.candidates(before, now)
	if err != nil {
		return err
	}
	for name := range names {
		old, was, err := w.inCommit(before, name)
		if err != nil {
			return err
		}
		s, is, err := w.inCommit(now, name)
		if err != nil {
			return err
		}
		switch {
		case is && !was:
			p.Added = append(p.Added, "/"+name)
		case was && !is:
			p.Removed = append(p.Removed, "/"+name)
		case was && !s.same(old):
			p.Changed = append(p.Changed, "/"+name)
		}
	}
	return nil
}

// candidates gives the paths of the commit that may differ between two states.
func (w *upperWatch) candidates(before, now upperState) (map[string]bool, error) {
	names := map[string]bool{}
	add := func(rel string) {
		if rest, ok := below(rel, treeEtc); ok {
			rel = commitEtc + rest
		}
		names[rel] = true
	}
	for rel := range before {
		if _, ok := now[rel]; !ok {
			add(rel)
		}
	}
	for rel, s := range now {
		old, ok := before[rel]
		if ok && old == s {
			continue
		}
		add(rel)
		if s.opaque && !old.opaque {
			list, _ := os.ReadDir(filepath.Join(w.lower, rel)) // not there: nothing is hidden
			for _, d := range list {
				add(path.Join(rel, d.Name()))
			}
		}
	}
	if s := now[treeEtc]; s.hidden && !before[treeEtc].hidden { // it has become /usr/etc
		err := filepath.WalkDir(filepath.Join(w.lower, treeEtc), func(name string, _ fs.DirEntry, err error) error {
			if err == nil {
				add(name[len(w.lower)+1:])
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return names, nil
}
