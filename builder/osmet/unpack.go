package osmet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Holer is a writer that need not be given zeros to write them.
type Holer interface {
	// Hole writes n zeros.
	Hole(n int64) error
}

// Unpack writes the image that is in the file in, with the tree that it was
// packed with, to out: from its beginning to its end, holes through Hole where
// out is a Holer. Only when it returns without an error was out given the image.
//
// Each run of blocks out of the tree has a checksum, data and plan have zstd's:
// hashing the whole besides takes longer than all else where a machine is emulated.
// A file that is damaged gives ErrFormat, one of the tree that is not as it was
// a *TreeError.
func Unpack(ctx context.Context, in io.ReaderAt, tree string, out io.Writer) (Header, error) {
	h, err := ReadHeader(io.NewSectionReader(in, 0, headerSize))
	if err != nil {
		return h, err
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		return h, fmt.Errorf("opening the tree: %w", err)
	}
	defer func() { _ = root.Close() }()
	dataZ, err := newDecoder(in, headerSize, h.DataSize)
	if err != nil {
		return h, err
	}
	defer dataZ.Close()
	planZ, err := newDecoder(in, headerSize+h.DataSize, h.PlanSize)
	if err != nil {
		return h, err
	}
	defer planZ.Close()
	u := unpacker{
		tree: root, plan: &planReader{in: bufio.NewReader(planZ)}, data: dataZ,
		out: newTarget(out), left: h.Size, buf: make([]byte, chunk),
	}
	defer u.closeFile()
	return h, u.image(ctx)
}

// TreeError is a file of the tree that is not what it was when the image was
// packed.
type TreeError struct {
	Path string // from the tree's root
	Err  error
}

// Error implements error.
func (e *TreeError) Error() string {
	return fmt.Sprintf("the tree is not the one that the image was packed with: %s: %v", e.Path, e.Err)
}

// Unwrap gives the cause.
func (e *TreeError) Unwrap() error { return e.Err }

func newDecoder(in io.ReaderAt, at, size int64) (*zstd.Decoder, error) {
	return zstd.NewReader(io.NewSectionReader(in, at, size),
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
}

// target is where an image goes.
type target struct {
	io.Writer
	holer Holer // nil: the writer gets the zeros
	zeros []byte
}

func newTarget(out io.Writer) *target {
	t := &target{Writer: out, zeros: make([]byte, chunk)}
	t.holer, _ = out.(Holer)
	return t
}

func (t *target) hole(ctx context.Context, n int64) error {
	if t.holer != nil {
		return t.holer.Hole(n)
	}
	for n > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		z := t.zeros[:min(n, int64(len(t.zeros)))]
		if _, err := t.Write(z); err != nil {
			return err
		}
		n -= int64(len(z))
	}
	return nil
}

// unpacker follows a plan.
type unpacker struct {
	tree *os.Root
	plan *planReader
	data io.Reader
	out  *target
	left int64 // bytes of the image to come
	buf  []byte

	open *os.File // the last file of the tree
	path string
}

func (u *unpacker) image(ctx context.Context) error {
	for u.left > 0 {
		r, err := u.plan.read(blocksOf(u.left))
		if err != nil {
			return damaged("plan", err)
		}
		if err := u.run(ctx, r); err != nil {
			return err
		}
	}
	// What comes after is no part of the image, and shows damage at the end.
	if _, err := u.plan.read(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the plan goes on behind the image", ErrFormat)
	}
	if n, err := u.data.Read(u.buf[:1]); n > 0 || !errors.Is(err, io.EOF) {
		return damaged("data", errors.Join(err, errors.New("it goes on behind the image")))
	}
	return nil
}

// damaged is an error of reading a part.
func damaged(part string, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrFormat, part, err)
}

// run writes the blocks of one run; the image's last may be short.
func (u *unpacker) run(ctx context.Context, r run) error {
	size := min(r.blocks*blockSize, u.left)
	u.left -= size
	if r.kind == hole {
		return u.out.hole(ctx, size)
	}
	var crc uint32
	for at, end := int64(0), r.blocks*blockSize; at < end; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := u.buf[:min(end-at, int64(len(u.buf)))]
		if err := u.read(b, r, at); err != nil {
			return err
		}
		if r.kind == file {
			crc = crc32.Update(crc, crcTable(), b)
		}
		if _, err := u.out.Write(b[:min(int64(len(b)), size-at)]); err != nil {
			return err
		}
		at += int64(len(b))
	}
	if crc != r.crc {
		return &TreeError{Path: r.path, Err: errors.New("its content differs")}
	}
	return nil
}

// read fills b with what is at bytes into the run.
func (u *unpacker) read(b []byte, r run, at int64) error {
	if r.kind == data {
		if _, err := io.ReadFull(u.data, b); err != nil {
			return damaged("data", err)
		}
		return nil
	}
	if u.open == nil || u.path != r.path {
		if err := u.openFile(r.path); err != nil {
			return &TreeError{Path: r.path, Err: err}
		}
	}
	n, err := u.open.ReadAt(b, r.first*blockSize+at)
	if err != nil && !errors.Is(err, io.EOF) {
		return &TreeError{Path: r.path, Err: err}
	}
	clear(b[n:]) // zeros follow the end of a file; the checksum knows of them
	return nil
}

// openFile opens a regular file. A plan comes from outside: nothing is opened that
// could block or that is not in the tree.
func (u *unpacker) openFile(path string) error {
	u.closeFile()
	info, err := u.tree.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no regular file")
	}
	u.open, err = u.tree.Open(path)
	u.path = path
	return err
}

func (u *unpacker) closeFile() {
	if u.open != nil {
		_ = u.open.Close()
		u.open = nil
	}
}
