// Package share is what a workspace gives to the group that works in it, as core.sharedRepository=group is in
// git: which modes what nosa makes there has.
//
// There is one rule. A directory that its group may write in and that hands its group on (g+w and setgid, mode
// 2775 or 2770) is shared, and what is made in it is made for that group too: directories with the mode of that
// one, files with read and write for the group, whatever the umask of who makes them. Others get no more than
// the umask gives them and the directory grants. Anywhere else nothing differs from what it was without this
// package, so that a workspace is shared as a whole by one mode, that of its own directory, and a directory in
// it that is private keeps private what is in it.
//
// A shared directory with the sticky bit (3775), as that of a job or a machine, is one in which all put files and
// each keeps his own: the group reads them, and nobody changes or replaces those of another. What a process of its
// maker's obeys lies there.
//
// In a shared directory no symbolic link is written through, and a directory is no link of somebody else's:
// a member can hand a link in, and what it leads to may be only the writer's.
package share

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The bits of modes.
const (
	groupRead  fs.FileMode = 0o040
	groupWrite fs.FileMode = 0o020
	plainDir   fs.FileMode = 0o755
	plainFile  fs.FileMode = 0o644
	forOthers  fs.FileMode = 0o007
)

// ErrForeignLink is a directory that is a symbolic link which neither the caller nor root made, nor the owner
// of the directory that it is in.
var ErrForeignLink = errors.New("is a link of another user's")

// Grant is what a directory gives for what is made in it. The zero value is that of one that is not shared.
type Grant struct {
	Group bool        // its group works in it
	GID   int         // that group, with Group
	Each  bool        // each one's files there are his own, with Group
	perm  fs.FileMode // of the directory, with Group
}

// Of gives what the directory dir grants. A link of somebody else's in a shared directory is ErrForeignLink.
func Of(dir string) (Grant, error) {
	named, err := os.Lstat(dir)
	if err != nil {
		return Grant{}, err
	}
	if named.Mode()&fs.ModeSymlink != 0 {
		if err := trust(dir, named); err != nil {
			return Grant{}, err
		}
		if named, err = os.Stat(dir); err != nil {
			return Grant{}, err
		}
	}
	return OfInfo(named), nil
}

// OfInfo is Of for a directory that was looked at already.
func OfInfo(info fs.FileInfo) Grant {
	st, ok := infoSys(info)
	if !ok || !info.IsDir() || info.Mode()&groupWrite == 0 || info.Mode()&fs.ModeSetgid == 0 {
		return Grant{}
	}
	return Grant{Group: true, GID: int(st.Gid), Each: info.Mode()&fs.ModeSticky != 0, perm: info.Mode().Perm()}
}

// trust refuses a link in a shared directory that was put there by somebody else.
func trust(name string, link fs.FileInfo) error {
	above, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return err
	}
	if !OfInfo(above).Group {
		return nil
	}
	owner := ownerOf(link)
	if owner == 0 || owner == os.Geteuid() || owner == ownerOf(above) {
		return nil
	}
	return fmt.Errorf("%s %w (uid %d)", name, ErrForeignLink, owner)
}

// ownerOf is the user of a file, -1 where that is not known.
func ownerOf(info fs.FileInfo) int {
	if st, ok := infoSys(info); ok {
		return int(st.Uid)
	}
	return -1
}

// infoSys is what the kernel says of a file.
func infoSys(info fs.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return st, ok
}

func (g Grant) itself() Grant { return g }

// Dir is the mode of a directory that is made there: 0755, or that of the shared one.
func (g Grant) Dir() fs.FileMode {
	if !g.Group {
		return plainDir
	}
	return g.perm&^0o002 | 0o700 | fs.ModeSetgid
}

// File is the mode of a file that is made there: 0644, or 0664 less what others do not get.
func (g Grant) File() fs.FileMode {
	switch {
	case !g.Group:
		return plainFile
	case g.Each:
		return g.Dir()&plainFile | 0o600
	}
	return g.Dir()&0o664 | 0o600
}

// Secret is the mode of a file there that nobody beside its owner may read, or the group: 0600 or 0640.
func (g Grant) Secret() fs.FileMode {
	if !g.Group {
		return 0o600
	}
	return 0o640
}

// Kept is what a directory grants in which each one's files are his own.
func (g Grant) Kept() Grant {
	g.Each = g.Group
	return g
}

// Socket is the mode of a socket there that its owner may connect to, or the group: 0600 or 0660.
func (g Grant) Socket() fs.FileMode {
	if !g.Group {
		return 0o600
	}
	return 0o660
}

// over is the mode that something has that was made there with a mode, by the umask of its maker: the group gets
// what the owner has, others get no more than the directory grants.
func (g Grant) over(made fs.FileMode) fs.FileMode {
	if !g.Group {
		return made
	}
	got := made.Perm() | made.Perm()>>3&0o070
	got &^= forOthers &^ g.perm
	got &^= 0o002
	switch {
	case made.IsDir() && g.Each:
		got |= 0o070 | fs.ModeSetgid | fs.ModeSticky
	case made.IsDir():
		got |= 0o070 | fs.ModeSetgid
	case g.Each:
		got &^= groupWrite
	}
	return got
}

// Shared says if the directory dir is shared with its group.
func Shared(dir string) bool {
	g, err := Of(dir)
	return err == nil && g.Group
}

// Others says if a directory is another user's, in which each one's files are his own: only he, or root, can remove
// what is in it.
func Others(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || os.Geteuid() == 0 {
		return false
	}
	return OfInfo(info).Each && ownerOf(info) != os.Geteuid()
}
