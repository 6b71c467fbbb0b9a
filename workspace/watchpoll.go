package workspace

import (
	"encoding/binary"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// pollAll looks at the directories whose changes are not told.
func (w *watcher) pollAll() {
	if !w.polls() {
		return
	}
	var changed []string
	for at, d := range w.dirs {
		if !d.polled || d.kind == dirAbove { // checkRoots looks at these
			continue
		}
		entries, err := os.ReadDir(at)
		if d.kind == dirGit {
			entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !isGitState(e.Name()) })
			mark := markOf(entries)
			w.git, d.mark = w.git || mark != d.mark, mark
			continue
		}
		if err != nil || markOf(entries) != d.mark {
			changed = append(changed, at)
		}
	}
	for _, at := range changed {
		d := w.dirs[at]
		if d == nil { // went with the one above it
			continue
		}
		w.note(d.shown)
		if _, err := os.Stat(at); err != nil {
			w.drop(at)
			continue
		}
		w.dropGone(at)
		w.addTree(at, d.shown, nil)
	}
}

// polls says if there is anything whose changes are not told.
func (w *watcher) polls() bool { return w.notify.add == nil || w.over || w.state.Polled > 0 }

// dropGone forgets the directories in one that are not there any more.
func (w *watcher) dropGone(dir string) {
	for at := range w.dirs {
		if filepath.Dir(at) != dir {
			continue
		}
		if info, err := os.Lstat(at); err != nil || !info.IsDir() {
			w.drop(at)
		}
	}
}

// markOf is a number that changes with what os.ReadDir has found: names, inodes,
// sizes, modes, times.
func markOf(entries []fs.DirEntry) uint64 {
	h := fnv.New64a()
	var b [8]byte
	number := func(n uint64) {
		binary.LittleEndian.PutUint64(b[:], n)
		_, _ = h.Write(b[:])
	}
	for _, e := range entries {
		_, _ = h.Write([]byte(e.Name()))
		info, err := e.Info()
		if err != nil {
			continue
		}
		number(uint64(info.Mode()))
		if info.IsDir() {
			continue // its own entries tell
		}
		number(uint64(info.Size()))
		number(uint64(info.ModTime().UnixNano()))
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			number(sys.Ino)
		}
	}
	return h.Sum64()
}

// Remote says if a path is on a file system on which changes may be made by others, who do not
// tell them here (statfs(2); linux/magic.h): a watch on it does not see all.
func Remote(path string) bool {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil {
		return false
	}
	switch uint32(s.Type) {
	case unix.NFS_SUPER_MAGIC, unix.V9FS_MAGIC, unix.FUSE_SUPER_MAGIC, // virtiofs is FUSE
		unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
		unix.CODA_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC,
		0x00c36400, // Ceph
		0x786f4256: // VirtualBox's shared folders
		return true
	}
	return false
}

// watchLimit is how many watches a user may have; 0 is not known.
func watchLimit() int {
	data, err := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return n
}
