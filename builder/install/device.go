package install

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
)

// ErrBusy is a disk that something uses.
var ErrBusy = errors.New("it is in use")

// device is a disk, or a file in its place.
type device struct {
	file   *os.File
	size   int64 // in bytes; of a file that was empty 0: it becomes as large as the image
	sector int   // in bytes; 0 where it has none of its own
	block  bool
	made   bool // the file was not there
}

// close closes the disk. A file that was made for nothing goes.
func (d *device) close(err error) error {
	err = errors.Join(err, d.file.Close())
	if d.made && d.size == 0 {
		err = errors.Join(err, os.Remove(d.file.Name()))
	}
	return err
}

// system is where the kernel says what it knows.
type system struct{ proc, sys string }

func hostSystem() system { return system{"/proc", "/sys"} }

// openDevice opens a disk to be overwritten. One that is mounted or used
// otherwise, in whole or in part, is ErrBusy.
func openDevice(given string, s system) (d *device, err error) {
	name, err := filepath.EvalSymlinks(given)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(given, "/dev/") {
		return createFile(given)
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		used, err := s.backing(name)
		if err != nil {
			return nil, err
		}
		if used != "" {
			return nil, fmt.Errorf("%w: %s is made of it", ErrBusy, used)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		return &device{file: f, size: st.Size}, nil
	case unix.S_IFBLK:
	default:
		return nil, errors.New("it is no disk")
	}
	if err := s.check(name, fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))); err != nil {
		return nil, err
	}
	// With O_EXCL the kernel gives a block device to one user only, itself included.
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("%w: the kernel does not give it away", ErrBusy)
	}
	if err != nil {
		return nil, err
	}
	d = &device{file: f, block: true}
	d.sector, err = unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err == nil {
		d.size, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// createFile makes a file in the place of a disk. What has a device's name is not
// one: who wants it anyway says where.
func createFile(name string) (*device, error) {
	if !strings.ContainsRune(name, '/') {
		dev := filepath.Join("/dev", name)
		if info, err := os.Stat(dev); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("there is no such file, but a device %s: name that, or ./%s for a new file", dev, name)
		}
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &device{file: f, made: true}, nil
}

// check refuses a partition, and what the kernel or another device uses.
func (s system) check(name, number string) error {
	dir := filepath.Join(s.sys, "dev/block", number)
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return errors.New("it is a partition: a whole disk is wanted")
	}
	parts, err := partitions(dir)
	if err != nil {
		return fmt.Errorf("looking for partitions: %w", err)
	}
	// The number of each and what to call it.
	names := map[string]string{number: name}
	for part, number := range parts {
		names[number] = "/dev/" + filepath.Base(part)
	}
	for _, dir := range append([]string{dir}, sorted(parts)...) {
		holders, err := os.ReadDir(filepath.Join(dir, "holders"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(holders) > 0 {
			return fmt.Errorf("%w: %s belongs to %s", ErrBusy, filepath.Base(dir), holders[0].Name())
		}
	}
	mounts, err := os.ReadFile(filepath.Join(s.proc, "self/mountinfo"))
	if err != nil {
		return err
	}
	for _, m := range parseMounts(string(mounts)) {
		for number, device := range names {
			if m.number == number || m.source == device {
				return fmt.Errorf("%w: %s is mounted on %s", ErrBusy, device, m.dir)
			}
		}
	}
	swaps, err := os.ReadFile(filepath.Join(s.proc, "swaps"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(swaps)) {
		for _, device := range names {
			if strings.HasPrefix(line, device+" ") || strings.HasPrefix(line, device+"\t") {
				return fmt.Errorf("%w: %s is swap space", ErrBusy, device)
			}
		}
	}
	return nil
}

// partitions gives the sysfs directories of a disk's partitions with their numbers.
func partitions(dir string) (map[string]string, error) {
	found := map[string]string{}
	list, err := filepath.Glob(filepath.Join(dir, "*/partition"))
	for _, p := range list {
		part := filepath.Dir(p)
		number, err := os.ReadFile(filepath.Join(part, "dev"))
		if err != nil {
			return nil, err
		}
		found[part] = strings.TrimSpace(string(number))
	}
	return found, err
}

func sorted(m map[string]string) []string {
	var list []string
	for key := range m {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}

// backing gives the loop device that is made of a file, if there is one.
func (s system) backing(name string) (string, error) {
	list, err := filepath.Glob(filepath.Join(s.sys, "block/*/loop/backing_file"))
	if err != nil {
		return "", err
	}
	for _, f := range list {
		data, err := os.ReadFile(f)
		if err == nil && strings.TrimSuffix(string(data), "\n") == name {
			return "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(f))), nil
		}
	}
	return "", nil
}

// mount is a line of mountinfo (Linux, Documentation/filesystems/proc.rst §3.5).
type mount struct{ number, root, dir, kind, source string }

func parseMounts(text string) []mount {
	var list []mount
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if !ok || len(head) < 5 || len(tail) < 2 {
			continue
		}
		list = append(list, mount{head[2], unescapeMount(head[3]), unescapeMount(head[4]), tail[0], unescapeMount(tail[1])})
	}
	return list
}

// unescapeMount undoes \040 for a blank and the like.
func unescapeMount(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+4 <= len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// fits compares the disk with the image.
func (d *device) fits(i *image) error {
	if d.sector != i.sector {
		return fmt.Errorf("its sectors have %d bytes, those of the image %d", d.sector, i.sector)
	}
	if !d.block && d.size == 0 {
		return nil
	}
	if d.size < i.size {
		return fmt.Errorf("it has %s, the image needs %s", event.Bytes(d.size), event.Bytes(i.size))
	}
	return nil
}

// reread tells the kernel of the new partitions. Where it does not listen they
// are there at the next start.
func (d *device) reread() {
	if d.block {
		_ = unix.IoctlSetInt(int(d.file.Fd()), unix.BLKRRPART, 0)
	}
}
