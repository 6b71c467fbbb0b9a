package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// ErrXFS says that an xfs root cannot be made here: mkfs.xfs before 6.17 cannot
// fill it from a directory, so it takes a loop device and a mount, and the
// kernel mounts no xfs in a user namespace.
var ErrXFS = errors.New(`an xfs root filesystem needs real root, a loop device and a mount: run as root on a host that has them, or set "rootfs: ext4" in image.yaml`)

// checkXFS says before any work that xfs is out of reach.
func checkXFS() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w (the user is not root)", ErrXFS)
	}
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return fmt.Errorf("finding out about the user namespace: %w", err)
	}
	if !slices.Equal(strings.Fields(string(text)), []string{"0", "0", "4294967295"}) {
		return fmt.Errorf("%w (root is only that of a user namespace)", ErrXFS)
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return fmt.Errorf("%w (%v)", ErrXFS, err) //nolint:errorlint // the cause is for people
	}
	return nil
}

// writeXFS makes the filesystem f and fills it through a mount that nobody else
// sees and that ends with this process, as the loop device does. Its bytes are
// not the same twice: change and birth times are the kernel's.
func (v volume) writeXFS(ctx context.Context, f Filesystem, r *event.Reporter) error {
	f, err := f.complete(v.part.Name)
	if err != nil {
		return err
	}
	if f.Epoch.IsZero() {
		f.Epoch = v.epoch
	}
	stage, err := scan(f.Dir)
	if err != nil {
		return err
	}
	loop, err := v.loop(ctx)
	if err != nil {
		return fmt.Errorf("%w (%v)", ErrXFS, err) //nolint:errorlint // the cause is for people
	}
	defer loop.Close()
	if err := proc.Run(ctx, proc.Cmd{Args: v.mkfsXFSArgs(f, loop.Name()), Line: r.Line}); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		// The thread with the other mount namespace is never unlocked: it ends with this function.
		runtime.LockOSThread()
		done <- privately(v.dir, loop.Name(), func(dir string) error { return fillXFS(ctx, f, stage, dir) })
	}()
	return <-done
}

func (v volume) mkfsXFSArgs(f Filesystem, device string) []string {
	args := []string{
		"mkfs.xfs", "-q", "-f", "-K", "-L", f.Label, "-m", "reflink=1,crc=1,uuid=" + string(f.UUID),
		"-s", "size=" + strconv.FormatInt(int64(v.sector), 10), "-b", "size=4096",
	}
	return append(append(args, f.Args...), device)
}

// loop gives a loop device over the partition; it goes when it is closed and unmounted.
func (v volume) loop(ctx context.Context) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	image, err := os.OpenFile(filepath.Join(v.dir, v.file), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	config := unix.LoopConfig{
		Fd: uint32(image.Fd()), Size: uint32(v.sector),
		Info: unix.LoopInfo64{Offset: uint64(v.part.Start), Sizelimit: uint64(v.part.Size), Flags: unix.LO_FLAGS_AUTOCLEAR},
	}
	for ctx.Err() == nil {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("finding a free loop device: %w", err)
		}
		device, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // busy: another process took it in between
			return nil, fmt.Errorf("setting up %s: %w", device.Name(), err)
		}
	}
	return nil, context.Cause(ctx)
}

// privately mounts device below parent in a mount namespace of this thread and calls fill.
func privately(parent, device string, fill func(dir string) error) (err error) {
	dir, err := os.MkdirTemp(parent, ".xfs-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("%w (%v)", ErrXFS, err) //nolint:errorlint // the cause is for people
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount(device, dir, "xfs", unix.MS_NOATIME|unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("%w (mounting: %v)", ErrXFS, err) //nolint:errorlint // the cause is for people
	}
	defer func() { err = errors.Join(err, unix.Unmount(dir, 0)) }()
	return fill(dir)
}

// fillXFS copies the stage to dir and sets its metadata.
func fillXFS(ctx context.Context, f Filesystem, stage files, dir string) error {
	if err := proc.Run(ctx, proc.Cmd{Args: []string{"cp", "-a", "--sparse=auto", "-T", "--", f.Dir, dir}}); err != nil {
		return fmt.Errorf("copying the stage: %w", err)
	}
	if err := unix.Chown(dir, 0, 0); err != nil {
		return err
	}
	if err := unix.Chmod(dir, 0o755); err != nil {
		return err
	}
	list := make(map[string]*Inode, len(f.Inodes))
	for i := range f.Inodes {
		list[filepath.Clean("/"+f.Inodes[i].Path)] = &f.Inodes[i]
	}
	at := []unix.Timespec{{Sec: f.Epoch.Unix()}, {Sec: f.Epoch.Unix()}}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.Clean("/" + strings.TrimPrefix(path, dir))
		want := list[name]
		delete(list, name)
		if err := setMetadata(path, want, stage.dropped(name, want)); err != nil {
			return &fs.PathError{Op: "setting metadata of", Path: name, Err: err}
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, at, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &fs.PathError{Op: "setting times of", Path: name, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, i := range f.Inodes { // last: nothing below an immutable directory's name can change
		if i.Flags == 0 {
			continue
		}
		if err := setFlags(filepath.Join(dir, i.Path), i.Flags); err != nil {
			return &fs.PathError{Op: "setting flags of", Path: i.Path, Err: err}
		}
	}
	delete(list, "/lost+found") // ext4's own
	for _, path := range slices.Sorted(maps.Keys(list)) {
		return fmt.Errorf("metadata for %q: the stage has no such file", path)
	}
	return nil
}

// setMetadata sets what want says, if anything. The owner comes first: changing
// it takes away set-user-id bits and capabilities.
func setMetadata(path string, want *Inode, drop []string) error {
	for _, name := range drop {
		if err := unix.Lremovexattr(path, name); err != nil && !errors.Is(err, unix.ENODATA) {
			return err
		}
	}
	if want == nil {
		return nil
	}
	if err := unix.Lchown(path, int(want.UID), int(want.GID)); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	if kind := want.Mode & modeType; kind != 0 && kind != st.Mode&modeType {
		return fmt.Errorf("mode 0%o in the stage and 0%o in the list: not the same kind of file", st.Mode, want.Mode)
	}
	if st.Mode&modeType != unix.S_IFLNK {
		if err := unix.Chmod(path, want.Mode&^modeType); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want.Xattrs)) {
		if err := unix.Lsetxattr(path, name, want.Xattrs[name], 0); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// setFlags sets inode flags in addition to those that the file has (the bits of
// FS_IOC_SETFLAGS are ext4's).
func setFlags(path string, flags uint32) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	have, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(have|flags))
}
