package share

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// newSuffix ends the hidden name under which something is made that appears with its mode.
const newSuffix = ".new"

// hiddenName is a name beside name that nobody else takes.
func hiddenName(name string) string {
	return filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()[:12]+newSuffix)
}

// Mkdir makes a directory with the mode that the one around it grants; fs.ErrExist when the name is taken. In a
// shared one it appears with that mode: whoever sees it can use it.
func Mkdir(dir string) error { return mkdir(dir, Grant.itself) }

// MkdirKept is Mkdir for a directory in which each one's files are his own, with the sticky bit in a shared one.
func MkdirKept(dir string) error { return mkdir(dir, Grant.Kept) }

func mkdir(dir string, kind func(Grant) Grant) error {
	g, err := Of(filepath.Dir(dir))
	if err != nil {
		return err
	}
	if !g.Group {
		return os.Mkdir(dir, plainDir)
	}
	if _, err := os.Lstat(dir); err == nil {
		return &os.PathError{Op: "mkdir", Path: dir, Err: unix.EEXIST}
	}
	fresh := hiddenName(dir)
	if err := os.Mkdir(fresh, g.Dir().Perm()); err != nil {
		return err
	}
	err = give(fresh, kind(g))
	if err == nil {
		err = rename(fresh, dir)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return nil
}

// rename is that of rename(2) which replaces nothing; a filesystem that cannot say so (EINVAL) has the usual one,
// which replaces only an empty directory.
func rename(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// MkdirAll makes a directory and those above it that are missing, each with what the one around it grants. If it is
// there, the caller's and narrower than that, it is given to the group; those above it stay as they are.
func MkdirAll(dir string) error {
	above := filepath.Dir(dir)
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &os.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && (above == dir || !Shared(above)):
		_, err = Of(dir)
		return err
	}
	if info == nil {
		if err := existingOrNew(above); err != nil {
			return err
		}
		if err := Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if _, err := Of(dir); err != nil {
		return err
	}
	if info, err = os.Lstat(dir); err != nil || !info.IsDir() || ownerOf(info) != os.Geteuid() {
		return err
	}
	return Give(dir)
}

func existingOrNew(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return MkdirAll(dir)
}

// MkdirPlain makes a directory as MkdirAll does, but one that hands no group on, shared or not, and that only its
// maker writes in: for trees of a system, in which modes and groups are what is built. One that is there stays as
// it is.
func MkdirPlain(dir string) error {
	if err := MkdirAll(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, plainDir); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case ownerOf(info) != os.Geteuid():
		err = fmt.Errorf("making %s: somebody replaced it", dir)
	case info.Mode()&fs.ModeSetgid != 0:
		err = errors.Join(f.Chown(-1, os.Getegid()), f.Chmod(info.Mode().Perm()))
	}
	return errors.Join(err, f.Close())
}

// Open opens a file as os.OpenFile does, and makes it, with os.O_CREATE, with the mode that its directory grants.
// In a shared directory it opens regular files only, no links, and what it makes is seen with its mode only, so
// that two who make the same file at once both can open it.
func Open(name string, flag int) (*os.File, error) {
	g, err := Of(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	if !g.Group {
		return os.OpenFile(name, flag, plainFile)
	}
	if flag&os.O_EXCL != 0 {
		return create(name, flag, g)
	}
	const tries = 10 // somebody may remove it between the two steps
	for range tries {
		var f *os.File
		if f, err = existing(name, flag&^os.O_CREATE); err == nil || flag&os.O_CREATE == 0 || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		if err = appear(name, g); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return nil, err
}

// create makes a file that is not there.
func create(name string, flag int, g Grant) (*os.File, error) {
	f, err := os.OpenFile(name, flag|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, g.File())
	if err != nil {
		return nil, err
	}
	if err := widen(f, g); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// appear makes an empty file that is seen with its mode only.
func appear(name string, g Grant) error {
	fresh := hiddenName(name)
	f, err := create(fresh, os.O_WRONLY, g)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Link(fresh, name), os.Remove(fresh))
}

// existing opens a regular file, and waits for nothing.
func existing(name string, flag int) (*os.File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("opening %s: it is a link, which nobody follows in a shared directory: %w", name, err)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("opening %s: it is no regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Replace writes a file beside name and renames it to name: a reader sees the old text or the new.
func Replace(name string, data []byte) error {
	dir := filepath.Dir(name)
	g, err := Of(dir)
	if err != nil {
		return err
	}
	options := []renameio.Option{renameio.WithTempDir(dir)}
	if g.Group {
		options = append(options, renameio.WithStaticPermissions(g.File()))
	}
	return renameio.WriteFile(name, data, g.File(), options...)
}

// Create writes a new file; fs.ErrExist when somebody has taken the name.
func Create(name string, data []byte) error { return write(name, data, os.O_EXCL) }

// WriteFile writes a file that nobody reads yet, in place of what was there.
func WriteFile(name string, data []byte) error { return write(name, data, os.O_TRUNC) }

func write(name string, data []byte, flag int) error {
	f, err := Open(name, os.O_WRONLY|os.O_CREATE|flag)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// WriteSecret writes a new file that its owner alone may read, or the group of the shared directory that it is in.
func WriteSecret(name string, data []byte) error {
	g, err := Of(filepath.Dir(name))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if st, ok := infoSys(info); err == nil && ok && g.Group && int(st.Gid) == g.GID {
		err = f.Chmod(g.Secret())
	}
	if err == nil {
		_, err = f.Write(data)
	}
	return errors.Join(err, f.Close())
}
