package live

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// streamPipe is how much a pipe should hold, in bytes: what an unprivileged user may ask for (Linux,
	// fs/pipe.c). With less, writer and reader wake each other for each of the pages.
	streamPipe = 1 << 20
	// spliceLeast is from which size on, in bytes, content goes without a copy: for less a copy costs no more.
	spliceLeast = 32 << 10
)

// fileStream writes to a pipe, large files by reference to the kernel's pages of them.
type fileStream struct {
	*bufio.Writer
	pipe *os.File
	buf  []byte
}

func newFileStream(pipe *os.File) *fileStream {
	enlarge(pipe)
	return &fileStream{Writer: bufio.NewWriterSize(pipe, 64<<10), pipe: pipe, buf: make([]byte, 64<<10)}
}

// enlarge asks for a larger pipe. It works without.
func enlarge(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, streamPipe) })
	}
}

// send writes the first size bytes of a file, which must have them. They must not change until the
// pipe was read.
func (s *fileStream) send(f *os.File, size int64) error {
	if size < spliceLeast {
		return s.copy(f, size)
	}
	if err := s.Flush(); err != nil {
		return err
	}
	for size > 0 {
		n, err := s.splice(f, size)
		switch {
		case errors.Is(err, unix.EINVAL): // a filesystem that cannot
			return s.copy(f, size)
		case err != nil:
			return fmt.Errorf("reading %s: %w", f.Name(), err)
		case n == 0:
			return fmt.Errorf("reading %s: %w", f.Name(), io.ErrUnexpectedEOF)
		}
		size -= n
	}
	return nil
}

// copy writes by way of memory what comes next in the file.
func (s *fileStream) copy(f *os.File, size int64) error {
	n, err := io.CopyBuffer(struct{ io.Writer }{s.Writer}, io.LimitReader(f, size), s.buf)
	if err == nil && n < size {
		err = fmt.Errorf("reading %s: %w", f.Name(), io.ErrUnexpectedEOF)
	}
	return err
}

// splice moves up to size bytes.
func (s *fileStream) splice(f *os.File, size int64) (n int64, err error) {
	raw, err := s.pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	waitErr := raw.Write(func(fd uintptr) bool {
		for {
			n, err = unix.Splice(int(f.Fd()), nil, int(fd), nil, int(min(size, streamPipe)), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
			if !errors.Is(err, unix.EINTR) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	return n, errors.Join(err, waitErr)
}
