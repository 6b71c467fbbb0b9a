package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxFile is how large a file may be to be edited, in bytes.
const maxFile = 8 << 20

// errText is a file that is no text.
var errText = errors.New("it is not text")

// readText reads a file of the sources, symbolic links within them followed.
func readText(dir, path string) ([]byte, error) {
	abs, err := place(dir, path)
	if err != nil {
		return nil, err
	}
	if abs, err = target(dir, abs); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return readPlain(abs)
}

// readPlain reads a regular file, and never waits for one that is a pipe.
func readPlain(abs string) ([]byte, error) {
	f, err := os.OpenFile(abs, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0 {
		return nil, errText
	}
	return data, nil
}

// conflictError is a file that is not as it was when it was read.
type conflictError struct {
	theirs []byte
	gone   bool
}

func (e *conflictError) Error() string { return "the file changed on disk" }

// saving is a text on its way to its file.
type saving struct {
	dir, path string // workspace; file relative to it
	base      []byte // what was read
	absent    bool   // there was no file
	text      []byte
	make      bool // its directories are made, too
}

// save writes a text in one step: whoever reads the file finds all of the old or all of the new
// text. Mode, owner and attributes stay as they are; a symbolic link is written through. A
// file that is not as it was read is left alone: a *conflictError. What of the old
// file could not be kept is said.
func (s saving) save() (lost string, err error) {
	if s.make {
		if err := s.makeDirs(); err != nil {
			return "", err
		}
	}
	abs, err := place(s.dir, s.path)
	if err != nil {
		return "", err
	}
	if abs, err = target(s.dir, abs); err != nil {
		return "", fmt.Errorf("%s: %w", s.path, err)
	}
	now, err := readPlain(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.absent:
	case errors.Is(err, fs.ErrNotExist):
		return "", &conflictError{gone: true}
	case err != nil:
		return "", fmt.Errorf("saving %s: %w", s.path, cause(err))
	case s.absent || !bytes.Equal(now, s.base):
		return "", &conflictError{theirs: now}
	}
	if lost, err = replace(abs, s.text); err != nil {
		return "", fmt.Errorf("saving %s: %w", s.path, cause(err))
	}
	return lost, nil
}

// makeDirs makes the directories of a new file, each within the root.
func (s saving) makeDirs() error {
	root := rootOf(s.path)
	rel := strings.TrimPrefix(filepath.Dir(s.path), root)
	at := root
	for part := range strings.SplitSeq(strings.Trim(rel, "/"), "/") {
		if part == "" {
			continue
		}
		at = filepath.Join(at, part)
		abs, err := place(s.dir, at)
		if err != nil {
			return err
		}
		if err := os.Mkdir(abs, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making %s: %w", at, err)
		}
	}
	return nil
}

// replace puts a new file with the text in the place of the one at abs.
func replace(abs string, text []byte) (lost string, err error) {
	old, err := os.Stat(abs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	dir := filepath.Dir(abs)
	f, err := os.CreateTemp(dir, "."+filepath.Base(abs)+".*")
	if err != nil {
		return "", err
	}
	temp := f.Name()
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(temp)
		}
	}()
	if _, err = f.Write(text); err != nil {
		return "", err
	}
	if lost, err = dress(f, abs, old); err != nil {
		return "", err
	}
	if err = f.Sync(); err != nil {
		return "", err
	}
	if err = f.Close(); err != nil {
		return "", err
	}
	if err = os.Rename(temp, abs); err != nil {
		return "", err
	}
	return lost, syncDir(dir)
}

// dress gives a new file the owner, the mode and the attributes of the old one.
func dress(f *os.File, abs string, old fs.FileInfo) (lost string, err error) {
	if old == nil {
		return "", f.Chmod(0o644)
	}
	var kept []string
	if sys, ok := old.Sys().(*syscall.Stat_t); ok {
		mine, _ := f.Stat()
		if now, ok := mine.Sys().(*syscall.Stat_t); ok && (now.Uid != sys.Uid || now.Gid != sys.Gid) {
			if f.Chown(int(sys.Uid), int(sys.Gid)) != nil {
				_ = f.Chown(-1, int(sys.Gid)) // those who share the file by its group keep it
				kept = append(kept, "its owner")
			}
		}
		if sys.Nlink > 1 {
			kept = append(kept, "its other hard links")
		}
	}
	if err := f.Chmod(old.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)); err != nil {
		return "", err
	}
	if !copyAttributes(f, abs) {
		kept = append(kept, "some extended attributes")
	}
	return strings.Join(kept, ", "), nil
}

// copyAttributes copies the extended attributes of the file at abs; false if one could not be.
func copyAttributes(f *os.File, abs string) bool {
	names := make([]byte, 64<<10)
	n, err := unix.Listxattr(abs, names)
	if err != nil || n == 0 {
		return err == nil || errors.Is(err, unix.ENOTSUP)
	}
	all := true
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		n, err := unix.Getxattr(abs, name, value)
		if err != nil || unix.Fsetxattr(int(f.Fd()), name, value[:n], 0) != nil {
			all = false
		}
	}
	return all
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
