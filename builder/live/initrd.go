package live

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// Features is features.json: what installers may expect of the system.
type Features struct {
	InstallerConfig     bool            `json:"installer-config"`
	InstallerDirectives map[string]bool `json:"installer-config-directives,omitempty"`
	LiveInitrdNetwork   bool            `json:"live-initrd-network"`
}

// JSON is the file's content.
func (f Features) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", FeaturesPath, err)
	}
	return append(data, '\n'), nil
}

// WriteInitrd writes the initramfs of the live system: the system's own, and a second archive with files
// for it. The same parts give the same bytes.
func WriteInitrd(name, initramfs string, files []File) (err error) {
	out, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing the initramfs: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	in, err := os.Open(initramfs)
	if err != nil {
		return fmt.Errorf("writing the initramfs: %w", err)
	}
	defer func() { _ = in.Close() }()
	n, err := io.Copy(out, in)
	if err == nil {
		_, err = out.Write(make([]byte, padding(n)))
	}
	if err == nil {
		err = appendFiles(out, files)
	}
	if err == nil {
		n, err = out.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		_, err = out.Write(make([]byte, padding(n)))
	}
	if err != nil {
		return fmt.Errorf("writing the initramfs: %w", err)
	}
	return nil
}

// appendFiles writes a compressed archive of files with the directories that they need.
func appendFiles(out io.Writer, files []File) error {
	zip, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := NewCPIO(zip)
	var dirs []string
	for _, f := range files {
		for dir := path.Dir(f.Name); dir != "."; dir = path.Dir(dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := archive.Dir(dir); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := archive.Add(f); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zip.Close())
}

// FinishRootfs makes rootfs.img of a file that has a squashfs at SquashfsOffset: the archive's header is
// written before it, the other files behind it. Extra are files of this host, by the name in the archive.
// It gives the stream hash of the whole.
func FinishRootfs(ctx context.Context, name string, stamp File, extra []string) (sums []byte, err error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("finishing rootfs.img: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := finishRootfs(f, stamp, extra); err != nil {
		return nil, fmt.Errorf("finishing rootfs.img: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("hashing rootfs.img: %w", err)
	}
	h := NewStreamHash()
	for buf := make([]byte, streamBlock); ; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := f.Read(buf)
		_, _ = h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return h.Text(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("hashing rootfs.img: %w", err)
		}
	}
}

func finishRootfs(f *os.File, stamp File, extra []string) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	size -= SquashfsOffset
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	archive := NewCPIO(f)
	if err := archive.File(SquashfsName, size); err != nil {
		return err
	}
	if archive.at != SquashfsOffset {
		return fmt.Errorf("the squashfs would begin at byte %d", archive.at)
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if err := archive.Skip(size); err != nil {
		return err
	}
	if err := archive.Dir(path.Dir(stamp.Name)); err != nil {
		return err
	}
	if err := archive.Add(stamp); err != nil {
		return err
	}
	for _, source := range extra {
		if err := archive.copy(source); err != nil {
			return err
		}
	}
	return archive.Close()
}

// copy adds a file of this host under its base name.
func (c *CPIO) copy(source string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := c.File(filepath.Base(source), info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(c, io.LimitReader(in, info.Size()))
	return err
}
