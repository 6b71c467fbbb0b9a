package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// fileOp is a change of the tree that can be undone.
type fileOp struct {
	kind fileOpKind
	path string // the file after the change; of a deletion before it. Relative to the workspace
	from string // of a rename: before it; of a deletion: where it lies now, below the trash
}

type fileOpKind string

const (
	opCreate fileOpKind = "create"
	opRename fileOpKind = "rename"
	opDelete fileOpKind = "delete"
)

// changedTree tells how a change of the tree went.
type changedTree struct {
	op     fileOp
	undone bool
	err    error
}

// trash is where deleted files go, relative to the workspace, and how long they stay there.
const (
	trash     = "tmp/tui/trash"
	trashKept = 7 * 24 * time.Hour
)

// pruneTrash forgets what was deleted long ago. Each deletion has a directory of its own
// that is named by its time; what has another name is left alone.
func pruneTrash(dir string, now time.Time) {
	entries, err := os.ReadDir(filepath.Join(dir, trash))
	if err != nil {
		return // as a rule there is none
	}
	for _, e := range entries {
		at, err := strconv.ParseInt(e.Name(), 36, 64)
		if err == nil && e.IsDir() && now.Sub(time.Unix(0, at)) > trashKept {
			_ = os.RemoveAll(filepath.Join(dir, trash, e.Name()))
		}
	}
}

// create makes an empty file, or a directory where the name ends in a slash.
func create(dir, path string) (fileOp, error) {
	op := fileOp{kind: opCreate, path: strings.TrimSuffix(path, "/")}
	s := saving{dir: dir, path: path}
	if strings.HasSuffix(path, "/") {
		s.path = path + "x" // its directory is all that is wanted
		abs, err := filepath.Abs(filepath.Join(dir, op.path))
		if err != nil {
			return op, err
		}
		if _, err := os.Lstat(abs); err == nil {
			return op, fmt.Errorf("%s is there already", op.path)
		}
		return op, s.makeDirs()
	}
	if err := s.makeDirs(); err != nil {
		return op, err
	}
	abs, err := place(dir, path)
	if err != nil {
		return op, err
	}
	f, err := os.OpenFile(abs, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return op, fmt.Errorf("%s is there already", path)
	}
	if err != nil {
		return op, fmt.Errorf("making %s: %w", path, err)
	}
	return op, f.Close()
}

// rename moves a file, directory or link; what is there is never replaced.
func rename(ctx context.Context, dir, from, to string) (fileOp, error) {
	op := fileOp{kind: opRename, path: to, from: from}
	source, err := place(dir, from)
	if err != nil {
		return op, err
	}
	if err := (saving{dir: dir, path: to}).makeDirs(); err != nil {
		return op, err
	}
	dest, err := place(dir, to)
	if err != nil {
		return op, err
	}
	return op, move(ctx, source, dest)
}

// remove moves a file, directory or link to the trash.
func remove(ctx context.Context, dir, path string, now time.Time) (fileOp, error) {
	op := fileOp{kind: opDelete, path: path}
	abs, err := place(dir, path)
	if err != nil {
		return op, err
	}
	op.from = filepath.Join(trash, strconv.FormatInt(now.UnixNano(), 36), filepath.Base(path))
	if err := share.MkdirAll(filepath.Join(dir, trash)); err != nil {
		return op, fmt.Errorf("deleting %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(op.from)), 0o700); err != nil {
		return op, fmt.Errorf("deleting %s: %w", path, err)
	}
	return op, move(ctx, abs, filepath.Join(dir, op.from))
}

// undo takes a change back.
func (op fileOp) undo(ctx context.Context, dir string, now time.Time) error {
	switch op.kind {
	case opCreate:
		_, err := remove(ctx, dir, op.path, now)
		return err
	case opRename:
		_, err := rename(ctx, dir, op.path, op.from)
		return err
	}
	if err := (saving{dir: dir, path: op.path}).makeDirs(); err != nil {
		return err
	}
	dest, err := place(dir, op.path)
	if err != nil {
		return err
	}
	return move(ctx, filepath.Join(dir, op.from), dest)
}

// move renames without replacing anything; to another file system it copies.
func move(ctx context.Context, from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that cannot
		if _, there := os.Lstat(to); there == nil {
			err = unix.EEXIST
		} else {
			err = os.Rename(from, to)
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%s is there already", filepath.Base(to))
	case errors.Is(err, unix.EXDEV):
		return moveFar(ctx, from, to)
	}
	return fmt.Errorf("moving %s: %w", filepath.Base(from), err)
}

// moveFar moves to another file system: a whole copy, with modes, owners and links as they are, gets the
// name at once, and what is there is not replaced either.
func moveFar(ctx context.Context, from, to string) error {
	near, err := os.MkdirTemp(filepath.Dir(to), ".nosa-move-")
	if err != nil {
		return fmt.Errorf("moving %s: %w", filepath.Base(from), err)
	}
	defer os.RemoveAll(near)
	whole := filepath.Join(near, filepath.Base(to))
	if _, err := proc.Output(ctx, proc.Cmd{Args: []string{"cp", "-a", "--no-target-directory", "--", from, whole}}); err != nil {
		return fmt.Errorf("copying %s: %w", filepath.Base(from), err)
	}
	if err := move(ctx, whole, to); err != nil {
		return err
	}
	return os.RemoveAll(from)
}
