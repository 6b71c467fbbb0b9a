package sandbox

import "golang.org/x/sys/unix"

// traceArch is what the kernel says of a native system call.
const traceArch = unix.AUDIT_ARCH_AARCH64

// archCalls are the calls that only this architecture has.
func archCalls() map[int32]tracedCall {
	return map[int32]tracedCall{unix.SYS_RENAMEAT: {names: []nameArg{{0, 1}, {2, 3}}}}
}
