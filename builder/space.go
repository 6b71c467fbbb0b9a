package builder

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// What a compose takes on disk while it runs: the tree, its objects in the
// cache, initramfs, archive. Measured on the sample: 2.1 times the packages'
// installed size.
const (
	composeNumerator, composeDenominator = 9, 4
	composeExtra                         = 200 * event.MiB
)

// checkSpace refuses before work begins what would not fit.
func checkSpace(dir string, needed event.Bytes) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	if free := event.Bytes(int64(st.Bavail) * int64(st.Bsize)); free < needed {
		return &compose.SpaceError{Dir: dir, Needed: needed, Free: free}
	}
	return nil
}

// composeSpace is what composing packages of that installed size takes.
func composeSpace(installed int64) event.Bytes {
	return event.Bytes(installed)*composeNumerator/composeDenominator + composeExtra
}

// rebuildSpace is what a build takes whose packages are installed already.
func rebuildSpace(installed int64) event.Bytes {
	return event.Bytes(installed)/2 + composeExtra
}

// imageSpace is what an image of the files takes while it is made: the raw
// disk, and the qcow2 beside it.
func imageSpace(files []int64, inodes int, copies int64) event.Bytes {
	var sum int64
	for _, f := range files {
		sum += f
	}
	return min(event.Bytes(sum)+event.Bytes(inodes)*4*event.KiB, disk.EstimateRoot(files, inodes)) * event.Bytes(copies)
}

// IsNoSpace says if an error is a full filesystem, whoever found it: the
// kernel, a check before the work, or a program in its own words.
func IsNoSpace(err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	if _, ok := errors.AsType[*compose.SpaceError](err); ok {
		return true
	}
	var text string
	if exit, ok := errors.AsType[*proc.ExitError](err); ok {
		text = strings.Join(exit.Output(), "\n")
	}
	if script, ok := errors.AsType[*compose.ScriptletError](err); ok {
		text = strings.Join(script.Lines, "\n")
	}
	if tx, ok := errors.AsType[*compose.TransactionError](err); ok {
		text = strings.Join(tx.Problems, "\n")
	}
	for _, words := range []string{
		"No space left on device",  // strerror(3)
		"min-free-space-percent",   // ostree
		"more space on the",        // rpm
		"Disk quota exceeded",      // strerror(3)
		"Could not allocate block", // mke2fs, debugfs
		"not enough free space",    // mtools
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
