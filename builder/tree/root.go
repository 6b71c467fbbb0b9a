package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// root is a directory whose symbolic links lead nowhere else: what a package or a script left
// in the tree must not make us write to the host.
type root struct {
	*os.Root
}

func (t Tree) open() (root, error) {
	r, err := os.OpenRoot(t.Root)
	if err != nil {
		return root{}, fmt.Errorf("opening the tree: %w", err)
	}
	return root{r}, nil
}

// close lets the directory go. Nothing was written through it that could be lost.
func (r root) close() { _ = r.Close() }

// maxLinks is where the kernel gives up too (path_resolution(7)).
const maxLinks = 40

// resolve follows all symbolic links of name as a program in the tree would, absolute ones too,
// and gives a path without any. What does not exist stays as it is.
func (r root) resolve(name string) (string, error) {
	done := ""
	todo := strings.Split(path.Clean("/" + name)[1:], "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = strings.TrimPrefix(path.Dir("/"+done), "/")
			continue
		}
		next := path.Join(done, part)
		target, err := r.Readlink(next)
		if err != nil {
			done = next // not a link, or not there
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("resolving /%s: %w", name, syscall.ELOOP)
		}
		if path.IsAbs(target) {
			done = ""
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	if done == "" {
		return ".", nil
	}
	return done, nil
}

// place resolves all of name but its last part.
func (r root) place(name string) (string, error) {
	name = path.Clean(name)
	dir, err := r.resolve(path.Dir(name))
	if err != nil {
		return "", err
	}
	return path.Join(dir, path.Base(name)), nil
}

func (r root) exists(name string) bool {
	_, err := r.Lstat(name)
	return err == nil
}

func (r root) isDir(name string) bool {
	info, err := r.Lstat(name)
	return err == nil && info.IsDir()
}

func (r root) isLink(name string) bool {
	info, err := r.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// mkdirAll makes what is missing of name, mode 0755 whatever the umask.
func (r root) mkdirAll(name string) error {
	if name == "." || r.isDir(name) {
		return nil
	}
	if err := r.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	return r.mkdir(name, 0o755)
}

func (r root) mkdir(name string, mode fs.FileMode) error {
	if err := r.Mkdir(name, 0o700); err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	if err := r.Chmod(name, mode); err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	return nil
}

// owner is who a file belongs to and what may be done with it.
type owner struct {
	uid, gid int
	mode     fs.FileMode
}

func ownerOf(info fs.FileInfo) owner {
	o := owner{mode: info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		o.uid, o.gid = int(st.Uid), int(st.Gid)
	}
	return o
}

// tempSuffix ends the names of files that are not complete yet.
const tempSuffix = ".nosa-tmp"

// put makes name a new file with what content has; its directory is made if it is missing.
func (r root) put(name string, content io.Reader, o owner) error {
	if err := r.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	temp := name + tempSuffix
	f, err := r.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing /%s: %w", name, err)
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chown(o.uid, o.gid)
	}
	if err == nil {
		err = f.Chmod(o.mode)
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = r.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing /%s: %w", name, err), r.Remove(temp))
	}
	return nil
}

// write makes name a file of root's with mode 0644.
func (r root) write(name string, data []byte) error {
	return r.put(name, bytes.NewReader(data), owner{mode: 0o644})
}

// edit replaces what name contains, and keeps its owner and mode. A file that is not there is
// left so.
func (r root) edit(name string, change func([]byte) []byte) error {
	target, err := r.resolve(name)
	if err != nil {
		return err
	}
	info, err := r.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("editing /%s: %w", name, err)
	}
	old, err := r.ReadFile(target)
	if err != nil {
		return fmt.Errorf("editing /%s: %w", name, err)
	}
	changed := change(bytes.Clone(old))
	if bytes.Equal(old, changed) {
		return nil
	}
	return r.put(target, bytes.NewReader(changed), ownerOf(info))
}

// readIf reads a file that may be missing.
func (r root) readIf(name string) ([]byte, error) {
	data, err := r.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading /%s: %w", name, err)
	}
	return data, nil
}

// link makes name a symbolic link to target, in place of whatever file or link is there.
func (r root) link(target, name string) error {
	if err := r.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	if err := r.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("linking /%s: %w", name, err)
	}
	if err := r.Symlink(target, name); err != nil {
		return fmt.Errorf("linking /%s: %w", name, err)
	}
	return nil
}

// removeAll removes names and what is below them.
func (r root) removeAll(names ...string) error {
	for _, name := range names {
		if err := r.RemoveAll(name); err != nil {
			return fmt.Errorf("removing /%s: %w", name, err)
		}
	}
	return nil
}

// move renames a file or directory; a directory of an overlay's lower tree is copied.
func (r root) move(from, to string) error {
	if err := r.mkdirAll(path.Dir(to)); err != nil {
		return err
	}
	err := r.Rename(from, to)
	if errors.Is(err, syscall.EXDEV) {
		if err := r.copyTree(from, to); err != nil {
			return err
		}
		return r.removeAll(from)
	}
	if err != nil {
		return fmt.Errorf("moving /%s: %w", from, err)
	}
	return nil
}

// glob gives the names in directory dir that match pattern, sorted.
func (r root) glob(dir, pattern string) []string {
	list, err := fs.ReadDir(r.FS(), dir)
	if err != nil {
		return nil // not there
	}
	names := []string{}
	for _, item := range list {
		if ok, _ := path.Match(pattern, item.Name()); ok { // our own patterns are good
			names = append(names, path.Join(dir, item.Name()))
		}
	}
	return names
}

// walk visits everything below name in lexical order, name itself first; what is not there has
// nothing to visit. Names given are relative to the root.
func (r root) walk(name string, visit func(name string, info fs.FileInfo) error) error {
	if !r.exists(name) {
		return nil
	}
	base := r.Name()
	return filepath.WalkDir(filepath.Join(base, name), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("reading the tree: %w", err)
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("reading the tree: %w", err)
		}
		rel, err := filepath.Rel(base, p)
		if err != nil {
			return fmt.Errorf("reading the tree: %w", err)
		}
		return visit(rel, info)
	})
}
