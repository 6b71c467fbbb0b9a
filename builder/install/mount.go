package install

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/disk"
)

// mounted calls do with the filesystem of a partition of f, mounted where nobody
// else sees it. The kernel need not know the partition: a loop device is laid over
// it, so that nothing has to be waited for and a file will do as well.
func mounted(f *os.File, part disk.Partition, do func(*os.Root) error) error {
	done := make(chan error, 1)
	go func() {
		// The thread with the other mount namespace is never unlocked: it ends with this function.
		runtime.LockOSThread()
		done <- privately(f, part, do)
	}()
	return <-done
}

func privately(f *os.File, part disk.Partition, do func(*os.Root) error) (err error) {
	loop, err := attach(f, part)
	if err != nil {
		return fmt.Errorf("making a device of the partition: %w", err)
	}
	defer func() { err = errors.Join(err, loop.Close()) }()
	dir, err := os.MkdirTemp("", "nestos-installer-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount(loop.Name(), dir, "ext4", unix.MS_NOATIME|unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting the partition: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(dir, 0)) }()
	return within(dir, do)
}

// within calls do with a directory, and writes it to the disk afterwards.
func within(dir string, do func(*os.Root) error) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := do(root); err != nil {
		return err
	}
	at, err := root.Open(".")
	if err != nil {
		return err
	}
	defer at.Close()
	if err := unix.Syncfs(int(at.Fd())); err != nil {
		return fmt.Errorf("writing the partition: %w", err)
	}
	return nil
}

// attach gives a loop device over the partition; it goes when it is closed and unmounted.
func attach(f *os.File, part disk.Partition) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	config := unix.LoopConfig{
		Fd:   uint32(f.Fd()),
		Info: unix.LoopInfo64{Offset: uint64(part.Start), Sizelimit: uint64(part.Size), Flags: unix.LO_FLAGS_AUTOCLEAR},
	}
	for range 100 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("finding a free loop device: %w", err)
		}
		name := "/dev/loop" + strconv.Itoa(n)
		device, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // busy: another process took it in between
			return nil, fmt.Errorf("setting up %s: %w", filepath.Base(name), err)
		}
	}
	return nil, errors.New("other processes take every free loop device")
}
