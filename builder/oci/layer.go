package oci

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// blob is a compressed layer at the beginning of a file.
type blob struct {
	descriptor
	diffID string
	file   *os.File
	kept   bool // in the cache, where it may have been damaged
}

// errDamaged is a layer in the cache that is not what it was.
var errDamaged = errors.New("damaged layer")

// tarBlock is the unit of a tar stream, and the size of a header.
const tarBlock = 512

// copyTo appends the blob to an archive and checks it on the way, unless it has just been made.
func (b blob) copyTo(f *os.File) error {
	h := plainFile("blobs/sha256/"+b.Digest[len("sha256:"):], nil).header()
	h.Size = b.Size
	if err := tar.NewWriter(f).WriteHeader(h); err != nil {
		return fmt.Errorf("header of blob %s: %w", b.Digest, err)
	}
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if b.kept {
		to := newMeter(f)
		_, err := io.CopyBuffer(to, io.LimitReader(b.file, b.Size), make([]byte, 1<<20))
		if e, ok := errors.AsType[*fs.PathError](err); ok && e.Op == "read" || err == nil && to.digest() != b.Digest {
			err = errDamaged
		}
		if err != nil {
			return err
		}
	} else if _, err := io.CopyN(f, b.file, b.Size); err != nil {
		return err
	}
	_, err := f.Write(make([]byte, (tarBlock-b.Size%tarBlock)%tarBlock))
	return err
}

// layerFormat is part of the name of a layer in the cache. It changes whenever the same members
// become other bytes: with the way that they are written and with the compressor.
const layerFormat = 1

// key names a layer in the cache by all that its bytes depend on.
func (w *writer) key(l layer) string {
	h := sha256.New()
	fmt.Fprintf(h, "nosa layer %d %q %d\n", layerFormat, w.Compression, w.Level)
	buf := make([]byte, 0, 1<<16)
	for m := range w.members(l) {
		if buf = m.appendTo(buf); len(buf) > 1<<15 {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil)) + w.extension()
}

// content is the size of the files whose objects are in the layer, in bytes.
func (l layer) content() int64 {
	var sum int64
	seen := map[string]bool{}
	for _, f := range l.files {
		if f.object && f.isRegular() && !seen[f.Checksum] {
			seen[f.Checksum] = true
			sum += f.Size
		}
	}
	return sum
}

// pack writes a layer into a file.
func (w *writer) pack(ctx context.Context, l layer, f *os.File) (blob, error) {
	outer := newMeter(f)
	buffered := bufio.NewWriterSize(outer, 1<<20)
	zip, err := w.compressor(buffered)
	if err != nil {
		return blob{}, err
	}
	inner := newMeter(zip)
	if err := w.stream(ctx, l, inner); err != nil {
		zip.Close() // it fails for the same reason
		return blob{}, err
	}
	if err := zip.Close(); err != nil {
		return blob{}, fmt.Errorf("writing layer: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return blob{}, fmt.Errorf("writing layer: %w", err)
	}
	return blob{
		descriptor: descriptor{MediaType: w.mediaType(), Digest: outer.digest(), Size: outer.n},
		diffID:     inner.digest(), file: f,
	}, nil
}

// stream writes the members of a layer.
func (w *writer) stream(ctx context.Context, l layer, to io.Writer) error {
	out, buf := tar.NewWriter(to), make([]byte, 1<<17)
	for m := range w.members(l) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.member(out, m, buf); err != nil {
			return fmt.Errorf("writing layer: %s: %w", m.name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing layer: %w", err)
	}
	return nil
}

// member writes one. What is no longer what its name says never gets into a layer.
func (w *writer) member(out *tar.Writer, m member, buf []byte) error {
	head := m.header()
	if m.sum == "" {
		err := out.WriteHeader(head)
		if err == nil {
			_, err = out.Write(m.data)
		}
		return err
	}
	f, err := os.Open(filepath.Join(w.Repo, objectName(m.sum, m.ext)))
	if err != nil {
		return fmt.Errorf("reading object: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading object: %w", err)
	}
	head.Size = st.Size()
	if err := out.WriteHeader(head); err != nil {
		return err
	}
	var digest hash.Hash
	if m.file == nil {
		digest = sha256.New()
	} else {
		digest = m.file.contentHash()
	}
	n, err := io.CopyBuffer(io.MultiWriter(out, digest), struct{ io.Reader }{f}, buf)
	if err != nil {
		return fmt.Errorf("copying object %s: %w", m.sum, err)
	}
	if m.file != nil {
		w.progress.add(n)
	}
	return checkSum(digest, m.sum, m.ext)
}

// compressor begins a compressed stream. It works on one processor: several layers are made at a
// time, and the bytes do not depend on how many.
func (req Request) compressor(w io.Writer) (io.WriteCloser, error) {
	if req.Compression == Zstd {
		level := zstd.SpeedDefault
		if req.Level != 0 {
			level = zstd.EncoderLevelFromZstd(req.Level)
		}
		zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
		return zip, nil
	}
	level := gzip.DefaultCompression
	if req.Level != 0 {
		level = req.Level
	}
	zip, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return zip, nil
}

func (req Request) mediaType() string {
	if req.Compression == Zstd {
		return mediaLayer + "+zstd"
	}
	return mediaLayer + "+gzip"
}

func (req Request) extension() string {
	if req.Compression == Zstd {
		return ".zst"
	}
	return ".gz"
}
