// Package osmet keeps a disk image as what it has more than a tree of files
// that is there anyway: blocks that a file of the tree has are named, others are
// kept compressed, zeros are nothing. With the tree the image comes back bit by
// bit, in one pass and with bounded memory.
//
// It knows no filesystem and no partition table. A file of it is
//
//	4096 bytes   "nestos-osmet 1\n", the header as a line of JSON, its SHA-256 in hex, zeros
//	data         zstd: the blocks that no file has, in their order
//	plan         zstd: what the image consists of, in its order (plan.go)
package osmet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Suffix is what the name of such a file has after the image's.
const Suffix = ".osmet"

const (
	magic      = "nestos-osmet 1\n"
	headerSize = 4096
	// blockSize is what is compared: the block of the usual filesystems, so that
	// files lie on its boundaries.
	blockSize = 4096
)

// maxImage bounds the size of an image, in bytes: 16 TiB.
const maxImage = 1 << 44

// Header says what image a file holds. It can be read without the rest.
type Header struct {
	SectorSize  int    `json:"sector-size"` // of the disk that the image is for: 512 or 4096
	Size        int64  `json:"size"`        // of the image, in bytes
	SHA256      string `json:"sha256"`      // of the image, in hex; proven by Pack
	Description string `json:"description"` // of the system, for people
	Build       string `json:"build"`       // its build id

	PlanSize int64 `json:"plan-size"` // compressed, in bytes
	DataSize int64 `json:"data-size"`
}

// ErrFormat is a file that is not what Pack wrote: of another kind, cut short
// or damaged.
var ErrFormat = errors.New("damaged or no osmet file")

// ReadHeader reads the header from the beginning of a file.
func ReadHeader(in io.Reader) (Header, error) {
	raw := make([]byte, headerSize)
	n, err := io.ReadFull(in, raw)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Header{}, fmt.Errorf("reading the header: %w", err)
	}
	rest, ok := bytes.CutPrefix(raw[:n], []byte(magic))
	if !ok {
		return Header{}, fmt.Errorf("%w: it does not begin with %q", ErrFormat, magic)
	}
	if n < headerSize {
		return Header{}, fmt.Errorf("%w: the header ends after %d bytes", ErrFormat, n)
	}
	text, rest, _ := bytes.Cut(rest, []byte("\n"))
	sum := sha256.Sum256(text)
	if want := hex.EncodeToString(sum[:]) + "\n"; !bytes.HasPrefix(rest, []byte(want)) {
		return Header{}, fmt.Errorf("%w: the header's checksum is wrong", ErrFormat)
	}
	var h Header
	if err := json.Unmarshal(text, &h); err != nil {
		return Header{}, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	return h, h.check()
}

func (h Header) check() error {
	if h.SectorSize != 512 && h.SectorSize != 4096 {
		return fmt.Errorf("%w: sectors of %d bytes", ErrFormat, h.SectorSize)
	}
	if h.Size <= 0 || h.Size > maxImage || h.Size%int64(h.SectorSize) != 0 {
		return fmt.Errorf("%w: an image of %d bytes", ErrFormat, h.Size)
	}
	if h.PlanSize < 0 || h.DataSize < 0 || h.PlanSize > maxImage || h.DataSize > maxImage {
		return fmt.Errorf("%w: parts of %d and %d bytes", ErrFormat, h.PlanSize, h.DataSize)
	}
	return nil
}

// encode gives the first bytes of a file.
func (h Header) encode() ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	raw := make([]byte, 0, headerSize)
	raw = append(raw, magic...)
	raw = append(raw, text...)
	raw = append(raw, "\n"+hex.EncodeToString(sum[:])+"\n"...)
	if len(raw) > headerSize {
		return nil, fmt.Errorf("description of %d bytes: the header has room for %d in all", len(h.Description), headerSize)
	}
	return raw[:headerSize], nil
}
