package builder

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

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
