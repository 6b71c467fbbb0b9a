// Package lock is open-file-description locks on single bytes of a file: they
// belong to the open file, are inherited by a child that gets its descriptor,
// and are gone when the last copy of that is closed.
//
// It is no lock of threads, and it never takes the existence of a file for a
// lock. The file itself stays: removing a lock file that others have open
// splits them.
package lock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/share"
)

// ErrHeld is what Try gives when another open file holds a lock in the way.
var ErrHeld = errors.New("lock is held")

// ErrReplaced is a lock file that was removed or replaced while this File holds
// a lock on another byte of the old one.
var ErrReplaced = errors.New("lock file was replaced")

// Kind says with whom a lock can be shared.
type Kind int16

// Shared locks exclude Exclusive ones only; Exclusive locks exclude all.
const (
	Shared    Kind = unix.F_RDLCK
	Exclusive Kind = unix.F_WRLCK
)

// The wait between two attempts of Lock grows from firstWait to maxWait: the
// kernel's own waiting call (F_OFD_SETLKW) cannot be cancelled by a context.
const (
	firstWait = 5 * time.Millisecond
	maxWait   = 200 * time.Millisecond
)

// maxHolder bounds the text that SetHolder keeps, in bytes.
const maxHolder = 512

// replaceTries bounds how often a replaced lock file is opened anew.
const replaceTries = 10

// File is a lock file. It is not safe for concurrent use.
type File struct {
	path  string
	f     *os.File
	held  map[int64]Kind
	there bool // never made by this File
}

// Open opens the lock file path and makes it if needed (with the mode that its directory grants: package share).
// It takes no lock. The caller closes it.
func Open(path string) (*File, error) {
	f, err := open(path, os.O_CREATE)
	if err != nil {
		return nil, err
	}
	return &File{path: path, f: f, held: map[int64]Kind{}}, nil
}

// OpenThere opens a lock file that is there; one that is gone is fs.ErrNotExist, then and when a lock is taken. It
// is for those who remove the directory that the file is in: two of them do not make the file anew for each other.
// The caller closes it.
func OpenThere(path string) (*File, error) {
	f, err := open(path, 0)
	if err != nil {
		return nil, err
	}
	return &File{path: path, f: f, held: map[int64]Kind{}, there: true}, nil
}

// Inherited wraps a lock file that came open from the parent process, with the
// locks that the parent took: they are the child's too. The caller closes it.
func Inherited(f *os.File, path string) *File {
	return &File{path: path, f: f, held: map[int64]Kind{}}
}

// Probe says if anyone holds a lock on the byte of the file path that would
// stand in the way of one of the given kind. A file that is not there is not
// locked. It neither makes the file nor takes the lock for a moment, so it
// cannot disturb one who is just taking it.
func Probe(path string, kind Kind, off int64) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for the lock: %w", err)
	}
	defer f.Close()
	return (&File{path: path, f: f}).Held(kind, off)
}

// Try takes the lock on one byte, or gives ErrHeld at once. A File that holds
// the byte already changes its kind.
func (l *File) Try(kind Kind, off int64) error {
	for range replaceTries {
		err := l.set(int16(kind), off)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return fmt.Errorf("locking %s: %w", l.path, ErrHeld)
		}
		if err != nil {
			return fmt.Errorf("locking %s: %w", l.path, err)
		}
		same, err := l.current()
		if err != nil {
			return err
		}
		if same {
			l.held[off] = kind
			return nil
		}
		if err := l.reopen(off); err != nil {
			return err
		}
	}
	return fmt.Errorf("locking %s: %w again and again", l.path, ErrReplaced)
}

// Lock takes the lock on one byte and waits for it until ctx is done; then it
// gives context.Cause joined with ErrHeld.
func (l *File) Lock(ctx context.Context, kind Kind, off int64) error {
	wait := firstWait
	for {
		err := l.Try(kind, off)
		if !errors.Is(err, ErrHeld) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(err, context.Cause(ctx))
		case <-timer.C:
		}
		wait = min(2*wait, maxWait)
	}
}

// Await waits until no other open file holds a lock on the byte of the file path that would stand in the way of one of
// the given kind. It waits in the kernel (F_OFD_SETLKW), which nothing can end: it is for who watches another process
// until its own end, and who sees that one's in the moment in which it ends, however it does.
func Await(path string, kind Kind, off int64) error {
	f, err := open(path, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lk := unix.Flock_t{Type: int16(kind), Whence: io.SeekStart, Start: off, Len: 1}
	if err := fcntl(f, unix.F_OFD_SETLKW, &lk); err != nil {
		return fmt.Errorf("waiting for the lock on %s: %w", path, err)
	}
	return nil
}

// Unlock gives up the lock on one byte, for every process that shares the open file.
func (l *File) Unlock(off int64) error {
	if err := l.set(unix.F_UNLCK, off); err != nil {
		return fmt.Errorf("unlocking %s: %w", l.path, err)
	}
	delete(l.held, off)
	return nil
}

// Held says if another open file holds a lock on the byte that would stand in
// the way of one of the given kind; a lock of this File does not count. It only
// asks (F_OFD_GETLK).
func (l *File) Held(kind Kind, off int64) (bool, error) {
	lk := unix.Flock_t{Type: int16(kind), Whence: io.SeekStart, Start: off, Len: 1}
	if err := fcntl(l.f, unix.F_OFD_GETLK, &lk); err != nil {
		return false, fmt.Errorf("asking for the lock on %s: %w", l.path, err)
	}
	return lk.Type != unix.F_UNLCK, nil
}

// SetHolder keeps a text in the file that says who holds the lock, for those
// who wait. It is for people only, cut at 512 bytes; the lock is what counts.
func (l *File) SetHolder(text string) error {
	text = strings.ToValidUTF8(text[:min(len(text), maxHolder)], "")
	if err := l.f.Truncate(0); err != nil {
		return fmt.Errorf("naming the holder of %s: %w", l.path, err)
	}
	if _, err := l.f.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("naming the holder of %s: %w", l.path, err)
	}
	return nil
}

// Holder gives the text of the last SetHolder, of any process; it may be out of
// date or empty.
func (l *File) Holder() string {
	buf := make([]byte, maxHolder)
	n, _ := l.f.ReadAt(buf, 0)
	return strings.ToValidUTF8(string(buf[:n]), "")
}

// File gives the open file, to be inherited by a child process which then holds
// the same locks.
func (l *File) File() *os.File { return l.f }

// Path gives the path of the lock file.
func (l *File) Path() string { return l.path }

// Close closes the file. Its locks end unless a child has the open file too.
func (l *File) Close() error { return l.f.Close() }

func (l *File) set(kind int16, off int64) error {
	lk := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: off, Len: 1}
	return fcntl(l.f, unix.F_OFD_SETLK, &lk)
}

// current says if the open file is still the one that the path names.
func (l *File) current() (bool, error) {
	mine, err := l.f.Stat()
	if err != nil {
		return false, fmt.Errorf("locking %s: %w", l.path, err)
	}
	named, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("locking %s: %w", l.path, err)
	}
	return os.SameFile(mine, named), nil
}

// reopen follows a path whose file was replaced while off was being locked.
func (l *File) reopen(off int64) error {
	delete(l.held, off)
	if len(l.held) > 0 {
		return errors.Join(fmt.Errorf("locking %s: %w", l.path, ErrReplaced), l.set(unix.F_UNLCK, off))
	}
	flag := os.O_CREATE
	if l.there {
		flag = 0
	}
	f, err := open(l.path, flag)
	if err != nil {
		return err
	}
	old := l.f
	l.f = f
	clear(l.held)
	return old.Close()
}

func open(path string, flag int) (*os.File, error) {
	f, err := share.Open(path, os.O_RDWR|flag)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	return f, nil
}

func fcntl(f *os.File, cmd int, lk *unix.Flock_t) error {
	for {
		err := unix.FcntlFlock(f.Fd(), cmd, lk)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
