package live

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// cpioAlign is what headers and data are padded to (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
const cpioAlign = 4

// cpioTrailer is the name that ends an archive.
const cpioTrailer = "TRAILER!!!"

// cpioMost is the size that a newc header can say, in bytes.
const cpioMost = 1<<32 - 1

// File is a regular file of an archive.
type File struct {
	Name string // below the root, without a leading slash
	Data []byte
}

// CPIO writes an archive in the format newc, the one that Linux unpacks into an initramfs. The same
// files in the same order give the same bytes: owner and times are 0, inode numbers count from 1.
// Directories are not made by themselves. Close ends the archive.
type CPIO struct {
	out   io.Writer
	at    int64 // bytes written
	inode uint32
	left  int64 // of the file that is being written
}

// NewCPIO begins an archive.
func NewCPIO(out io.Writer) *CPIO { return &CPIO{out: out} }

// Dir writes a directory, of mode 0755.
func (c *CPIO) Dir(name string) error { return c.header(name, 0o040755, 0) }

// File begins a file, of mode 0644, whose size bytes come by Write.
func (c *CPIO) File(name string, size int64) error { return c.header(name, 0o100644, size) }

// Add writes a file.
func (c *CPIO) Add(f File) error {
	if err := c.File(f.Name, int64(len(f.Data))); err != nil {
		return err
	}
	_, err := c.Write(f.Data)
	return err
}

// Write gives data of the file that File began; its end is padded.
func (c *CPIO) Write(data []byte) (int, error) {
	if int64(len(data)) > c.left {
		return 0, errors.New("writing cpio: more data than the header says")
	}
	n, err := c.raw(data)
	c.left -= int64(n)
	if err == nil && c.left == 0 {
		err = c.pad()
	}
	return n, err
}

// Skip counts size bytes of the file that File began as written: they are in the file already that
// the archive goes to.
func (c *CPIO) Skip(size int64) error {
	if size > c.left {
		return errors.New("writing cpio: more data than the header says")
	}
	c.at += size
	if c.left -= size; c.left == 0 {
		return c.pad()
	}
	return nil
}

// Close writes the end of the archive.
func (c *CPIO) Close() error {
	c.inode = 0
	return c.entry(cpioTrailer, 0, 0)
}

func (c *CPIO) header(name string, mode uint32, size int64) error {
	if !fs.ValidPath(name) || name == "." || name == cpioTrailer {
		return fmt.Errorf("writing cpio: %q is no name of a file", name)
	}
	if size < 0 || size > cpioMost {
		return fmt.Errorf("writing cpio: %s has %d bytes, the format has room for %d", name, size, int64(cpioMost))
	}
	c.inode++
	if err := c.entry(name, mode, size); err != nil {
		return err
	}
	c.left = size
	return nil
}

func (c *CPIO) entry(name string, mode uint32, size int64) error {
	if c.left != 0 {
		return fmt.Errorf("writing cpio: %d bytes are missing before %s", c.left, name)
	}
	links := 1
	if mode&0o170000 == 0o040000 {
		links = 2
	}
	// inode, mode, uid, gid, nlink, mtime, size, device (2), its own device (2), length of the name, no checksum
	_, err := fmt.Fprintf(writeFunc(c.raw), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		c.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	if err != nil {
		return err
	}
	return c.pad()
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

func (c *CPIO) raw(data []byte) (int, error) {
	n, err := c.out.Write(data)
	c.at += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing cpio: %w", err)
	}
	return n, nil
}

func (c *CPIO) pad() error {
	_, err := c.raw(make([]byte, padding(c.at)))
	return err
}

// padding is how many bytes are missing at n to the next part of an initramfs.
func padding(n int64) int64 { return -n & (cpioAlign - 1) }
