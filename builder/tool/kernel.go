package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

const kernelGroup = "kernel"

func kernelCheck(name string, state State, finding string) Check {
	return Check{Backend: Local, Group: kernelGroup, Name: name, State: state, Finding: finding}
}

// Fences says what the fence around a job is here: held is the strongest that
// holds, refused says of stronger ones why they do not.
func Fences(held proc.Fence, refused map[proc.Fence]string) []Check {
	return fences(held, refused, os.Geteuid())
}

// fences is Fences for a caller with that effective user id.
func fences(held proc.Fence, refused map[proc.Fence]string, euid int) []Check {
	users := kernelCheck("user namespace", OK, fmt.Sprintf("identity map of %d ids", proc.MappedIDs))
	switch {
	case held == proc.FencePID:
		users.State, users.Finding = Warn, "refused ("+refused[proc.FenceUser]+"): jobs run in the caller's"
	case held == proc.FenceReaper:
		users.State, users.Finding = Warn, "refused ("+refused[proc.FenceUser]+")"
	case euid != 0:
		users.State, users.Finding = Warn, "only the caller's own id is mapped"
	}
	if users.State != OK && euid == 0 {
		users.Fix = allowUserNamespaces(readLine, containerKind())
	}
	pids := kernelCheck("pid namespace", OK, "with a /proc of its own")
	switch held {
	case proc.FenceUser, proc.FencePID:
	case proc.FenceMounts:
		pids.State, pids.Finding = Warn, "no new /proc ("+refused[proc.FenceUser]+"): orphans of a killed job end with the container"
		pids.Fix = "podman run --security-opt unmask=ALL … (docker: systempaths=unconfined)"
	case proc.FenceReaper:
		pids.State, pids.Finding = Warn, "refused: programs of a job that is killed with -9 run on"
	}
	return []Check{users, pids}
}

// allowUserNamespaces is the command that lifts what forbids user namespaces:
// the first of the kernel's and the distributions' switches that is set against
// them; in a container it is the engine's seccomp filter; else "".
func allowUserNamespaces(read func(name string) string, container string) string {
	for _, s := range []struct{ name, forbids, allows string }{
		{"user/max_user_namespaces", "0", "15000"},
		{"kernel/unprivileged_userns_clone", "0", "1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
	} {
		if read("/proc/sys/"+s.name) == s.forbids {
			return "sysctl -w " + strings.ReplaceAll(s.name, "/", ".") + "=" + s.allows
		}
	}
	if container != "" {
		return "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …"
	}
	return ""
}

// netRawCapability is what setcap cap_net_raw+ep writes: revision 2 of struct
// vfs_cap_data with the effective flag (linux/capability.h), little-endian.
func netRawCapability() []byte {
	data := make([]byte, 20)
	data[0], data[3] = 1, 2 // VFS_CAP_FLAGS_EFFECTIVE, VFS_CAP_REVISION_2
	data[5] = 1 << (13 - 8) // CAP_NET_RAW is 13
	return data
}

// FileCapabilities sets security.capability on a file below dir. It is what
// unpacking packages needs, behind the fence of a job.
func FileCapabilities(dir string) Check {
	c := kernelCheck("file capabilities", OK, "security.capability can be set")
	if err := setAttribute(dir, "security.capability", netRawCapability()); err != nil {
		c.State, c.Finding = Absent, fmt.Sprintf("security.capability is refused (%v): packages with it cannot be unpacked", err)
		c.Fix = "podman run --cap-add SETFCAP … (in a container), or run as root"
	}
	return c
}

// UserAttributes sets a user.* attribute on a file below dir: the repository of
// trees keeps owner and mode of each file in one.
func UserAttributes(dir string) Check {
	c := kernelCheck("user xattrs", OK, "user.* can be set in the workspace")
	if err := setAttribute(dir, "user.nosa-probe", []byte("1")); err != nil {
		c.State, c.Finding = Absent, fmt.Sprintf("user.* is refused (%v): the OSTree repository needs it", err)
		c.Fix = "put the workspace on ext4, xfs or btrfs"
	}
	return c
}

func setAttribute(dir, name string, value []byte) error {
	f, err := os.CreateTemp(dir, "xattr-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	return errors.Join(unix.Setxattr(f.Name(), name, value, 0), f.Close())
}

// Reflink clones a file below dir (ioctl_ficlone(2)).
func Reflink(dir string) Check {
	c := kernelCheck("reflink", OK, "copies in the workspace share their blocks")
	err := reflink(dir)
	if err == nil {
		return c
	}
	c.State, c.Finding = Warn, "not on this filesystem: copies take time and space"
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOTTY) {
		c.Finding = fmt.Sprintf("refused (%v): copies take time and space", err)
	}
	c.Fix = "put the workspace on xfs or btrfs"
	return c
}

func reflink(dir string) error {
	from, err := os.CreateTemp(dir, "clone-")
	if err != nil {
		return err
	}
	defer func() { _ = from.Close(); _ = os.Remove(from.Name()) }()
	to, err := os.CreateTemp(dir, "clone-")
	if err != nil {
		return err
	}
	defer func() { _ = to.Close(); _ = os.Remove(to.Name()) }()
	if _, err := from.Write(make([]byte, 1<<16)); err != nil {
		return err
	}
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// Operations of seccomp(2) that ask only (linux/seccomp.h).
const (
	seccompGetActionAvail = 2
	seccompGetNotifSizes  = 3
	seccompRetUserNotif   = 0x7fc00000
)

// Seccomp asks whether a process can have another decide on its system calls.
func Seccomp() Check {
	c := kernelCheck("seccomp notify", OK, "a step's reads can be noted")
	action := uint32(seccompRetUserNotif)
	sizes := [3]uint16{}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, seccompGetActionAvail, 0, uintptr(unsafe.Pointer(&action)))
	if errno == 0 {
		_, _, errno = unix.Syscall(unix.SYS_SECCOMP, seccompGetNotifSizes, 0, uintptr(unsafe.Pointer(&sizes)))
	}
	if errno != 0 {
		c.State, c.Finding = Warn, fmt.Sprintf("refused (%v): what a step reads cannot be noted; it runs again more often", errno)
	}
	return c
}

// Loop looks for a free loop device, which only an xfs root needs.
func Loop() Check {
	c := kernelCheck("loop devices", OK, "")
	f, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err == nil {
		defer f.Close()
		var n int
		if n, err = unix.IoctlRetInt(int(f.Fd()), unix.LOOP_CTL_GET_FREE); err == nil {
			_, err = os.Stat(fmt.Sprintf("/dev/loop%d", n))
		}
		if err == nil {
			c.Finding = fmt.Sprintf("/dev/loop%d is free; an xfs root needs one", n)
			return c
		}
	}
	c.State, c.Finding = Warn, fmt.Sprintf("none (%s): no image with rootfs: xfs", reason(err))
	c.Fix = "modprobe loop (in a container: --device /dev/loop-control and --device /dev/loopN), or rootfs: ext4"
	return c
}

// The least inotify limits with which the workbench can follow a workspace with
// a config repository of thousands of directories, beside an editor or two.
const (
	leastWatches   = 8192
	leastInstances = 64
)

// Inotify compares the kernel's limits with what following a workspace takes.
func Inotify() Check {
	var watches, instances int
	_, _ = fmt.Sscan(readLine("/proc/sys/fs/inotify/max_user_watches"), &watches)
	_, _ = fmt.Sscan(readLine("/proc/sys/fs/inotify/max_user_instances"), &instances)
	return inotify(watches, instances)
}

func inotify(watches, instances int) Check {
	c := kernelCheck("inotify", OK, fmt.Sprintf("%d watches, %d instances", watches, instances))
	var settings []string
	if watches < leastWatches {
		settings = append(settings, fmt.Sprintf("fs.inotify.max_user_watches=%d", leastWatches))
	}
	if instances < leastInstances {
		settings = append(settings, fmt.Sprintf("fs.inotify.max_user_instances=%d", leastInstances))
	}
	if len(settings) > 0 {
		c.State, c.Fix = Warn, "sysctl -w "+strings.Join(settings, " ")
		c.Finding += ": the workbench may miss changes"
	}
	return c
}

// readLine is the first line of a file of the kernel; "" when it cannot be read.
func readLine(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}

// reason is the shortest true words for an error of a system call.
func reason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}
