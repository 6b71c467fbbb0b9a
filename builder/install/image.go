package install

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/nestos/nosa/builder/osmet"
)

// Image says where the image comes from. Without a file and a URL it is that of
// the live system itself: the files of OsmetDir with the live root filesystem.
type Image struct {
	File     string // raw, or by gzip, xz or zstd
	URL      string // the same
	Hash     string // of the file as it is there: TYPE-HEX with sha256 or sha512
	Insecure bool   // allows an http URL without a hash
	Offline  bool   // refuses a URL

	OsmetDir string // empty is OsmetDir
	Tree     string // root filesystem that the osmet files belong to; empty is the live system's
}

// OsmetDir is where a live system has its osmet files.
const OsmetDir = "/run/nestos-installer/osmet"

func (i Image) check() error {
	switch {
	case i.File != "" && i.URL != "":
		return errors.New("an image is given by a file and by a URL: one of them is wanted")
	case i.Hash != "" && i.File == "" && i.URL == "":
		return errors.New("the hash of an image is given, but no image")
	case i.URL != "" && i.Offline:
		return errors.New("an offline installation has no image from a URL")
	case i.URL != "":
		return checkURL(i.URL, i.Hash != "" || i.Insecure)
	}
	return nil
}

// image is an image that is open.
type image struct {
	what   string // for people
	size   int64  // in bytes
	sector int
	write  func(context.Context, io.Writer) error
	close  func() error
}

// open opens the image for a disk with sectors of so many bytes.
func (i Image) open(ctx context.Context, sector int, fetch fetcher) (*image, error) {
	if i.File == "" && i.URL == "" {
		return i.live(sector)
	}
	sum, err := newHash(i.Hash)
	if err != nil {
		return nil, err
	}
	what, in := i.File, io.ReadCloser(nil)
	if i.URL != "" {
		what, in = i.URL, fetch.open(ctx, i.URL)
	} else if in, err = os.Open(i.File); err != nil {
		return nil, err
	}
	im, err := stream(in, sum)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("image %s: %w", what, err), in.Close())
	}
	im.what = what
	return im, nil
}

// stream is an image that comes from its beginning to its end.
func stream(in io.ReadCloser, sum *checksum) (*image, error) {
	var from io.Reader = in
	if sum.want != "" {
		from = io.TeeReader(in, sum)
	}
	raw := bufio.NewReaderSize(from, edge)
	plain, err := decompress(raw)
	if err != nil {
		return nil, err
	}
	head := bufio.NewReaderSize(plain, edge)
	first, err := head.Peek(2 * align)
	if err != nil {
		return nil, fmt.Errorf("reading its beginning: %w", unexpected(err))
	}
	im := &image{close: in.Close}
	if im.size, im.sector, err = tableSize(first); err != nil {
		return nil, err
	}
	im.write = func(ctx context.Context, out io.Writer) error {
		if err := copySparse(ctx, out, head); err != nil {
			return err
		}
		// What follows the compressed data belongs to the checksum too.
		if _, err := io.Copy(io.Discard, raw); err != nil {
			return err
		}
		return sum.check()
	}
	return im, nil
}

// tableSize tells size and sector size of an image by the header of its partition
// table, which names the sector of its own copy: the disk's last (UEFI 2.10 §5.3.2).
func tableSize(first []byte) (size int64, sector int, err error) {
	for _, sector := range []int{512, 4096} {
		h := first[sector:]
		if !bytes.HasPrefix(h, []byte("EFI PART")) {
			continue
		}
		last := binary.LittleEndian.Uint64(h[32:])
		if last > 1<<40 {
			return 0, 0, fmt.Errorf("its partition table is for a disk of %d sectors", last)
		}
		return int64(last+1) * int64(sector), sector, nil
	}
	return 0, 0, errors.New("it is no disk image: it has no partition table (GPT)")
}

// decompress tells by the first bytes how a file is compressed.
func decompress(in *bufio.Reader) (io.Reader, error) {
	magic, err := in.Peek(6)
	if err != nil {
		return nil, fmt.Errorf("reading its beginning: %w", unexpected(err))
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return xz.NewReader(in)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return in, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// copySparse copies, with what is zeros as holes.
func copySparse(ctx context.Context, out io.Writer, in io.Reader) error {
	w := sparse{out: out}
	w.holer, _ = out.(osmet.Holer)
	buf := make([]byte, edge)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := fill(in, buf)
		for piece := range slices.Chunk(buf[:n], leastHole) {
			if err := w.write(piece); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return w.flush()
		}
		if err != nil {
			return err
		}
	}
}

// fill reads until buf is full. Other than of io.ReadFull its errors are the reader's.
func fill(in io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var more int
		more, err = in.Read(buf[n:])
		n += more
	}
	return n, err
}

// sparse gathers zeros.
type sparse struct {
	out   io.Writer
	holer osmet.Holer // nil: zeros are written
	zeros int64
}

func (w *sparse) write(p []byte) error {
	if w.holer != nil && isZero(p) {
		w.zeros += int64(len(p))
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	_, err := w.out.Write(p)
	return err
}

func (w *sparse) flush() error {
	if w.zeros == 0 {
		return nil
	}
	n := w.zeros
	w.zeros = 0
	return w.holer.Hole(n)
}

// live is the image that the live system has of itself.
func (i Image) live(sector int) (*image, error) {
	dir := i.OsmetDir
	if dir == "" {
		dir = OsmetDir
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"+osmet.Suffix))
	if err != nil {
		return nil, err
	}
	var found []string
	var header osmet.Header
	for _, name := range names {
		h, err := readHeader(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if h.SectorSize == sector {
			found, header = append(found, name), h
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("this system has no image to install (nothing in %s): name one by a file or a URL", dir)
	case len(found) == 0:
		return nil, fmt.Errorf("this system has no image for sectors of %d bytes", sector)
	case len(found) > 1:
		return nil, fmt.Errorf("there are two images for sectors of %d bytes: %s", sector, strings.Join(found, ", "))
	}
	tree := i.Tree
	if tree == "" {
		if tree, err = liveTree(hostSystem()); err != nil {
			return nil, err
		}
	}
	in, err := os.Open(found[0])
	if err != nil {
		return nil, err
	}
	write := func(ctx context.Context, out io.Writer) error {
		_, err := osmet.Unpack(ctx, in, tree, out)
		return err
	}
	return &image{what: header.Description, size: header.Size, sector: sector, write: write, close: in.Close}, nil
}

func readHeader(name string) (osmet.Header, error) {
	f, err := os.Open(name)
	if err != nil {
		return osmet.Header{}, err
	}
	defer f.Close()
	return osmet.ReadHeader(f)
}

// liveTree finds the live system's root filesystem: what is mounted of it as a
// whole, not the deployment in it that the system runs from.
func liveTree(s system) (string, error) {
	text, err := os.ReadFile(filepath.Join(s.proc, "self/mountinfo"))
	if err != nil {
		return "", err
	}
	for _, m := range parseMounts(string(text)) {
		if (m.kind != "squashfs" && m.kind != "erofs") || m.root != "/" {
			continue
		}
		if info, err := os.Stat(filepath.Join(m.dir, "ostree/repo")); err == nil && info.IsDir() {
			return m.dir, nil
		}
	}
	return "", errors.New("this is no live system: name an image by a file or a URL")
}
