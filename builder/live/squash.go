package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// Compression is how a squashfs is compressed.
type Compression struct {
	Compressor string `json:"compressor"`      // zstd, gzip, xz, lz4 or lzo
	Level      int    `json:"level,omitempty"` // of zstd, gzip and lzo; 0 where the compressor has none
	Block      int64  `json:"block"`           // bytes that are compressed together
}

// Effort is how much time compression may take.
type Effort int

// The efforts.
const (
	Dense Effort = iota // as small as is sensible: for what is handed out
	Quick               // for development
)

// squashBlock is mksquashfs' own: larger ones are smaller files and slower to read at random.
const squashBlock = 128 << 10

// CompressionOf gives the settings of a compressor.
func CompressionOf(compressor string, effort Effort) Compression {
	c := Compression{Compressor: compressor, Block: squashBlock}
	levels := map[string][2]int{"zstd": {15, 3}, "gzip": {9, 1}, "lzo": {8, 1}}
	c.Level = levels[compressor][effort]
	return c
}

// args are the arguments of mksquashfs for it.
func (c Compression) args() []string {
	args := []string{"-comp", c.Compressor, "-b", strconv.FormatInt(c.Block, 10)}
	if c.Level > 0 {
		args = append(args, "-Xcompression-level", strconv.Itoa(c.Level))
	}
	return args
}

// Squash asks for a squashfs.
type Squash struct {
	Tree        Tree
	Compression Compression
	// Path is the file; Offset is where in it the squashfs begins, in bytes. What is before is 0.
	Path   string
	Offset int64
	Size   int64 // of the tree's files together, in bytes, for the progress; 0 is not known
}

// Args gives the command line of mksquashfs: a tar comes in, so that owners, modes and attributes are
// those of a list and not the host's. A tar has no place for the root, of which only the mode can be
// said otherwise: it is root's and has no attributes (mksquashfs 4.5.1). Its time and that of the
// filesystem come by SOURCE_DATE_EPOCH, which together with -mkfs-time or -all-time is fatal.
func (s Squash) Args() []string {
	args := []string{
		"mksquashfs", "-", filepath.Base(s.Path), "-tar", "-noappend", "-no-progress", "-quiet", "-exit-on-error",
		"-root-mode", strconv.FormatUint(uint64(s.Tree.rootMode()&0o7777), 8), "-offset", strconv.FormatInt(s.Offset, 10),
	}
	return append(args, s.Compression.args()...)
}

// rootMode gives the mode of the tree's root.
func (t Tree) rootMode() uint32 {
	if len(t.Parts) > 0 {
		for _, i := range t.Parts[0].Inodes {
			if i.Path == "/" {
				return i.Mode
			}
		}
	}
	return 0o755
}

// WriteSquash writes the squashfs. The same tree gives the same bytes, whoever writes it and when.
func WriteSquash(ctx context.Context, s Squash, r *event.Reporter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out, in, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("writing the squashfs: %w", err)
	}
	written := make(chan error, 1)
	go func() {
		var done int64
		stream := tarStream{
			ctx:     ctx,
			dropped: func(path, attr string) { r.Warn(path + ": squashfs has no place for the attribute " + attr) },
			wrote: func(n int64) {
				done += n
				if s.Size > 0 {
					r.Progress(min(done, s.Size), s.Size, event.UnitBytes)
				}
			},
		}
		err := errors.Join(stream.write(s.Tree, in), in.Close())
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			cancel(err) // else the end of half a tar would be taken for its end
		}
		written <- err
	}()
	err = proc.Run(ctx, proc.Cmd{
		Args: s.Args(), Dir: filepath.Dir(s.Path), Stdin: out, Line: r.Line,
		Env: []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(s.Tree.Time.Unix(), 10)},
	})
	_ = out.Close() // the writer must not wait for who has ended
	wrote := <-written
	switch {
	case err != nil:
		return fmt.Errorf("writing the squashfs: %w", err)
	case wrote != nil:
		return fmt.Errorf("writing the squashfs: %w", wrote)
	}
	return s.check()
}

// squashMagic begins a squashfs (Linux, fs/squashfs/squashfs_fs.h), in bytes as they lie in the file.
const squashMagic = "hsqs"

// check wants the magic number where it must be.
func (s Squash) check() error {
	f, err := os.Open(s.Path)
	if err != nil {
		return fmt.Errorf("looking at the squashfs: %w", err)
	}
	defer func() { _ = f.Close() }()
	magic := make([]byte, len(squashMagic))
	if _, err := f.ReadAt(magic, s.Offset); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("looking at the squashfs: %w", err)
	}
	if string(magic) != squashMagic {
		return fmt.Errorf("looking at the squashfs: it has no magic number at byte %d of %s: %w", s.Offset, filepath.Base(s.Path), fs.ErrInvalid)
	}
	return nil
}
