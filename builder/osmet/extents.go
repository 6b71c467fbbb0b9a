package osmet

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// extent is a part of an image from begin to end, in bytes: on whole blocks, but
// for the image's end.
type extent struct {
	begin, end int64
	hole       bool // zeros that need not be read
}

// nextExtent gives the part of an image of that size that begins at byte at. A
// filesystem that knows of no holes says that all is data.
func nextExtent(f io.Seeker, at, size int64) (extent, error) {
	data, err := f.Seek(at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return extent{at, size, true}, nil
	case errors.Is(err, unix.EINVAL):
		return extent{at, size, false}, nil
	case err != nil:
		return extent{}, fmt.Errorf("looking for holes: %w", err)
	}
	if begin := data - data%blockSize; begin > at {
		return extent{at, min(begin, size), true}, nil
	}
	hole, err := f.Seek(data, unix.SEEK_HOLE) // at itself may be in a hole, of smaller blocks
	if err != nil {
		return extent{}, fmt.Errorf("looking for holes: %w", err)
	}
	return extent{at, min(blocksOf(hole)*blockSize, size), false}, nil
}
