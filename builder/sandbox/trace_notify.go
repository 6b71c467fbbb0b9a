package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif, with struct seccomp_data from number on (linux/seccomp.h).
type notification struct {
	id      uint64
	pid     uint32 // of the thread, in our pid namespace
	flags   uint32
	number  int32
	arch    uint32
	counter uint64
	args    [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// notifySetFlags is SECCOMP_IOCTL_NOTIF_SET_FLAGS (Linux 6.6).
const notifySetFlags = 0x40082104

// tracer answers the filter's reports. Its fields are read when serve has ended.
type tracer struct {
	nameSet
	calls    map[int32]tracedCall
	socket   int
	listener int
	probed   bool
	rooted   bool  // a process has called chroot(2)
	attached bool  // the program has begun
	refused  error // why it has not
	gap      error // why names may be missing
}

func newTracer(socket int) *tracer {
	return &tracer{
		nameSet: newNameSet(), calls: tracedCalls(), socket: socket, listener: -1,
		refused: errors.New("the shim has not called back"),
	}
}

// serve waits for the shim and answers until the socket is shut down or all processes have ended.
func (t *tracer) serve() {
	if t.message(); t.listener < 0 {
		return
	}
	// Else those who are still there would wait for ever.
	defer func() { _ = unix.Close(t.listener) }()
	// The two never run at the same time, so waking on the same CPU is quicker. Not all kernels can.
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(t.listener), notifySetFlags, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	fds := []unix.PollFd{{Fd: int32(t.listener), Events: unix.POLLIN}, {Fd: int32(t.socket), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			t.gap = err
			return
		case fds[0].Revents&unix.POLLIN != 0:
			if err := t.answer(); err != nil {
				t.gap = err
				return
			}
		case fds[1].Revents != 0:
			t.message()
			return
		case fds[0].Revents != 0:
			return
		}
	}
}

// message takes the listener or the reason why there is none; nothing is an end.
func (t *tracer) message() {
	text, rights := make([]byte, 512), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(t.socket, text, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n <= 0 {
		return
	}
	if m == 0 {
		t.refused = errors.New(string(text[:n]))
		return
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil || len(messages) != 1 {
		return
	}
	if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
		t.listener = fds[0]
	}
}

func (t *tracer) control(request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.listener), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// answer lets one process go on as soon as what it names has been read. An error ends the trace.
func (t *tracer) answer() error {
	n := notification{}
	err := t.control(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) {
		return nil // a signal came first
	}
	if err != nil {
		return fmt.Errorf("receiving a notification: %w", err)
	}
	r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if !t.probed {
		return t.probe(&n, r)
	}
	names, err := t.read(&n)
	if err != nil && t.gap == nil {
		t.gap = err
	}
	err = t.control(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	for _, name := range names {
		t.names[name] = struct{}{}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("answering a notification: %w", err)
	}
	return nil
}

// probe answers the shim's own look-up: with an error, which the shim takes for a refusal, if
// anything that a trace needs does not work.
func (t *tracer) probe(n *notification, r response) error {
	t.probed = true
	t.refused = t.check(n)
	if t.refused == nil {
		err := t.control(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
		if !errors.Is(err, unix.EINVAL) {
			return err
		}
		t.refused = errors.New("the kernel cannot continue a system call (Linux 5.5)")
	}
	r.flags, r.errno = 0, -int32(unix.EOPNOTSUPP)
	return t.control(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}

// check does with the shim's look-up all that a trace needs.
func (t *tracer) check(n *notification) error {
	call, known := t.calls[n.number]
	if !known || len(call.names) != 1 || n.arch != traceArch {
		return fmt.Errorf("the filter reports %d of %#x", n.number, n.arch)
	}
	p := process{pid: n.pid}
	name, err := p.text(n.args[call.names[0].name])
	if err != nil {
		return fmt.Errorf("reading from the sandbox: %w", err)
	}
	if name != probeName {
		return fmt.Errorf("the sandbox names %q", name)
	}
	if _, err := p.link("cwd"); err != nil {
		return fmt.Errorf("reading links of the sandbox's processes: %w", err)
	}
	root, err := p.open("/")
	if err != nil {
		return fmt.Errorf("opening a file in the sandbox: %w", err)
	}
	return root.Close()
}

// read gives the absolute names of a call. The error says that some could not be read.
func (t *tracer) read(n *notification) ([]string, error) {
	call, known := t.calls[n.number]
	if n.arch != traceArch || !known || n.pid == 0 {
		return nil, fmt.Errorf("process %d: call %d of architecture %#x", n.pid, n.number, n.arch)
	}
	p := process{pid: n.pid, rooted: t.rooted}
	switch call.kind {
	case callList:
		dir, err := p.dir(int32(n.args[0]))
		if dir != "" {
			t.listed[dir] = struct{}{}
		}
		return nil, err
	case callChroot:
		t.rooted = true
	case callExec:
		t.attached = true
	}
	var names []string
	var errs []error
	for _, arg := range call.names {
		name, err := p.name(n, call.kind, arg)
		if err != nil {
			errs = append(errs, fmt.Errorf("process %d, call %d: %w", n.pid, n.number, err))
		}
		if name == "" {
			continue
		}
		names = append(names, name)
		if own := p.own(name); own != "" {
			name = own
			names = append(names, own)
		}
		if call.kind == callExec {
			t.addProgram(p, name)
		}
	}
	return names, errors.Join(errs...)
}

// name is the absolute one that a call's arguments give, or nothing when they name nothing.
func (p process) name(n *notification, kind callKind, arg nameArg) (string, error) {
	if n.args[arg.name] == 0 {
		return "", nil
	}
	name, err := p.text(n.args[arg.name])
	if err != nil || name == "" {
		return "", err
	}
	fd := int32(unix.AT_FDCWD)
	if arg.dir != noDir {
		fd = int32(n.args[arg.dir])
	}
	below := kind == callOpenHow && p.inRoot(n.args[2])
	if name[0] == '/' && !below {
		root, err := p.root()
		return root + name, err
	}
	dir, err := p.dir(fd)
	if err != nil || dir == "" {
		return "", err
	}
	return join(dir, name), nil
}

// inRoot says whether a struct open_how makes the directory the root of the look-up.
func (p process) inRoot(at uint64) bool {
	how := unix.OpenHow{}
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&how)), unix.SizeofOpenHow)
	n, err := p.read(at, raw)
	return err == nil && n == len(raw) && how.Resolve&unix.RESOLVE_IN_ROOT != 0
}
