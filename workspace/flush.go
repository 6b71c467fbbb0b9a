package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// newSuffix ends the hidden name of what is being copied to where it belongs
// from another filesystem.
const newSuffix = ".new"

// gonePrefix begins the hidden name of what is being deleted where it was.
const gonePrefix = ".gone-"

// PutFile moves the finished file from, whose content has reached the disk, to
// the name to, at once: whoever looks sees nothing, or what was there, or all of
// it. When it returns, a power cut does not undo it. From another filesystem it
// is copied.
func PutFile(ctx context.Context, from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, unix.EXDEV) {
		err = putCopy(ctx, from, to, filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+newSuffix))
	}
	if err != nil {
		return fmt.Errorf("placing %s: %w", filepath.Base(to), err)
	}
	return errors.Join(share.Give(to), flush(filepath.Dir(to)))
}

// putCopy copies from, a file or a tree, to the name to by way of a third.
func putCopy(ctx context.Context, from, to, part string) error {
	if err := removeTree(part); err != nil {
		return err
	}
	err := proc.Run(ctx, proc.Cmd{Args: []string{"cp", "-a", "--sparse=auto", "-T", "--", from, part}})
	if err == nil {
		err = flushTree(part)
	}
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		return errors.Join(err, removeTree(part))
	}
	return removeTree(from)
}

// flushTree brings a file, or all files and directories of a tree, to the disk.
func flushTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("flushing: %w", err)
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		return flush(path)
	})
}

// flush brings a file's content, or a directory's entries, to the disk.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("flushing %s: %w", path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("flushing %s: %w", path, err)
	}
	return nil
}

// sweepBuilds removes what killed processes left in builds/: files that were
// being written, a build that was being copied or deleted, the directory of a
// build that did not come. It needs the lock on the index.
func (w *Workspace) sweepBuilds() error {
	entries, err := os.ReadDir(w.Builds())
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case isLeftover(name):
			if err := removeTree(w.path("builds", name)); err != nil {
				return fmt.Errorf("removing leftovers: %w", err)
			}
		case e.IsDir() && name[0] != '.':
			_ = os.Remove(w.path("builds", name)) // only if it is empty
		}
	}
	parts, err := filepath.Glob(filepath.Join(escapeGlob(w.Builds()), "*", "*", ".*"))
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, part := range parts {
		name := filepath.Base(part)
		if !hasNumber(name, "."+MetaFile) && !strings.HasSuffix(name, newSuffix) || writing(filepath.Dir(part)) {
			continue
		}
		if err := removeTree(part); err != nil {
			return fmt.Errorf("removing leftovers: %w", err)
		}
	}
	return nil
}

// writing says if somebody writes files of the build in dir: whoever does holds
// the lock of its record or of an image.
func writing(dir string) bool {
	locks, err := filepath.Glob(filepath.Join(escapeGlob(dir), ".*.lock"))
	return err != nil || slices.ContainsFunc(locks, func(name string) bool {
		held, err := lock.Probe(name, lock.Exclusive, 0)
		return held || err != nil
	})
}

// isLeftover says if an entry of builds/ is a temporary file of renameio for the
// index or the link, or one of ours.
func isLeftover(name string) bool {
	return hasNumber(name, ".builds.json") || hasNumber(name, "."+latestLink) ||
		strings.HasPrefix(name, gonePrefix) || strings.HasPrefix(name, ".") && strings.HasSuffix(name, newSuffix)
}

// hasNumber says if name is prefix and a number.
func hasNumber(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}
