// Package disk makes disk images: sizes, partition table, filesystems, ESP,
// boot records, qcow2. Paths and values go in, files come out.
//
// It knows no workspace, no OSTree and no platform: what lies in the stage
// directories, which kernel arguments and which GRUB, its caller decides.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
)

// Image is a disk image to be written.
type Image struct {
	Path   string // raw, sparse; appears when it is complete
	Layout Layout
	Root   Filesystem
	Boot   Filesystem
	ESP    []File
	BIOS   *BootCode // nil: the disk does not start on a BIOS
	// Epoch is the only time in the image. It must lie between 1980 (FAT) and
	// 2038 (ext4 without its extra bits).
	Epoch time.Time
}

// Filesystem is the content of a partition. The zero value of Type, Label and
// UUID is what the partition of its name has on every system.
type Filesystem struct {
	Type     string // "ext4", also when empty; "xfs" for the root, see ErrXFS
	Dir      string // the stage: file types, contents, hard links and names are taken from it
	Label    string
	UUID     GUID
	Inodes   []Inode   // metadata that differs from the stage's
	Epoch    time.Time // all times of all inodes; zero is Image.Epoch
	Features []string  // ext4 features more than features()
	Args     []string  // more arguments for mkfs
}

// Inode is the metadata of one path of a Filesystem. It is data because a
// host's files cannot carry a target's labels and may carry the host's own.
type Inode struct {
	Path       string // from the filesystem's root: "/usr/bin/su"; any bytes
	UID, GID   uint32
	Mode       uint32            // st_mode; a type in it must be the stage's, without one it is
	Xattrs     map[string][]byte // set, with values as the kernel stores them
	DropXattrs []string          // names that the stage's file has and the target's must not have
	Flags      uint32            // ext4 inode flags that are set in addition, as FlagImmutable
}

// FlagImmutable is ext4's EXT4_IMMUTABLE_FL (chattr +i).
const FlagImmutable uint32 = 0x10

// File is a file of the ESP.
type File struct {
	Path   string // in the ESP: "EFI/BOOT/BOOTX64.EFI"
	Source string // the file with its content; empty: Data
	Data   []byte
}

// Write writes the image beside im.Path and renames it when it is complete;
// nothing is mounted (but for xfs) and nothing is copied that is not needed. The
// same Image with the same stage content gives the same bytes, whoever writes
// it and when (but for xfs).
func Write(ctx context.Context, im Image, r *event.Reporter) (err error) {
	if err := im.check(); err != nil {
		return err
	}
	path, err := filepath.Abs(im.Path)
	if err != nil {
		return fmt.Errorf("writing disk image: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".disk-*.raw")
	if err != nil {
		return fmt.Errorf("writing disk image: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := im.fill(ctx, f, r); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("writing disk image: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing disk image: %w", err)
	}
	return nil
}

// check finds what can be known to be wrong before any work.
func (im Image) check() error {
	if im.Epoch.Unix() < fatEpoch || im.Epoch.Unix() > maxEpoch {
		return fmt.Errorf("disk image with the time %s: want one between 1980 and 2038", im.Epoch.UTC().Format(time.DateOnly))
	}
	for _, fsys := range []Filesystem{im.Boot, im.Root} {
		if t := fsys.Epoch.Unix(); !fsys.Epoch.IsZero() && (t < 0 || t > maxEpoch) {
			return fmt.Errorf("filesystem with the time %s: want one between 1970 and 2038", fsys.Epoch.UTC().Format(time.DateOnly))
		}
		st, err := os.Stat(fsys.Dir)
		if err != nil {
			return fmt.Errorf("stage of a filesystem: %w", err)
		}
		if !st.IsDir() {
			return fmt.Errorf("stage of a filesystem: %s is not a directory", fsys.Dir)
		}
	}
	if im.Boot.Type != "" && im.Boot.Type != "ext4" {
		return fmt.Errorf("filesystem %q for %s: only ext4 is made", im.Boot.Type, Boot)
	}
	if t := im.Root.Type; t != "" && t != "ext4" && t != "xfs" {
		return fmt.Errorf("filesystem %q for %s: only ext4 and xfs are made: set \"rootfs: ext4\" in image.yaml", t, Root)
	}
	if im.Root.Type == "xfs" {
		if err := checkXFS(); err != nil {
			return err
		}
	}
	return checkESP(im.ESP)
}

// fill writes everything into the empty f. The filesystems do not touch each
// other's bytes and are written side by side.
func (im Image) fill(ctx context.Context, f *os.File, r *event.Reporter) error {
	if err := f.Truncate(int64(im.Layout.Size)); err != nil {
		return fmt.Errorf("making a disk image of %s: %w", im.Layout.Size, err)
	}
	if err := im.writeTable(f); err != nil {
		return err
	}
	defer watch(f, im.Root.Dir, r)()
	g, ctx := errgroup.WithContext(ctx)
	for name, fsys := range map[string]Filesystem{Boot: im.Boot, Root: im.Root} {
		v, err := im.volume(f.Name(), name)
		if err != nil {
			return err
		}
		g.Go(func() error {
			write := v.write
			if fsys.Type == "xfs" {
				write = v.writeXFS
			}
			if err := write(ctx, fsys, r); err != nil {
				return fmt.Errorf("writing filesystem %s: %w", name, err)
			}
			return nil
		})
	}
	esp, err := im.volume(f.Name(), EFISystem)
	if err != nil {
		return err
	}
	g.Go(func() error {
		if err := esp.writeESP(ctx, im.ESP, r); err != nil {
			return fmt.Errorf("writing the ESP: %w", err)
		}
		return nil
	})
	return g.Wait()
}

// writeTable writes the partition table and what a BIOS starts.
func (im Image) writeTable(f *os.File) error {
	var bootCode []byte
	if im.BIOS != nil {
		if im.Layout.SectorSize != biosSector {
			return fmt.Errorf("no BIOS starts from sectors of %d bytes", im.Layout.SectorSize)
		}
		part, err := im.Layout.Partition(BIOSBoot)
		if err != nil {
			return err
		}
		mbr, core, err := im.BIOS.embed(uint64(part.Start/biosSector), int64(part.Size))
		if err != nil {
			return err
		}
		bootCode = mbr
		if err := writeChunks(f, []chunk{{part.Start, core}}); err != nil {
			return err
		}
	}
	chunks, err := gpt(im.Layout, bootCode)
	if err != nil {
		return err
	}
	return writeChunks(f, chunks)
}

// volume is a partition inside an image file. The programs that write it get
// the file's name relative to its directory, since some of them read a "?" or
// "@@" in a path as syntax.
type volume struct {
	dir    string
	file   string
	part   Partition
	sector event.Bytes
	epoch  time.Time
}

func (im Image) volume(path, name string) (volume, error) {
	part, err := im.Layout.Partition(name)
	return volume{dir: filepath.Dir(path), file: filepath.Base(path), part: part, sector: im.Layout.SectorSize, epoch: im.Epoch}, err
}

// watchEvery is how often watch looks; a Reporter passes on no more.
const watchEvery = 250 * time.Millisecond

// watch reports how much of dir has arrived in f until the returned function
// is called: mke2fs says nothing meanwhile.
func watch(f *os.File, dir string, r *event.Reporter) (stop func()) {
	if r == nil {
		return func() {}
	}
	total := allocated(dir)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				var st unix.Stat_t
				if unix.Fstat(int(f.Fd()), &st) == nil {
					r.Progress(min(st.Blocks*512, total-1), total, event.UnitBytes)
				}
			}
		}
	}()
	return func() { close(done); <-ended; r.Progress(total, total, event.UnitBytes) }
}

// allocated gives the bytes that the files below dir take, each inode once.
func allocated(dir string) int64 {
	seen, sum := map[uint64]bool{}, int64(1)
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // an estimate; mke2fs will say what is wrong
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
			seen[st.Ino] = true
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum
}
