package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TraceCommand is the first argument by which Trace starts Sandbox.Shim; the others are for TraceShim.
const TraceCommand = "sandbox-trace"

// probeName is what the shim looks for in vain, to see whether the tracer answers.
const probeName = "nosa-trace-probe"

// TraceShim becomes the program of args[1:] inside the sandbox, with a filter that reports its
// names to the Trace that started it over the socket args[0]. It returns only when it cannot; the
// program has not begun then.
func TraceShim(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("%s is started by nosa itself", TraceCommand)
	}
	socket, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("%s: %w", TraceCommand, err)
	}
	unix.CloseOnExec(socket)
	unix.CloseOnExec(socket + 1) // this program's own file
	runtime.LockOSThread()       // the filter is the thread's, which execve keeps
	if err := attach(socket); err != nil {
		_ = unix.Sendmsg(socket, []byte(err.Error()), nil, nil, 0)
		return err
	}
	return become(args[1:])
}

// attach installs the filter, sends its listener and waits for the first answer.
func attach(socket int) error {
	listener, err := installFilter(traceFilter(traceArch, slices.Sorted(maps.Keys(tracedCalls()))))
	if err != nil {
		return fmt.Errorf("installing a system call filter: %w", err)
	}
	err = unix.Sendmsg(socket, []byte{0}, unix.UnixRights(listener), nil, 0)
	_ = unix.Close(listener)
	if err != nil {
		return fmt.Errorf("sending the listener: %w", err)
	}
	// With ENOENT the tracer has read the name and the kernel has looked for it.
	if err := unix.Access(probeName, unix.F_OK); !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("asking the tracer: %w", err)
	}
	return nil
}

// installFilter gives the descriptor that the filter reports to (seccomp(2), seccomp_unotify(2)).
func installFilter(filter []unix.SockFilter) (int, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	install := func(flags uintptr) (int, error) {
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
		if errno != 0 {
			return -1, errno
		}
		return int(fd), nil
	}
	// Before Linux 5.19 a signal can interrupt a call that is being looked at.
	fd, err := install(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if errors.Is(err, unix.EINVAL) {
		fd, err = install(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	}
	return fd, err
}

// become looks for the program as execvp(3) does: by executing, so that the misses are reported.
func become(argv []string) error {
	if strings.Contains(argv[0], "/") {
		return fmt.Errorf("executing %s: %w", argv[0], syscall.Exec(argv[0], argv, os.Environ()))
	}
	found := error(unix.ENOENT)
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		err := syscall.Exec(filepath.Join(dir, argv[0]), argv, os.Environ())
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		case errors.Is(err, unix.EACCES):
			found = err
		default:
			return fmt.Errorf("executing %s: %w", argv[0], err)
		}
	}
	return fmt.Errorf("executing %s: %w", argv[0], found)
}
