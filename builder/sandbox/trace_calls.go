package sandbox

import (
	"slices"

	"golang.org/x/sys/unix"
)

// What a system call's arguments name.
type callKind int

const (
	callPath    callKind = iota // names at the given arguments
	callExec                    // names a program
	callOpenHow                 // a name, and at argument 2 a struct open_how (openat2(2))
	callChroot                  // names a directory that becomes the root
	callList                    // lists the directory that is open as argument 0
)

// noDir is the dir of a name that is looked up from the working directory.
const noDir = -1

// nameArg says which arguments of a system call are a directory's descriptor and a name below it.
type nameArg struct{ dir, name int }

// tracedCall is a system call that the filter reports.
type tracedCall struct {
	kind  callKind
	names []nameArg
}

// tracedCalls are all system calls that take a path and every listing of a directory, by number.
// Sockets' names, and mounts, for which the sandbox has no capability, are left out.
func tracedCalls() map[int32]tracedCall {
	calls := archCalls()
	add := func(c tracedCall, numbers ...int32) {
		for _, nr := range numbers {
			calls[nr] = c
		}
	}
	first := nameArg{noDir, 0}
	add(tracedCall{kind: callList}, unix.SYS_GETDENTS64)
	add(tracedCall{kind: callExec, names: []nameArg{first}}, unix.SYS_EXECVE)
	add(tracedCall{kind: callExec, names: []nameArg{{0, 1}}}, unix.SYS_EXECVEAT)
	add(tracedCall{kind: callOpenHow, names: []nameArg{{0, 1}}}, unix.SYS_OPENAT2)
	add(tracedCall{kind: callChroot, names: []nameArg{first}}, unix.SYS_CHROOT)
	add(tracedCall{names: []nameArg{first}},
		unix.SYS_CHDIR, unix.SYS_STATFS, unix.SYS_TRUNCATE,
		unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR,
		unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR)
	add(tracedCall{names: []nameArg{{0, 1}}},
		unix.SYS_OPENAT, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT,
		unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_FILE_GETATTR, unix.SYS_FILE_SETATTR,
		unix.SYS_GETXATTRAT, unix.SYS_LISTXATTRAT, unix.SYS_SETXATTRAT, unix.SYS_REMOVEXATTRAT,
		unix.SYS_MKDIRAT, unix.SYS_MKNODAT, unix.SYS_UNLINKAT, unix.SYS_FCHOWNAT, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_UTIMENSAT)
	add(tracedCall{names: []nameArg{{1, 2}}}, unix.SYS_SYMLINKAT)
	add(tracedCall{names: []nameArg{{0, 1}, {2, 3}}}, unix.SYS_RENAMEAT2, unix.SYS_LINKAT)
	return calls
}

// Offsets in struct seccomp_data (linux/seccomp.h); of an argument the low half, as both
// architectures have it first.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// traceFilter is the program that reports the numbers and lets everything else pass at once.
// Calls of another architecture (32-bit programs) are reported too: their numbers mean something
// else, so the trace must not be trusted. An io_uring, whose operations no filter sees, cannot be
// had; programs do without, as on a kernel that has none.
//
// fstat(3) of glibc 2.33 to 2.38 is newfstatat(2) with an empty name and AT_EMPTY_PATH, a fourth of
// what dracut would have reported; it is let pass by its descriptor and flags, since no filter sees a name.
func traceFilter(arch uint32, numbers []int32) []unix.SockFilter {
	const load, equal, atLeast, anyBit, give = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K,
		unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	numbers = slices.DeleteFunc(slices.Clone(numbers), func(nr int32) bool { return nr == unix.SYS_NEWFSTATAT })
	n := len(numbers)
	// Where the three ends are, seen from an instruction.
	allow := func(at int) uint8 { return uint8(n + 10 - at - 1) }
	refuse := func(at int) uint8 { return allow(at) + 1 }
	report := func(at int) uint8 { return allow(at) + 2 }
	filter := []unix.SockFilter{
		{Code: load, K: dataArch},
		{Code: equal, K: arch, Jf: report(1)},
		{Code: load, K: dataNumber},
		{Code: atLeast, K: x32Bit, Jt: report(3)},
		{Code: equal, K: unix.SYS_IO_URING_SETUP, Jt: refuse(4)},
	}
	for _, nr := range numbers {
		filter = append(filter, unix.SockFilter{Code: equal, K: uint32(nr), Jt: report(len(filter))})
	}
	return append(filter,
		unix.SockFilter{Code: equal, K: unix.SYS_NEWFSTATAT, Jf: allow(n + 5)},
		unix.SockFilter{Code: load, K: dataArgs},
		unix.SockFilter{Code: anyBit, K: 1 << 31, Jt: report(n + 7)}, // AT_FDCWD
		unix.SockFilter{Code: load, K: dataArgs + 3*8},
		unix.SockFilter{Code: equal, K: unix.AT_EMPTY_PATH, Jf: report(n + 9)},
		unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		unix.SockFilter{Code: give, K: unix.SECCOMP_RET_USER_NOTIF},
	)
}

// x32Bit is set in the numbers of x86-64's x32 calls (asm/unistd.h); no other number is that high.
const x32Bit = 0x40000000
