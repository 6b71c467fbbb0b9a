package sandbox

import "golang.org/x/sys/unix"

// traceArch is what the kernel says of a native system call.
const traceArch = unix.AUDIT_ARCH_X86_64

// archCalls are the calls that newer architectures do without.
func archCalls() map[int32]tracedCall {
	calls := map[int32]tracedCall{
		unix.SYS_GETDENTS:  {kind: callList},
		unix.SYS_SYMLINK:   {names: []nameArg{{noDir, 1}}},
		unix.SYS_RENAME:    {names: []nameArg{{noDir, 0}, {noDir, 1}}},
		unix.SYS_LINK:      {names: []nameArg{{noDir, 0}, {noDir, 1}}},
		unix.SYS_FUTIMESAT: {names: []nameArg{{0, 1}}},
		unix.SYS_RENAMEAT:  {names: []nameArg{{0, 1}, {2, 3}}},
	}
	for _, nr := range []int32{
		unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK,
		unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_UNLINK, unix.SYS_MKNOD, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN,
		unix.SYS_UTIME, unix.SYS_UTIMES,
	} {
		calls[nr] = tracedCall{names: []nameArg{{noDir, 0}}}
	}
	return calls
}
