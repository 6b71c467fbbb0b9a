package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace/event"
)

const (
	// edge is what is held back at either end of an image, in bytes. The first has
	// boot sector and partition table, the last its copy.
	edge = 1 << 20
	// align is where zeros can be written without being sent: the largest sector.
	align = 4096
	// leastHole is the least number of zeros that is not sent.
	leastHole = 64 << 10
	// section bounds what one checksum is over, in bytes.
	section = 4 << 20
)

// target is a disk that is being written, from the beginning of the image to its
// end. It remembers what it wrote.
type target struct {
	disk     *device
	size     int64 // of the image
	progress func(done int64)

	at         int64
	head, tail []byte
	sections   []written
}

// written is a piece of the disk and what is there.
type written struct {
	at, size int64
	crc      uint32
	hole     bool
}

func newTarget(d *device, size int64) *target {
	return &target{disk: d, size: size, head: make([]byte, edge), tail: make([]byte, edge)}
}

func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// begin makes sure that what was on the disk is not bootable any more.
func (t *target) begin() error {
	if t.size < 4*edge {
		return fmt.Errorf("an image of %s: that is none of a system", event.Bytes(t.size))
	}
	if t.disk.size == 0 {
		if err := t.disk.file.Truncate(t.size); err != nil {
			return err
		}
		t.disk.size = t.size
	}
	zeros := make([]byte, edge)
	for _, at := range []int64{0, t.size - edge, t.disk.size - edge} {
		if _, err := t.disk.file.WriteAt(zeros, at); err != nil {
			return err
		}
	}
	return t.disk.file.Sync()
}

// Write implements io.Writer.
func (t *target) Write(p []byte) (int, error) {
	if int64(len(p)) > t.size-t.at {
		return 0, fmt.Errorf("the image is longer than the %d bytes that it says", t.size)
	}
	for done := 0; done < len(p); {
		n := t.keep(p[done:])
		if n == 0 {
			n = int(min(int64(len(p)-done), t.size-edge-t.at))
			if _, err := t.disk.file.WriteAt(p[done:done+n], t.at); err != nil {
				return done, err
			}
			t.note(p[done : done+n])
		}
		done += n
		t.at += int64(n)
	}
	t.tell()
	return len(p), nil
}

// keep takes what belongs to the edges.
func (t *target) keep(p []byte) int {
	if t.at < edge {
		return copy(t.head[t.at:], p)
	}
	if end := t.size - edge; t.at >= end {
		return copy(t.tail[t.at-end:], p)
	}
	return 0
}

func (t *target) tell() {
	if t.progress != nil {
		t.progress(t.at)
	}
}

// note remembers what was written at t.at.
func (t *target) note(p []byte) {
	if n := len(t.sections); n > 0 {
		last := &t.sections[n-1]
		if !last.hole && last.at+last.size == t.at && last.size+int64(len(p)) <= section {
			last.size += int64(len(p))
			last.crc = crc32.Update(last.crc, crcTable(), p)
			return
		}
	}
	t.sections = append(t.sections, written{at: t.at, size: int64(len(p)), crc: crc32.Checksum(p, crcTable())})
}

// Hole writes n zeros, without sending them where the disk can do that.
func (t *target) Hole(n int64) error {
	end := t.at + n
	if end > t.size {
		return fmt.Errorf("the image is longer than the %d bytes that it says", t.size)
	}
	from := (max(t.at, edge) + align - 1) &^ (align - 1)
	to := min(end, t.size-edge) &^ (align - 1)
	if to-from < leastHole {
		return t.zeros(n)
	}
	if err := t.zeros(from - t.at); err != nil {
		return err
	}
	if err := t.clear(from, to-from); err != nil {
		return err
	}
	return t.zeros(end - t.at)
}

// zeros sends zeros.
func (t *target) zeros(n int64) error {
	buf := make([]byte, min(n, edge))
	for n > 0 {
		done, err := t.Write(buf[:min(n, int64(len(buf)))])
		if err != nil {
			return err
		}
		n -= int64(done)
	}
	return nil
}

// clear makes zeros of a range of the disk, in the first way that it knows.
func (t *target) clear(at, n int64) error {
	for _, mode := range []uint32{unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE} {
		err := unix.Fallocate(int(t.disk.file.Fd()), mode|unix.FALLOC_FL_KEEP_SIZE, at, n)
		if err == nil {
			t.sections = append(t.sections, written{at: at, size: n, hole: true})
			t.at = at + n
			t.tell()
			return nil
		}
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("clearing %d bytes at %d: %w", n, at, err)
		}
	}
	return t.zeros(n)
}

// finish says that the whole image came, and sends it to the disk.
func (t *target) finish() error {
	if t.at != t.size {
		return fmt.Errorf("the image ends after %d bytes, it says %d", t.at, t.size)
	}
	_, err := disk.ReadGPT(t, event.Bytes(t.size), event.Bytes(t.disk.sector))
	if err != nil {
		return fmt.Errorf("the image's partition table: %w", err)
	}
	return t.sync()
}

// sync writes everything to the disk and forgets it, so that reading reads the disk.
func (t *target) sync() error {
	if err := t.disk.file.Sync(); err != nil {
		return err
	}
	_ = unix.Fadvise(int(t.disk.file.Fd()), 0, 0, unix.FADV_DONTNEED) // an advice
	return nil
}

// ErrDiffers is a disk that does not give back what was written.
var ErrDiffers = errors.New("what is read back is not what was written: the disk is defective")

// verify reads back everything but the edges.
func (t *target) verify(ctx context.Context) error {
	buf := make([]byte, edge)
	for _, s := range t.sections {
		crc := uint32(0)
		for at := s.at; at < s.at+s.size; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b := buf[:min(int64(len(buf)), s.at+s.size-at)]
			if _, err := t.disk.file.ReadAt(b, at); err != nil {
				return fmt.Errorf("reading back: %w", err)
			}
			if s.hole && !isZero(b) {
				return fmt.Errorf("%w (zeros at byte %d)", ErrDiffers, at)
			}
			if !s.hole {
				crc = crc32.Update(crc, crcTable(), b)
			}
			at += int64(len(b))
			if t.progress != nil {
				t.progress(at)
			}
		}
		if crc != s.crc {
			return fmt.Errorf("%w (%d bytes at %d)", ErrDiffers, s.size, s.at)
		}
	}
	return nil
}

func isZero(b []byte) bool { return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) }

// commit writes the edges, the first at last, and makes sure of them.
func (t *target) commit() error {
	for _, e := range []struct {
		data []byte
		at   int64
	}{{t.tail, t.size - edge}, {t.head, 0}} {
		if _, err := t.disk.file.WriteAt(e.data, e.at); err != nil {
			return fmt.Errorf("writing the partition table: %w", err)
		}
		if err := t.sync(); err != nil {
			return fmt.Errorf("writing the partition table: %w", err)
		}
		back := make([]byte, edge)
		if _, err := t.disk.file.ReadAt(back, e.at); err != nil {
			return fmt.Errorf("reading back the partition table: %w", err)
		}
		if !bytes.Equal(back, e.data) {
			return fmt.Errorf("%w (the partition table)", ErrDiffers)
		}
	}
	return nil
}

// ReadAt implements io.ReaderAt: the disk as it will be.
func (t *target) ReadAt(p []byte, at int64) (int, error) {
	done := 0
	for done < len(p) && at < t.size {
		var n int
		switch end := t.size - edge; {
		case at < edge:
			n = copy(p[done:], t.head[at:])
		case at >= end:
			n = copy(p[done:], t.tail[at-end:])
		default:
			var err error
			want := min(int64(len(p)-done), end-at)
			if n, err = t.disk.file.ReadAt(p[done:done+int(want)], at); err != nil {
				return done + n, err
			}
		}
		done += n
		at += int64(n)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// bootPartition finds it in the image's partition table.
func (t *target) bootPartition(sector int) (disk.Partition, error) {
	layout, err := disk.ReadGPT(t, event.Bytes(t.size), event.Bytes(sector))
	if err != nil {
		return disk.Partition{}, err
	}
	return layout.Partition(disk.Boot)
}
