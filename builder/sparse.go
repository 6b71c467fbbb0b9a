package builder

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"
)

// sparseFile leaves holes where zeros are written. The file must be empty.
type sparseFile struct {
	file *os.File
	at   int64
	err  error // the first of writing
}

// sparseBlock is what a hole consists of: the block of most filesystems.
const sparseBlock = 4096

// Write implements io.Writer.
func (s *sparseFile) Write(p []byte) (int, error) {
	var zeros [sparseBlock]byte
	start := s.at // of what is to be written and is not yet
	flush := func(data []byte, end int64) error {
		if end == start {
			return nil
		}
		_, err := s.file.WriteAt(data[len(data)-int(end-start):], start)
		if s.err == nil {
			s.err = err
		}
		return err
	}
	for done := 0; done < len(p); {
		n := min(sparseBlock-int(s.at%sparseBlock), len(p)-done)
		if n == sparseBlock && bytes.Equal(p[done:done+n], zeros[:]) {
			if err := flush(p[:done], s.at); err != nil {
				return done, err
			}
			start = s.at + int64(n)
		}
		s.at += int64(n)
		done += n
	}
	return len(p), flush(p, s.at)
}

// finish gives the file its size.
func (s *sparseFile) finish() error { return s.file.Truncate(s.at) }

// eagerFile is a file whose content is on its way to the disk while more is
// written, so that the flush at the end finds little to do.
type eagerFile struct {
	file    *os.File
	at, out int64 // written; handed to the disk
}

// eagerStep is how much is handed to the disk at a time, in bytes.
const eagerStep = 8 << 20

// Write implements io.Writer.
func (e *eagerFile) Write(p []byte) (int, error) {
	n, err := e.file.Write(p)
	e.at += int64(n)
	if e.at-e.out >= eagerStep {
		// Where it is not possible the flush does all.
		_ = unix.SyncFileRange(int(e.file.Fd()), e.out, e.at-e.out, unix.SYNC_FILE_RANGE_WRITE)
		e.out = e.at
	}
	return n, err
}
