package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// BootEdit edits the boot partition of an image without mounting it: the
// partition is copied out, changed by debugfs, checked, and of it only what
// changed is written back. The image is a machine's own, a throw-away overlay
// above all, and nothing has it open: a killed edit leaves it half done.
type BootEdit struct {
	Image      string
	Format     string      // "qcow2" or "raw"
	SectorSize event.Bytes // of the disk; 0 is either of 512 and 4096
	Work       string      // directory for the copy; empty is that of the image
}

// Apply makes the edits, one after the other.
func (b BootEdit) Apply(ctx context.Context, edits []FileEdit) error {
	return b.Edit(ctx, func(context.Context, *BootFiles) ([]FileEdit, error) { return edits, nil })
}

// Edit makes the edits that plan gives after a look at the partition's files.
func (b BootEdit) Edit(ctx context.Context, plan func(context.Context, *BootFiles) ([]FileEdit, error)) error {
	return b.with(ctx, func(p bootCopy) error {
		edits, err := plan(ctx, &BootFiles{p.vol})
		if err != nil || len(edits) == 0 {
			return err
		}
		before, err := p.digests()
		if err != nil {
			return err
		}
		if err := p.vol.recover(ctx); err != nil {
			return err
		}
		for _, e := range edits {
			if err := e.apply(ctx, &BootFiles{p.vol}); err != nil {
				return fmt.Errorf("%s: %w", e.Path, err)
			}
		}
		if err := proc.Run(ctx, proc.Cmd{Args: []string{"e2fsck", "-fn", p.vol.file}, Dir: p.vol.dir}); err != nil {
			return fmt.Errorf("checking what was changed: %w", err)
		}
		return p.store(ctx, before)
	})
}

// Read gives a file of the boot partition; links in its path are followed.
func (b BootEdit) Read(ctx context.Context, name string) (data []byte, err error) {
	err = b.with(ctx, func(p bootCopy) error {
		data, err = (&BootFiles{p.vol}).Read(ctx, name)
		return err
	})
	return data, err
}

// with copies the partition out for as long as do runs.
func (b BootEdit) with(ctx context.Context, do func(bootCopy) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("boot partition of %s: %w", filepath.Base(b.Image), err)
		}
	}()
	if b.Image, err = filepath.Abs(b.Image); err != nil {
		return err
	}
	if b.Work == "" {
		b.Work = filepath.Dir(b.Image)
	}
	dir, err := os.MkdirTemp(b.Work, ".boot-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	part, err := b.find(ctx, dir)
	if err != nil {
		return err
	}
	p := bootCopy{edit: b, part: part, vol: volume{dir: dir, file: "boot", part: Partition{Name: Boot, Size: part.Size}}}
	if err := b.copyOut(ctx, part, filepath.Join(dir, p.vol.file)); err != nil {
		return err
	}
	if p.vol.epoch, err = p.vol.written(); err != nil {
		return err
	}
	return do(p)
}

// find looks for the partition in the first copy of the table. The second may be
// gone from the end: a disk is made larger before its first boot.
func (b BootEdit) find(ctx context.Context, dir string) (Partition, error) {
	info, err := ReadInfo(ctx, b.Image, b.Format)
	if err != nil {
		return Partition{}, err
	}
	head := filepath.Join(dir, "table")
	if err := b.copyOut(ctx, Partition{Size: min(info.VirtualSize, maxTable+64<<10)}, head); err != nil {
		return Partition{}, err
	}
	f, err := os.Open(head)
	if err != nil {
		return Partition{}, err
	}
	defer f.Close()
	sectors := []event.Bytes{512, 4096}
	if b.SectorSize != 0 {
		sectors = []event.Bytes{b.SectorSize}
	}
	var errs []error
	for _, sector := range sectors {
		table, err := readGPTCopy(f, sector, 1)
		if err != nil {
			errs = append(errs, fmt.Errorf("partition table with sectors of %d: %w", sector, err))
			continue
		}
		parts, err := table.partitions(uint64(info.VirtualSize/sector)-1, sector)
		if i := slices.IndexFunc(parts, func(p Partition) bool { return p.Name == Boot }); i >= 0 {
			return parts[i], nil
		}
		return Partition{}, errors.Join(errors.New("the disk has none"), err)
	}
	return Partition{}, errors.Join(errs...)
}

// options names the image for QEMU's programs, as the node called prefix.
func (b BootEdit) options(prefix string) string {
	return fmt.Sprintf("%[1]sdriver=%[2]s,%[1]sfile.driver=file,%[1]sfile.filename=%[3]s", prefix, b.Format, strings.ReplaceAll(b.Image, ",", ",,"))
}

// copyOutArgs gives the command that copies a part of the disk, without its holes.
func (b BootEdit) copyOutArgs(part Partition, dst string) []string {
	window := fmt.Sprintf("driver=raw,offset=%d,size=%d,%s", part.Start, part.Size, b.options("file."))
	return []string{"qemu-img", "convert", "--image-opts", "-O", "raw", "-S", "4k", window, "file:" + dst}
}

func (b BootEdit) copyOut(ctx context.Context, part Partition, dst string) error {
	if err := proc.Run(ctx, proc.Cmd{Args: b.copyOutArgs(part, dst)}); err != nil {
		return fmt.Errorf("copying it out: %w", err)
	}
	return nil
}

// bootCopy is a boot partition that was copied out.
type bootCopy struct {
	edit BootEdit
	part Partition // in the image
	vol  volume    // the copy
}

// editBlock is what is compared and written back: qcow2's usual cluster.
const editBlock = 64 << 10

// maxRun is the most that one command writes back, in blocks.
const maxRun = 64

type blockDigest = [sha256.Size]byte

// blocks calls do for each block of the copy; the last may be short.
func (p bootCopy) blocks(do func(i int, block []byte) error) error {
	f, err := os.Open(filepath.Join(p.vol.dir, p.vol.file))
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, editBlock)
	for i := 0; ; i++ {
		n, err := io.ReadFull(f, block)
		if n > 0 {
			if err := do(i, block[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the copy: %w", err)
		}
	}
}

// isZero says that block is all zeros.
func isZero(block []byte) bool {
	return len(block) > 0 && block[0] == 0 && bytes.Equal(block[1:], block[:len(block)-1])
}

// digest is that of a block; of zeros it is zero.
func digest(block []byte) blockDigest {
	if isZero(block) {
		return blockDigest{}
	}
	return sha256.Sum256(block)
}

func (p bootCopy) digests() ([]blockDigest, error) {
	var all []blockDigest
	err := p.blocks(func(_ int, block []byte) error {
		all = append(all, digest(block))
		return nil
	})
	return all, err
}

// store writes the blocks that changed into the image, zeros as such.
func (p bootCopy) store(ctx context.Context, before []blockDigest) error {
	w := backWriter{dir: p.vol.dir, start: p.part.Start}
	err := p.blocks(func(i int, block []byte) error {
		if digest(block) == before[i] {
			return nil
		}
		return w.add(i, block)
	})
	if err := errors.Join(err, w.flush()); err != nil {
		return fmt.Errorf("gathering what changed: %w", err)
	}
	if len(w.commands) == 0 {
		return nil
	}
	// Nothing is flushed: the machine that the image is made for does not either.
	args := []string{"qemu-io", "-t", "unsafe", "--image-opts", p.edit.options("")}
	for _, c := range w.commands {
		args = append(args, "-c", c)
	}
	if err := proc.Run(ctx, proc.Cmd{Args: args, Dir: p.vol.dir}); err != nil {
		return fmt.Errorf("writing back what changed: %w", err)
	}
	return nil
}

// backWriter makes commands for qemu-io, which takes what it writes from the
// beginning of a file: so each run of blocks has one.
type backWriter struct {
	dir      string
	start    event.Bytes // of the partition in the image
	commands []string

	first int // block of the run
	run   []byte
}

func (w *backWriter) add(i int, block []byte) error {
	at := w.start + event.Bytes(i)*editBlock
	if isZero(block) {
		w.commands = append(w.commands, fmt.Sprintf("write -z %d %d", at, len(block)))
		return nil
	}
	if next := w.first + len(w.run)/editBlock; i != next || len(w.run) >= maxRun*editBlock {
		if err := w.flush(); err != nil {
			return err
		}
		w.first = i
	}
	w.run = append(w.run, block...)
	return nil
}

func (w *backWriter) flush() error {
	if len(w.run) == 0 {
		return nil
	}
	name := fmt.Sprintf("run-%d", len(w.commands))
	if err := os.WriteFile(filepath.Join(w.dir, name), w.run, 0o600); err != nil {
		return err
	}
	w.commands = append(w.commands, fmt.Sprintf("write -s %s %d %d", name, w.start+event.Bytes(w.first)*editBlock, len(w.run)))
	w.run = w.run[:0]
	return nil
}
