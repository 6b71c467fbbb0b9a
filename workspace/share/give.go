package share

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Give gives a file or directory of the caller's, which something else made, to the group of the shared
// directory that it is in. It leaves alone what is not the caller's, and what is not in a shared directory.
func Give(name string) error {
	g, err := Of(filepath.Dir(name))
	if err != nil || !g.Group {
		return err
	}
	return give(name, g)
}

func give(name string, g Grant) error {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return errors.Join(widen(f, g), f.Close())
}

// GiveTreeAs gives the directory dir with all that is in it to the group of the shared directory at, to which it
// is to be moved. Links, sockets and the like stay as they are.
func GiveTreeAs(dir, at string) error {
	g, err := Of(at)
	if err != nil || !g.Group {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("sharing %s: %w", dir, err)
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("sharing %s: %w", dir, err)
		}
		return errors.Join(widen(f, g), f.Close())
	})
}

// widen gives an open file of the caller's to the group. One with several names, which may be anybody's file,
// gets no more than all have.
func widen(f *os.File, g Grant) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st, ok := infoSys(info)
	if !ok || int(st.Uid) != os.Geteuid() || !info.IsDir() && !info.Mode().IsRegular() {
		return nil
	}
	if !info.IsDir() && st.Nlink > 1 {
		return nil
	}
	if int(st.Gid) != g.GID {
		// It was made elsewhere and moved here. Of a group that is not one's own nobody can make it (chown(2)).
		if err := f.Chown(-1, g.GID); err != nil {
			return nil //nolint:nilerr // it stays the caller's alone
		}
	}
	const all = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	want := g.over(info.Mode())
	if info.Mode()&all == want {
		return nil
	}
	return f.Chmod(want)
}
