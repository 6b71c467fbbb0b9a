package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
	"golang.org/x/sync/errgroup"

	"github.com/nestos/nosa/workspace/proc"
)

// Compressor is a format of compressed artifacts.
type Compressor string

// The compressors. Gzip is what every reader of builds knows; the original tool
// reads XZ too, and Zstd only in its newer versions.
const (
	Gzip Compressor = "gzip"
	XZ   Compressor = "xz"
	Zstd Compressor = "zstd"
)

// Compressors is all of them.
func Compressors() []Compressor { return []Compressor{Gzip, XZ, Zstd} }

// suffix is what a compressed file has at the end of its name.
func (c Compressor) suffix() string {
	switch c {
	case XZ:
		return ".xz"
	case Zstd:
		return ".zst"
	}
	return ".gz"
}

// Levels gives the lowest, the default and the highest level. The defaults of
// gzip and xz are the original tool's.
func (c Compressor) Levels() (lowest, usual, highest int) {
	switch c {
	case XZ:
		return 1, 9, 9
	case Zstd:
		return 1, 3, 19
	}
	return 1, 6, 9
}

// compressorOf tells by its name how a file is compressed; empty is not at all.
func compressorOf(name string) Compressor {
	for _, c := range Compressors() {
		if strings.HasSuffix(name, c.suffix()) {
			return c
		}
	}
	return ""
}

// fileDigest counts and hashes what is written to it.
type fileDigest struct {
	hash hash.Hash
	size int64
}

func newFileDigest() *fileDigest { return &fileDigest{hash: sha256.New()} }

// Write implements io.Writer.
func (d *fileDigest) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	return d.hash.Write(p)
}

func (d *fileDigest) sum() string { return hex.EncodeToString(d.hash.Sum(nil)) }

// packing is one compression: what goes in and comes out, and what both were.
type packing struct {
	in    io.Reader
	out   io.Writer
	level int
	plain *fileDigest
	done  *fileDigest
}

// errNotSame is a compressed file that does not give back what went in.
var errNotSame = errors.New("what was compressed does not come out again")

// pack compresses with all CPUs. What it writes is decompressed again at the
// same time and must be what was read.
func (c Compressor) pack(ctx context.Context, p *packing) error {
	p.plain, p.done = newFileDigest(), newFileDigest()
	in, out := io.TeeReader(p.in, p.plain), io.MultiWriter(p.out, p.done)
	if c == Zstd {
		return packFrames(ctx, in, out, p.level) // which compares every frame
	}
	again := newFileDigest()
	r, w := io.Pipe()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := c.unpack(ctx, r, again)
		return errors.Join(err, r.CloseWithError(err))
	})
	g.Go(func() error {
		err := c.encode(ctx, in, io.MultiWriter(out, w), p.level)
		return errors.Join(err, w.CloseWithError(err))
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("compressing by %s: %w", c, err)
	}
	if again.sum() != p.plain.sum() {
		return errNotSame
	}
	return nil
}

// encode compresses by gzip or xz.
func (c Compressor) encode(ctx context.Context, in io.Reader, out io.Writer, level int) error {
	if c == XZ {
		return throughXZ(ctx, xzArgs(level), in, out)
	}
	w, err := pgzip.NewWriterLevel(out, level)
	if err != nil {
		return err
	}
	if err := w.SetConcurrency(gzipBlock, runtime.GOMAXPROCS(0)); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, in, make([]byte, gzipBlock))
	return errors.Join(err, w.Close())
}

// gzipBlock is what one CPU compresses at a time, in bytes.
const gzipBlock = 1 << 20

// xzArgs is xz with all CPUs, as far as half of the memory allows: a thread
// takes more than a GiB at level 9, and versions before 5.4 have no limit.
func xzArgs(level int) []string {
	return []string{"xz", "-T0", "--memlimit-compress=50%", "-c", "-" + strconv.Itoa(level)}
}

// throughXZ runs xz. When out fails xz dies of that, which says less.
func throughXZ(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	keep := &errorKeeper{out: out}
	err := proc.Run(ctx, proc.Cmd{Args: args, Stdin: in, Stdout: keep})
	if keep.err != nil {
		return keep.err
	}
	return err
}

// errorKeeper remembers the first error of a writer.
type errorKeeper struct {
	out io.Writer
	err error
}

// Write implements io.Writer.
func (k *errorKeeper) Write(p []byte) (int, error) {
	n, err := k.out.Write(p)
	if k.err == nil {
		k.err = err
	}
	return n, err
}

// unpack decompresses.
func (c Compressor) unpack(ctx context.Context, in io.Reader, out io.Writer) error {
	switch c {
	case XZ:
		return throughXZ(ctx, []string{"xz", "-T0", "-dc"}, in, out)
	case Zstd:
		r, err := zstd.NewReader(in)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = r.WriteTo(out)
		return err
	}
	r, err := pgzip.NewReader(in)
	if err != nil {
		return err
	}
	_, err = r.WriteTo(out)
	return errors.Join(err, r.Close())
}

// frameSize is how much of the input a zstd frame holds, in bytes. A file of
// many frames is one that every reader of zstd knows (RFC 8878 §3.1), and each
// can be made by a CPU of its own; less than 8 MiB costs compression (measured).
const frameSize = 8 << 20

// frame is a piece of the input on its way.
type frame struct {
	plain, packed, again []byte
	err                  error
	done                 chan struct{}
}

// packFrames compresses to zstd, a frame a CPU.
func packFrames(ctx context.Context, in io.Reader, out io.Writer, level int) error {
	cpus := runtime.GOMAXPROCS(0)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithEncoderConcurrency(cpus), zstd.WithZeroFrames(true))
	if err != nil {
		return err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(cpus))
	if err != nil {
		return err
	}
	defer dec.Close()
	g, ctx := errgroup.WithContext(ctx)
	work, ordered := make(chan *frame), make(chan *frame, cpus)
	free := make(chan *frame, cpus+2)
	for range cap(free) {
		free <- &frame{plain: make([]byte, frameSize)}
	}
	for range cpus {
		g.Go(func() error {
			for f := range work {
				f.pack(enc, dec)
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(work)
		defer close(ordered)
		return readFrames(ctx, in, frameQueues{free: free, work: work, ordered: ordered})
	})
	g.Go(func() error {
		for f := range ordered {
			select {
			case <-f.done:
			case <-ctx.Done(): // it may never have got to a worker
				return context.Cause(ctx)
			}
			if f.err != nil {
				return f.err
			}
			if _, err := out.Write(f.packed); err != nil {
				return err
			}
			free <- f
		}
		return nil
	})
	return g.Wait()
}

// frameQueues are the ways of a frame: from free to work and, in the order of
// the input, to the writer.
type frameQueues struct{ free, work, ordered chan *frame }

// readFrames hands the input out. An empty one makes a frame too.
func readFrames(ctx context.Context, in io.Reader, q frameQueues) error {
	for first := true; ; first = false {
		var f *frame
		select {
		case f = <-q.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		n, err := io.ReadFull(in, f.plain[:frameSize])
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		}
		if n == 0 && !first {
			return nil
		}
		f.plain, f.done = f.plain[:n], make(chan struct{})
		for _, to := range []chan *frame{q.ordered, q.work} {
			select {
			case to <- f:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if end {
			return nil
		}
	}
}

func (f *frame) pack(enc *zstd.Encoder, dec *zstd.Decoder) {
	defer close(f.done)
	f.packed = enc.EncodeAll(f.plain, f.packed[:0])
	f.again, f.err = dec.DecodeAll(f.packed, f.again[:0])
	if f.err == nil && !bytes.Equal(f.plain, f.again) {
		f.err = errNotSame
	}
}

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
