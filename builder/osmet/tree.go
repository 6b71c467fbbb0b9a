package osmet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// digest finds blocks that may be equal; it proves nothing. Zeros have 0. Two
// polynomials without a common factor are as one of 64 bits, and processors
// have instructions for both: a tenth of what a cryptographic hash takes.
type digest uint64

func digestOf(block []byte) digest {
	if isZero(block) {
		return 0
	}
	return digest(crc32.Checksum(block, crcTable()))<<32 | digest(crc32.ChecksumIEEE(block))
}

// isZero says that a block is all zeros.
func isZero(block []byte) bool { return block[0] == 0 && bytes.Equal(block[1:], block[:len(block)-1]) }

// Tree is what Pack knows of a directory's regular files: for any number of
// images they are read once. It takes about 40 bytes of memory for each block.
// Which of equal blocks is found depends on paths only.
type Tree struct {
	dir    string
	files  []indexed
	blocks []digest
	where  map[digest]uint32 // the first of equal ones in blocks
}

// indexed is a file of the tree.
type indexed struct {
	path  string // from the tree's root
	first int    // of its blocks in Tree.blocks
}

// ReadTree reads the files below dir: contents, not metadata.
func ReadTree(ctx context.Context, dir string) (*Tree, error) {
	x := &Tree{dir: dir}
	sizes, err := x.find(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the tree: %w", err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range x.files {
		g.Go(func() error {
			end := f.first + int(blocksOf(sizes[i]))
			return digestFile(gctx, filepath.Join(dir, f.path), x.blocks[f.first:end])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("reading the tree: %w", err)
	}
	x.where = make(map[digest]uint32, len(x.blocks))
	for i, d := range x.blocks {
		if _, ok := x.where[d]; !ok && d != 0 {
			x.where[d] = uint32(i)
		}
	}
	return x, nil
}

// blocksOf gives the number of blocks in size bytes; the last may be short.
func blocksOf(size int64) int64 { return (size + blockSize - 1) / blockSize }

// find lists the regular files with something in them, and gives their sizes. Of
// hard links the first name counts.
func (x *Tree) find(dir string) (sizes []int64, err error) {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	total := int64(0)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			id := inode{uint64(st.Dev), st.Ino} //nolint:unconvert // differs by architecture
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		path, err = filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if len(path) > maxPath {
			return fmt.Errorf("%q is longer than %d bytes", path, maxPath)
		}
		x.files = append(x.files, indexed{path, int(total)})
		sizes = append(sizes, info.Size())
		total += blocksOf(info.Size())
		return nil
	})
	if total > math.MaxUint32 {
		err = errors.Join(err, fmt.Errorf("%d blocks of %d bytes are too many", total, blockSize))
	}
	if err == nil {
		x.blocks = make([]digest, total)
	}
	return sizes, err
}

// digestFile fills in the digests of a file's blocks.
func digestFile(ctx context.Context, name string, blocks []digest) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, min(int64(len(blocks)), 64)*blockSize)
	for len(blocks) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		want := buf[:min(len(buf), len(blocks)*blockSize)]
		n, err := io.ReadFull(f, want)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		clear(want[n:])
		for i := range len(want) / blockSize {
			blocks[i] = digestOf(want[i*blockSize : (i+1)*blockSize])
		}
		blocks = blocks[len(want)/blockSize:]
	}
	return nil
}

// after says that the block behind position at is in the same file and may be d.
func (x *Tree) after(at uint32, d digest) bool {
	next := int(at) + 1
	return next < len(x.blocks) && x.blocks[next] == d && next < x.end(x.fileOf(at))
}

// fileOf gives the number of the file that holds a position.
func (x *Tree) fileOf(at uint32) int {
	return sort.Search(len(x.files), func(i int) bool { return x.files[i].first > int(at) }) - 1
}

// end gives the position behind a file's last block.
func (x *Tree) end(file int) int {
	if file+1 < len(x.files) {
		return x.files[file+1].first
	}
	return len(x.blocks)
}

// comparer compares blocks with those of a tree.
type comparer struct {
	tree  *Tree
	file  int // the one that is open, by its number
	open  *os.File
	first int // position of the first block in have
	have  []byte
	buf   []byte
}

// How many blocks a comparer reads: a few where it comes to, as most files are
// small, and many where it goes on.
const (
	readFirst = 8
	readAhead = 64
)

// same says if the block at a position is b.
func (c *comparer) same(at uint32, b []byte) (bool, error) {
	if n := (int(at) - c.first) * blockSize; n < 0 || n >= len(c.have) {
		if err := c.read(int(at)); err != nil {
			return false, fmt.Errorf("reading the tree: %w", err)
		}
	}
	n := (int(at) - c.first) * blockSize
	return bytes.Equal(c.have[n:n+blockSize], b), nil
}

// read reads from a position on.
func (c *comparer) read(at int) error {
	file, most := c.tree.fileOf(uint32(at)), readFirst
	if c.open == nil || file != c.file {
		c.close()
		f, err := os.Open(filepath.Join(c.tree.dir, c.tree.files[file].path))
		if err != nil {
			return err
		}
		c.open, c.file = f, file
	} else if at == c.first+len(c.have)/blockSize {
		most = readAhead
	}
	if c.buf == nil {
		c.buf = make([]byte, readAhead*blockSize)
	}
	blocks := min(most, c.tree.end(file)-at)
	c.first, c.have = at, c.buf[:blocks*blockSize]
	n, err := c.open.ReadAt(c.have, int64(at-c.tree.files[file].first)*blockSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	clear(c.have[n:])
	return nil
}

func (c *comparer) close() {
	if c.open != nil {
		_ = c.open.Close()
		c.open, c.have = nil, nil
	}
}
