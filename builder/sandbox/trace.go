package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// ErrNoTrace is in the errors of Trace when the kernel, the container or the caller's lack of a
// Shim forbids to trace. The program has not begun then, so that the caller can Run it instead.
var ErrNoTrace = errors.New("a program in the sandbox cannot be traced here")

// ErrTraceGap is in the errors of Trace when the program has run and names may be missing, because
// it was a 32-bit one or changed to a user whose memory cannot be read.
var ErrTraceGap = errors.New("not all names of the traced program are known")

// Trace runs c in the sandbox as Run does and gives, sorted, each once, the absolute paths that its
// processes named to the kernel, as the sandbox sees them: opened, executed, looked up, read as
// links, made or removed, also in vain. The names are also given with an error of the program.
//
// A name is as the program gave it: links are not followed, and a ".." behind a name is still
// there, since that name may be a link. Relative names begin with the real path of their directory.
// A directory whose entries were listed is there with a slash at the end, by its real path.
// What the kernel itself reads to execute a file, the interpreter of a script and the loader of a
// program, is there too. Not there are: names of sockets, names that are given to fstatat(2) below a
// directory's descriptor with no flag but AT_EMPTY_PATH, which is how empty ones look, what is told by descriptors from outside,
// names below a mount that a program made in a user namespace of its own, and everything that has
// no name, as the kernel's version or the clock.
//
// It is a seccomp filter whose reports are answered when the name has been read (seccomp_unotify(2),
// Linux 5.6), so a program with several threads that rewrites a name meanwhile could hide it.
func (s Sandbox) Trace(ctx context.Context, c proc.Cmd) ([]string, error) {
	if s.Shim == "" || traceArch == 0 {
		return nil, fmt.Errorf("%w: no shim, or none for this architecture", ErrNoTrace)
	}
	shim, err := os.Open(s.Shim)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoTrace, err)
	}
	defer shim.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: making a socket: %w", ErrNoTrace, err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "trace socket")
	defer theirs.Close()
	t := newTracer(pair[0])
	var wg sync.WaitGroup
	wg.Go(t.serve)
	// The shim is executed from its descriptor: nothing of it is seen in the sandbox.
	argv, fd := c.Args, 3+len(c.ExtraFiles)
	c.ExtraFiles = append(slices.Clone(c.ExtraFiles), theirs, shim)
	c.Args = append([]string{"/proc/self/fd/" + strconv.Itoa(fd+1), TraceCommand, strconv.Itoa(fd)}, argv...)
	err = named(s.Run(ctx, c), argv)
	// What the program has left behind is dying with the pid namespace.
	_ = unix.Shutdown(pair[0], unix.SHUT_RDWR)
	wg.Wait()
	_ = unix.Close(pair[0])
	if !t.attached {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", ErrNoTrace, errors.Join(t.refused, t.gap, err))
	}
	if t.gap != nil {
		err = errors.Join(err, fmt.Errorf("%w: %w", ErrTraceGap, t.gap))
	}
	return t.tidy(), err
}
