package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
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
