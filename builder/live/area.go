package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Areas are the parts of an ISO that exists that may be changed without making
// the ISO anew: kernel arguments and an Ignition config. Room was left for them.
type Areas struct {
	disc *Disc
	out  io.WriterAt // nil: only read
}

// ReadAreas gives the areas of an ISO to read only.
func ReadAreas(in io.ReaderAt) (*Areas, error) {
	d, err := ReadDisc(in)
	if err != nil {
		return nil, err
	}
	return &Areas{disc: d}, nil
}

func (a *Areas) write(data []byte, at int64) error {
	if a.out == nil {
		return errors.New("the ISO is open to be read only")
	}
	if _, err := a.out.WriteAt(data, at); err != nil {
		return fmt.Errorf("writing the ISO: %w", err)
	}
	return nil
}

// Shown calls show with the areas of the ISO in a file.
func Shown(name string, show func(*Areas) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := ReadAreas(f)
	if err == nil {
		err = show(a)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Changed calls change with the areas of the ISO in a file: in place where out
// is empty, else of a copy that appears as out when it is complete. The copy
// shares the disk's blocks where the filesystem can.
func Changed(ctx context.Context, name, out string, change func(*Areas) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	if out == "" {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(changeFile(f, change), f.Close())
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if before, err := os.Stat(out); err == nil && os.SameFile(before, info) {
		return errors.New("the copy would be the ISO itself: without an output it is changed in place")
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".iso-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = copyFile(ctx, f, in)
	if err == nil {
		err = changeFile(f, change)
	}
	// CreateTemp's mode is for its owner only.
	if err := errors.Join(err, f.Chmod(info.Mode().Perm()|0o200), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), out)
}

func changeFile(f *os.File, change func(*Areas) error) error {
	a, err := ReadAreas(f)
	if err != nil {
		return err
	}
	a.out = f
	if err := change(a); err != nil {
		return err
	}
	return f.Sync()
}

// copyFile copies a whole file into an empty one.
func copyFile(ctx context.Context, out, in *os.File) error {
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// os.File copies within the kernel where it can.
		n, err := io.CopyN(out, in, 64<<20)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || n == 0 {
			return err
		}
	}
}
