package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Fence says what keeps the programs of a job together: all of them die when
// the first process inside dies, by kill -9 too.
type Fence string

// The fences, strongest first.
const (
	// FenceUser is a user, pid and mount namespace in which the caller's ids
	// mean the same (identity map): root there needs no capability outside.
	FenceUser Fence = "user+pid+mount namespaces"
	// FencePID is a pid and mount namespace, for a real root where user
	// namespaces are refused or unwanted (an xfs cannot be mounted in one).
	FencePID Fence = "pid+mount namespaces"
	// FenceReaper is a process that adopts and kills orphans, where no
	// namespace can be had. A kill -9 of it leaves its children alive.
	FenceReaper Fence = "sub-reaper"
)

// MappedIDs is how many user and group ids a FenceUser maps when root makes it.
const MappedIDs = 65536

// StartFenced starts cmd as the first process behind the strongest of the
// given fences that the kernel grants (all, when none is given) and says which
// that is. cmd gets SIGKILL when the calling thread's process dies. The caller
// must be on a locked OS thread until cmd has ended, and must Wait for it.
//
// Identity map and pid namespace were measured to work with a container's
// default capabilities, and to leave nothing behind after kill -9.
func StartFenced(cmd func() *exec.Cmd, fences ...Fence) (*exec.Cmd, Fence, error) {
	if len(fences) == 0 {
		fences = []Fence{FenceUser, FencePID, FenceReaper}
	}
	var errs []error
	for _, fence := range fences {
		c := cmd()
		c.SysProcAttr = fenceAttr(fence, os.Geteuid())
		c.Env = append(c.Env, "NOSA_FENCE="+string(fence))
		err := c.Start()
		if err == nil {
			return c, fence, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", fence, err))
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	return nil, "", fmt.Errorf("starting a fenced process: %w", errors.Join(errs...))
}

func fenceAttr(fence Fence, euid int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	switch fence {
	case FenceUser:
		attr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS
		size := MappedIDs
		if euid != 0 {
			size = 1 // without a sub-id range the kernel maps only the caller
		}
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: euid, Size: size}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: size}}
		attr.GidMappingsEnableSetgroups = euid == 0
	case FencePID:
		attr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	case FenceReaper:
	}
	return attr
}

// Init is the first process behind a fence: it starts argv, hands on SIGTERM,
// reaps what is orphaned, and ends with argv's exit status (128+n for signal
// n). When it ends the kernel kills all that is left in its pid namespace.
// lock is the descriptor of the job's lock or -1; it stays open here and in
// argv, and nowhere else.
func Init(argv []string, fence Fence, lock int) (int, error) {
	if fence == FenceReaper {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return 1, fmt.Errorf("becoming a sub-reaper: %w", err)
		}
	} else if err := ownMounts(); err != nil {
		return 1, err
	}
	runtime.LockOSThread()
	terms := make(chan os.Signal, 4)
	signal.Notify(terms, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	attr := &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	if lock >= 0 {
		attr.Files = append(attr.Files, uintptr(lock))
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return 1, fmt.Errorf("starting the worker: %w", err)
	}
	child, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 1, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	go func() {
		for range terms {
			_ = syscall.Kill(child, syscall.SIGTERM)
		}
	}()
	return reap(child)
}

// reap waits for every child, ours or adopted, until the given one has ended.
func reap(child int) (int, error) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 1, fmt.Errorf("waiting for the worker: %w", err)
		}
		if pid != child {
			continue
		}
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
}

// ownMounts cuts the mount namespace off from the one it was copied from and
// gives it a /proc of the new pid namespace where the kernel allows that (not
// below a container's masked /proc; then the old one stays, in which /proc/self
// still works).
func ownMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return fmt.Errorf("making mounts private: %w", err)
		}
	}
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}
