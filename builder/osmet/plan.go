package osmet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// kind is where the blocks of a run come from.
type kind uint64

const (
	hole kind = iota // zeros
	data             // the data part
	file             // a file of the tree
	kinds
)

// run is blocks that follow each other in the image and come from one place.
type run struct {
	kind   kind
	blocks int64
	// Of kind file:
	path  string // from the tree's root, without a leading slash
	first int64  // block in the file
	crc   uint32 // CRC-32C of the run, with the zeros behind the end of the file
}

// maxPath bounds a path, in bytes: Linux' own limit.
const maxPath = 4096

// planWriter encodes runs. A number is an unsigned varint:
//
//	blocks<<2 | kind; and of kind file:
//	bytes that the path has in common with the last one, bytes that follow, these bytes
//	the first block in the file
//	CRC-32C, 4 bytes, little-endian
type planWriter struct {
	out  io.Writer
	last string
	buf  []byte
}

func (w *planWriter) write(r run) error {
	b := binary.AppendUvarint(w.buf[:0], uint64(r.blocks)<<2|uint64(r.kind))
	if r.kind == file {
		n := common(w.last, r.path)
		b = binary.AppendUvarint(b, uint64(n))
		b = binary.AppendUvarint(b, uint64(len(r.path)-n))
		b = append(b, r.path[n:]...)
		b = binary.AppendUvarint(b, uint64(r.first))
		b = binary.LittleEndian.AppendUint32(b, r.crc)
		w.last = r.path
	}
	w.buf = b
	_, err := w.out.Write(b)
	return err
}

// common gives the length of the common beginning.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// planReader decodes runs.
type planReader struct {
	in   *bufio.Reader
	last []byte
}

// read gives the next run, which has at most limit blocks; io.EOF after the last.
func (p *planReader) read(limit int64) (run, error) {
	head, err := binary.ReadUvarint(p.in)
	if err != nil {
		return run{}, err // io.EOF alone is the end
	}
	r := run{kind: kind(head & 3), blocks: int64(head >> 2)}
	if r.kind >= kinds || r.blocks <= 0 || r.blocks > limit {
		return run{}, fmt.Errorf("%w: %d blocks of kind %d, %d are left", ErrFormat, r.blocks, r.kind, limit)
	}
	if r.kind != file {
		return r, nil
	}
	if err := p.file(&r); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return run{}, err
	}
	return r, nil
}

func (p *planReader) file(r *run) error {
	same, err := binary.ReadUvarint(p.in)
	if err != nil {
		return err
	}
	more, err := binary.ReadUvarint(p.in)
	if err != nil {
		return err
	}
	if same > uint64(len(p.last)) || more > maxPath || same+more > maxPath || same+more == 0 {
		return fmt.Errorf("%w: a path of %d and %d bytes", ErrFormat, same, more)
	}
	path := append(p.last[:same:same], make([]byte, more)...)
	if _, err := io.ReadFull(p.in, path[same:]); err != nil {
		return err
	}
	p.last, r.path = path, string(path)
	first, err := binary.ReadUvarint(p.in)
	if err != nil {
		return err
	}
	if first > maxImage/blockSize {
		return fmt.Errorf("%w: block %d of %q", ErrFormat, first, path)
	}
	r.first = int64(first)
	var crc [4]byte
	if _, err := io.ReadFull(p.in, crc[:]); err != nil {
		return err
	}
	r.crc = binary.LittleEndian.Uint32(crc[:])
	return nil
}

// crcTable is the polynomial that processors have an instruction for.
func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
