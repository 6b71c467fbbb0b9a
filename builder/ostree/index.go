package ostree

import (
	"bufio"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// Index remembers the content objects that files of a directory became, by their path below it,
// so that what has not changed is not read again. As git's index it goes by the inode's change
// time, which nobody can set: it changes with content, owner, mode and attributes. On overlayfs an
// untouched file has the change time of the lower one.
type Index struct {
	Taken time.Time // before the directory was read
	Files map[string]Known
}

// Known is a file that was read.
type Known struct {
	Changed  int64 // st_ctim in nanoseconds
	Size     int64
	Mode     uint32
	UID, GID uint32
	Sum      string // of the content object
}

// racy is how long before the index was taken a file's last change must lie: what changes twice
// within one tick of the kernel's clock has the same change time (10 ms at HZ=100).
const racy = 20 * time.Millisecond

// lookup gives the object of a file whose inode is as it was.
func (x Index) lookup(path string, st *syscall.Stat_t) (string, bool) {
	k, ok := x.Files[path]
	if !ok || k.Changed != st.Ctim.Nano() || k.Size != st.Size || k.Mode != st.Mode || k.UID != st.Uid || k.GID != st.Gid {
		return "", false
	}
	return k.Sum, k.Changed < x.Taken.Add(-racy).UnixNano()
}

// note records a file.
func (x Index) note(path string, st *syscall.Stat_t, sum string) {
	x.Files[path] = Known{Changed: st.Ctim.Nano(), Size: st.Size, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Sum: sum}
}

// Save writes the index to a file, at once.
func (x Index) Save(name string) error {
	f, err := renameio.NewPendingFile(name)
	if err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	defer func() { _ = f.Cleanup() }()
	w := bufio.NewWriter(f)
	if err := errors.Join(gob.NewEncoder(w).Encode(x), w.Flush()); err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	return nil
}

// ReadIndex reads an index. One that is not there or cannot be read is empty: it only costs time.
func ReadIndex(name string) Index {
	f, err := os.Open(name)
	if err != nil {
		return Index{}
	}
	defer f.Close()
	var x Index
	if err := gob.NewDecoder(bufio.NewReader(f)).Decode(&x); err != nil {
		return Index{}
	}
	return x
}

// statOf gives the kernel's own record of a file.
func statOf(info fs.FileInfo) (*syscall.Stat_t, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New("no stat of this system")
	}
	return st, nil
}

// Sum gives a checksum of a regular file, owner, mode and attributes included: that of its content
// object. It reads the file only where the index does not know it.
func (x Index) Sum(dir, path string) (string, error) {
	name := filepath.Join(dir, path)
	info, err := os.Lstat(name)
	if err != nil {
		return "", fmt.Errorf("checksumming: %w", err)
	}
	st, err := statOf(info)
	if err != nil {
		return "", fmt.Errorf("checksumming %s: %w", name, err)
	}
	if sum, ok := x.lookup(path, st); ok {
		return sum, nil
	}
	o := owner{UID: st.Uid, GID: st.Gid, Mode: st.Mode}
	if o.Xattrs, err = readXattrs(name); err != nil {
		return "", fmt.Errorf("checksumming %s: %w", name, err)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("checksumming: %w", err)
	}
	defer f.Close()
	h := o.contentHash("")
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("checksumming %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
