package osmet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/google/renameio/v2"
	"github.com/klauspost/compress/zstd"
)

// PackRequest says what to pack.
type PackRequest struct {
	Image       string // raw disk image
	Tree        *Tree
	Out         string // appears when it is complete and proven
	SectorSize  int    // 512 or 4096
	Description string
	Build       string
	// SHA256 is the image's as it is recorded, in hex: another image is an
	// ErrOther. Empty is any image.
	SHA256 string
	// Progress is told how much of the work is done, in bytes; nil is fine. It is
	// called from one goroutine at a time.
	Progress func(done, total int64)
}

// ErrOther is an image that is not the recorded one.
var ErrOther = errors.New("another image than the recorded one")

// Packed is what Pack wrote. Of the image's bytes each is in one of three places.
type Packed struct {
	Header
	Holes   int64 // zeros
	Matched int64 // in files of the tree
	Data    int64 // in the file, there compressed
}

// Pack writes the file and proves that Unpack gives the image back: each block
// that is said to be in the tree was compared with it, and what was written,
// read again, says what was compared. The same image, tree and description give
// the same bytes.
func Pack(ctx context.Context, req PackRequest) (Packed, error) {
	p, err := pack(ctx, req)
	if err != nil {
		return p, fmt.Errorf("packing %s: %w", req.Image, err)
	}
	return p, nil
}

func pack(ctx context.Context, req PackRequest) (p Packed, err error) {
	in, err := os.Open(req.Image)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return p, err
	}
	p.Header = Header{SectorSize: req.SectorSize, Size: info.Size(), Description: req.Description, Build: req.Build}
	if err := p.check(); err != nil {
		return p, err
	}
	if _, err := p.encode(); err != nil {
		return p, err
	}
	out, err := renameio.NewPendingFile(req.Out, renameio.WithPermissions(0o644))
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, out.Cleanup()) }()
	w := &packer{
		tree: req.Tree, files: comparer{tree: req.Tree}, packed: p, wrote: newLedger(),
		done: progress{report: req.Progress, total: p.Size},
	}
	defer w.files.close()
	if err := w.write(ctx, in, out.File); err != nil {
		return p, err
	}
	if req.SHA256 != "" && w.packed.SHA256 != req.SHA256 {
		return p, fmt.Errorf("%w: its checksum is %s, recorded is %s", ErrOther, w.packed.SHA256, req.SHA256)
	}
	if err := w.prove(ctx, out.File); err != nil {
		return p, fmt.Errorf("proving what was packed: %w", err)
	}
	return w.packed, out.CloseAtomicallyReplace()
}

// progress counts what is done.
type progress struct {
	report      func(done, total int64)
	done, total int64
}

func (p *progress) add(n int64) {
	p.done += n
	if p.report != nil {
		p.report(p.done, p.total)
	}
}

// packer makes the parts of a file.
type packer struct {
	tree   *Tree
	files  comparer
	packed Packed
	done   progress

	plan  *planWriter
	data  io.Writer
	wrote *ledger
	now   run    // not written yet
	last  uint32 // position of its last block, where it is of kind file
}

// write writes the whole file. The compressed plan is a few bytes for each run
// and waits in memory until the data is written.
func (w *packer) write(ctx context.Context, in, out *os.File) error {
	if _, err := out.Seek(headerSize, io.SeekStart); err != nil {
		return err
	}
	var plan bytes.Buffer
	planZ, err := newEncoder(&plan)
	if err != nil {
		return err
	}
	dataZ, err := newEncoder(out)
	if err != nil {
		return err
	}
	w.plan, w.data = &planWriter{out: planZ}, io.MultiWriter(dataZ, w.wrote.data)
	if err := errors.Join(w.image(ctx, in), dataZ.Close(), planZ.Close()); err != nil {
		return err
	}
	end, err := out.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	w.packed.DataSize, w.packed.PlanSize = end-headerSize, int64(plan.Len())
	head, err := w.packed.encode()
	if err != nil {
		return err
	}
	_, err = out.Write(plan.Bytes())
	if err != nil {
		return err
	}
	_, err = out.WriteAt(head, 0)
	return err
}

// window bounds what packing and unpacking remember, in bytes.
const window = 8 << 20

func newEncoder(out io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
}

// chunk is how much of an image is read at a time, in bytes.
const chunk = 64 * blockSize

// image reads the image and encodes its blocks. Its checksum is another
// processor's work.
func (w *packer) image(ctx context.Context, in *os.File) error {
	sum := newSummer()
	err := w.extents(ctx, in, sum)
	w.packed.SHA256 = sum.end()
	return errors.Join(err, w.flush())
}

func (w *packer) extents(ctx context.Context, in *os.File, sum *summer) error {
	for at := int64(0); at < w.packed.Size; {
		e, err := nextExtent(in, at, w.packed.Size)
		if err != nil {
			return err
		}
		for at < e.end {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n := min(e.end-at, chunk)
			if e.hole {
				sum.zeros(n)
				w.packed.Holes += blocksOf(n) * blockSize
				err = w.extend(hole, blocksOf(n))
			} else {
				err = w.chunk(in, sum, extent{begin: at, end: at + n})
			}
			if err != nil {
				return err
			}
			at += n
			w.done.add(n)
		}
	}
	return nil
}

// chunk reads and encodes a part of the image.
func (w *packer) chunk(in *os.File, sum *summer, e extent) error {
	buf := sum.buffer()
	n := e.end - e.begin
	part := buf[:blocksOf(n)*blockSize]
	if _, err := in.ReadAt(part[:n], e.begin); err != nil {
		return fmt.Errorf("reading the image: %w", err)
	}
	clear(part[n:])
	for at := 0; at < len(part); at += blockSize {
		if err := w.block(part[at : at+blockSize]); err != nil {
			return err
		}
	}
	sum.take(part[:n])
	return nil
}

// block encodes one block: it continues the run or begins another.
func (w *packer) block(b []byte) error {
	d := digestOf(b)
	if d == 0 {
		w.packed.Holes += blockSize
		return w.extend(hole, 1)
	}
	if w.now.kind == file && w.tree.after(w.last, d) {
		if same, err := w.files.same(w.last+1, b); err != nil {
			return err
		} else if same {
			w.last++
			return w.match(b)
		}
	}
	at, ok := w.tree.where[d]
	if ok {
		var err error
		if ok, err = w.files.same(at, b); err != nil {
			return err
		}
	}
	if !ok {
		w.packed.Data += blockSize
		if _, err := w.data.Write(b); err != nil {
			return err
		}
		return w.extend(data, 1)
	}
	if err := w.flush(); err != nil {
		return err
	}
	f := w.tree.files[w.tree.fileOf(at)]
	w.now = run{kind: file, path: f.path, first: int64(at) - int64(f.first)}
	w.last = at
	return w.match(b)
}

func (w *packer) match(b []byte) error {
	w.packed.Matched += blockSize
	w.now.blocks++
	w.now.crc = crc32.Update(w.now.crc, crcTable(), b)
	return nil
}

func (w *packer) extend(k kind, blocks int64) error {
	if w.now.kind != k {
		if err := w.flush(); err != nil {
			return err
		}
		w.now = run{kind: k}
	}
	w.now.blocks += blocks
	return nil
}

func (w *packer) flush() error {
	if w.now.blocks == 0 {
		return nil
	}
	w.wrote.run(w.now)
	err := w.plan.write(w.now)
	w.now = run{}
	return err
}
