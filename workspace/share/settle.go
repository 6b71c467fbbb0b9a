package share

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Standing is how a file or directory stands to a Grant.
type Standing struct {
	Has   bool // the group has what it is to have
	Given bool // because it was given just now
	UID   int  // whose it is
}

// Wanted is what the directory would grant if it were shared with its group.
func Wanted(info fs.FileInfo) Grant {
	g := Grant{Group: true, perm: info.Mode().Perm()&^0o002 | 0o770}
	if st, ok := infoSys(info); ok {
		g.GID = int(st.Gid)
	}
	return g
}

// GiveRoot makes dir a directory that is shared with the group gid, of which only its owner or root can make one,
// and only who is of the group.
func GiveRoot(dir string, gid int) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	g := Wanted(info)
	if OfInfo(info).Group && g.GID == gid {
		return nil
	}
	if g.GID != gid {
		if err := f.Chown(-1, gid); err != nil {
			return fmt.Errorf("giving %s to the group %d: %w", dir, gid, unwrapPath(err))
		}
	}
	if err := f.Chmod(g.Dir()); err != nil {
		return err
	}
	if info, err = f.Stat(); err == nil && !OfInfo(info).Group {
		err = fmt.Errorf("%s does not keep the mode %v: it is no filesystem for sharing, or the group is not the caller's", dir, g.Dir())
	}
	return err
}

// unwrapPath is an error without its path, which the caller names.
func unwrapPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Look says if the group has what it is to have of a file or directory in root.
func (g Grant) Look(root *os.Root, name string) (Standing, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return Standing{}, err
	}
	return g.standing(info), nil
}

func (g Grant) standing(info fs.FileInfo) Standing {
	st, ok := infoSys(info)
	if !ok {
		return Standing{Has: true}
	}
	s := Standing{UID: int(st.Uid)}
	mode := info.Mode()
	switch {
	case info.IsDir():
		s.Has = int(st.Gid) == g.GID && mode&0o070 == 0o070 && mode&fs.ModeSetgid != 0 && (mode&fs.ModeSticky != 0) == g.Each
	case !mode.IsRegular():
		s.Has = true
	default:
		mine := int(st.Gid) == g.GID
		s.Has = mode&0o004 != 0 || mine && mode&groupRead != 0
		if mode&0o200 != 0 && st.Nlink == 1 && !g.Each {
			s.Has = s.Has && mine && mode&groupWrite != 0
		}
	}
	return s
}

// Settle gives a file or directory in root to the group, if it is the caller's or the caller is root. One with
// several names stays as it is: it may be anybody's.
func (g Grant) Settle(root *os.Root, name string) (Standing, error) {
	s, err := g.Look(root, name)
	if err != nil || s.Has || s.UID != os.Geteuid() && os.Geteuid() != 0 {
		return s, err
	}
	f, err := g.open(root, name)
	if err != nil || f == nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	st, ok := infoSys(info)
	if !ok || !info.IsDir() && (!info.Mode().IsRegular() || st.Nlink > 1) {
		return s, nil
	}
	if int(st.Gid) != g.GID {
		if err := f.Chown(-1, g.GID); err != nil {
			return s, err
		}
	}
	if err := f.Chmod(g.over(info.Mode())); err != nil {
		return s, err
	}
	if info, err = f.Stat(); err != nil {
		return s, err
	}
	s = g.standing(info)
	s.Given = s.Has
	return s, nil
}

// open opens a file or directory to change its mode; nil is one that its own mode keeps shut, or that is gone.
func (g Grant) open(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	return f, err
}
