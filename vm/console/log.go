package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/nestos/nosa/workspace/share"
)

const (
	// DefaultLogHead is how many bytes of the beginning a Log keeps: every boot
	// that ends in a prompt, many times over.
	DefaultLogHead = 16 << 20
	// DefaultLogTail is how many bytes of the end a Log keeps.
	DefaultLogTail = 48 << 20

	tailSuffix  = ".tail"
	olderSuffix = ".tail.1"
)

// LogOptions bounds a Log. The zero value is 64 MiB in all.
type LogOptions struct {
	Head int64 // bytes; 0 is DefaultLogHead
	Tail int64 // bytes, half of them in each of two files; 0 is DefaultLogTail
}

// Log is a machine's console on disk, bounded: the file itself has the first
// part, the boot; what comes later goes to FILE.tail, which becomes
// FILE.tail.1 when it is full. Lines of our own, "[nosa: …]", say where it goes
// on and how much was left out. A disk that is full or fails loses output and
// is tried again; nobody else notices. It is safe for concurrent use.
type Log struct {
	path string
	opts LogOptions

	mu    sync.Mutex
	file  *os.File // nil after Close
	tail  bool     // file is FILE.tail
	moved bool     // and has got the name FILE.tail.1 already
	room  int64    // bytes that fit into file
	gone  int64    // bytes of rotated files that are no more
	older int64    // bytes in FILE.tail.1
	size  int64    // bytes of the guest in file
	lost  int64    // bytes that could not be written since the last success
	total int64    // the same since the beginning
	err   error    // why
}

// OpenLog makes an empty log at path, in place of what was there.
func OpenLog(path string, opts LogOptions) (*Log, error) {
	if opts.Head <= 0 {
		opts.Head = DefaultLogHead
	}
	if opts.Tail <= 0 {
		opts.Tail = DefaultLogTail
	}
	for _, old := range []string{path + tailSuffix, path + olderSuffix} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	l := &Log{path: path, opts: opts, room: opts.Head}
	var err error
	l.file, err = create(path)
	return l, err
}

func create(path string) (*os.File, error) {
	return share.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND)
}

// Write adds p. It never fails: what cannot be written is counted and noted.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0 && l.file != nil; {
		if l.room <= 0 {
			if err := l.next(); err != nil {
				l.drop(int64(len(rest)), err)
				break
			}
		}
		n := min(int64(len(rest)), l.room)
		l.put(rest[:n])
		rest = rest[n:]
	}
	return len(p), nil
}

// put writes p, which fits, to the file.
func (l *Log) put(p []byte) {
	if l.lost > 0 {
		if !l.note("%d bytes are missing here: %v", l.lost, l.err) {
			l.drop(int64(len(p)), l.err)
			return
		}
		l.lost = 0
	}
	n, err := l.file.Write(p)
	l.room -= int64(n)
	l.size += int64(n)
	if err != nil {
		l.drop(int64(len(p)-n), err)
	}
}

func (l *Log) drop(n int64, err error) {
	l.lost += n
	l.total += n
	l.err = cause(err)
}

// cause is an error without the path, which the log's reader knows.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// note writes a line of our own; it counts for no limit.
func (l *Log) note(format string, args ...any) bool {
	_, err := fmt.Fprintf(l.file, "\n[nosa: "+format+"]\n", args...)
	return err == nil
}

// next goes on in a new file.
func (l *Log) next() error {
	tail, older := l.path+tailSuffix, l.path+olderSuffix
	if l.tail && !l.moved {
		if err := os.Rename(tail, older); err != nil {
			return err
		}
		l.gone += l.older
		l.older, l.moved = l.size, true
	}
	file, err := create(tail)
	if err != nil {
		return err
	}
	if !l.tail {
		l.note("it goes on in %s and, before that, in %s: the last %d bytes at most", filepath.Base(tail), filepath.Base(older), l.opts.Tail)
	}
	l.file.Close()
	l.file, l.tail, l.moved = file, true, false
	l.size, l.room = 0, max(l.opts.Tail/2, 1)
	if l.gone > 0 {
		l.note("%d bytes between %s and %s were left out", l.gone, filepath.Base(l.path), filepath.Base(older))
	}
	return nil
}

// errSlow is a disk that is slower than the guest.
var errSlow = errors.New("the disk was too slow")

// Follow writes what is in r, from its first byte, until r is closed and read or
// ctx is done, whose cause it gives. A slow disk then loses output, and the one
// who writes to r does not wait for it.
func (l *Log) Follow(ctx context.Context, r *Ring) error {
	buf := make([]byte, 64<<10)
	for off := int64(0); ; {
		n, skipped, err := r.ReadInto(ctx, buf, off)
		if skipped > 0 {
			l.mu.Lock()
			l.drop(skipped, errSlow)
			l.mu.Unlock()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, _ = l.Write(buf[:n])
		off += skipped + int64(n)
	}
}

// Lost is how many bytes could not be written, and why at last; what the bounds
// leave out is not among them.
func (l *Log) Lost() (bytes int64, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total, l.err
}

// Close ends the log; later writes are ignored.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	if l.lost > 0 {
		l.note("%d bytes are missing here: %v", l.lost, l.err)
	}
	err := l.file.Close()
	l.file = nil
	return err
}
