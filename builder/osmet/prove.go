package osmet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// ledger is what the parts of a file mean: the runs and the data, by hashes of them.
type ledger struct {
	runs hash.Hash
	data hash.Hash
	buf  []byte
}

func newLedger() *ledger { return &ledger{runs: sha256.New(), data: sha256.New()} }

// run counts a run.
func (l *ledger) run(r run) {
	l.buf = fmt.Appendf(l.buf[:0], "%d %d %q %d %d\n", r.kind, r.blocks, r.path, r.first, r.crc)
	l.runs.Write(l.buf)
}

// equal says if two mean the same.
func (l *ledger) equal(other *ledger) bool {
	return bytes.Equal(l.runs.Sum(nil), other.runs.Sum(nil)) && bytes.Equal(l.data.Sum(nil), other.data.Sum(nil))
}

// prove reads a written file as Unpack does, and compares what it means with
// what the image was compared with.
func (w *packer) prove(ctx context.Context, in io.ReaderAt) error {
	h, err := ReadHeader(io.NewSectionReader(in, 0, headerSize))
	if err != nil {
		return err
	}
	if h != w.packed.Header {
		return errors.New("it has another header")
	}
	read, err := readLedger(ctx, in, h)
	if err != nil {
		return err
	}
	if !read.equal(w.wrote) {
		return errors.New("another image would come out")
	}
	return nil
}

// readLedger reads the parts of a file.
func readLedger(ctx context.Context, in io.ReaderAt, h Header) (*ledger, error) {
	planZ, err := newDecoder(in, headerSize+h.DataSize, h.PlanSize)
	if err != nil {
		return nil, err
	}
	defer planZ.Close()
	dataZ, err := newDecoder(in, headerSize, h.DataSize)
	if err != nil {
		return nil, err
	}
	defer dataZ.Close()
	l, plan, blocks := newLedger(), &planReader{in: bufio.NewReader(planZ)}, int64(0)
	for left := blocksOf(h.Size); left > 0; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r, err := plan.read(left)
		if err != nil {
			return nil, damaged("plan", err)
		}
		if l.run(r); r.kind == data {
			blocks += r.blocks
		}
		left -= r.blocks
	}
	if _, err := plan.read(1); !errors.Is(err, io.EOF) {
		return nil, damaged("plan", errors.Join(err, errors.New("it goes on behind the image")))
	}
	n, err := io.Copy(l.data, dataZ)
	if err != nil {
		return nil, damaged("data", err)
	}
	if n != blocks*blockSize {
		return nil, fmt.Errorf("%w: %d bytes of data for %d blocks", ErrFormat, n, blocks)
	}
	return l, nil
}

// summer hashes an image beside the work on it.
type summer struct {
	parts chan []byte
	free  chan []byte
	done  chan string
	none  []byte
}

// summerBuffers is how many parts of an image are under way.
const summerBuffers = 4

func newSummer() *summer {
	s := &summer{
		parts: make(chan []byte, summerBuffers), free: make(chan []byte, summerBuffers),
		done: make(chan string, 1), none: make([]byte, chunk),
	}
	for range summerBuffers {
		s.free <- make([]byte, chunk)
	}
	go func() {
		sum := sha256.New()
		for b := range s.parts {
			sum.Write(b)
			if &b[0] != &s.none[0] {
				s.free <- b[:chunk]
			}
		}
		s.done <- hex.EncodeToString(sum.Sum(nil))
	}()
	return s
}

// buffer gives memory for the next part, of the length chunk.
func (s *summer) buffer() []byte { return <-s.free }

// take hashes a part, in memory that buffer gave and that is given back.
func (s *summer) take(part []byte) { s.parts <- part }

// zeros hashes zeros, no more than chunk.
func (s *summer) zeros(n int64) { s.parts <- s.none[:n] }

// end gives the checksum, in hex.
func (s *summer) end() string {
	close(s.parts)
	return <-s.done
}
