package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/share"
)

// SocketName is the socket's name in the machine's directory.
const SocketName = "console.sock"

var (
	// ErrNoServer is a directory whose console nobody serves.
	ErrNoServer = errors.New("nobody serves this console")
	// ErrServed is a directory whose console is served by somebody else.
	ErrServed = errors.New("this console is already served")
)

// backlog is how many connections may wait to be accepted.
const backlog = 64

// connectPause is how long one waits where that is too many.
const connectPause = 10 * time.Millisecond

// Listen makes console.sock in dir. A socket that nobody serves any more is
// replaced, one that is served gives ErrServed. Its owner alone may connect; the
// group of dir too where that is shared (package share). dir may have any length.
// Close removes the socket.
func Listen(dir string) (net.Listener, error) {
	l, err := listen(dir)
	if err != nil {
		return nil, fmt.Errorf("making %s in %s: %w", SocketName, dir, err)
	}
	return l, nil
}

func listen(dir string) (*listener, error) {
	at, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	l := &listener{dir: at}
	if err := l.open(); err != nil {
		at.Close()
		return nil, err
	}
	return l, nil
}

// openDir holds a directory, so that it can be named by a short path.
func openDir(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// shortPath names a file in dir within the 108 bytes of sun_path (unix(7)).
func shortPath(dir *os.File, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + name
}

// listener removes its own socket at the end, and turns strangers away.
type listener struct {
	*net.UnixListener

	dir    *os.File
	inode  uint64
	shared bool // with the group
	once   sync.Once
}

func (l *listener) open() error {
	if err := l.vacant(); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), SocketName)
	defer f.Close()
	// The file gets the mode that the socket has now, so that it is never wider.
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	// Under another name until it answers.
	temp := "." + SocketName + "." + strconv.Itoa(os.Getpid())
	path := shortPath(l.dir, temp)
	os.Remove(path)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := l.publish(f, temp); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

// vacant is nil when the name is free or its socket is dead.
func (l *listener) vacant() error {
	path := shortPath(l.dir, SocketName)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("what is there is no socket")
	}
	probe, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err == nil {
		_ = probe.Close()
		return ErrServed
	}
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrServed, err)
}

// publish makes the bound socket answer and gives it its name.
func (l *listener) publish(f *os.File, temp string) error {
	path := shortPath(l.dir, temp)
	if err := l.give(path); err != nil {
		return err
	}
	if err := unix.Listen(int(f.Fd()), backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	made, err := net.FileListener(f)
	if err != nil {
		return err
	}
	if err := os.Rename(path, shortPath(l.dir, SocketName)); err != nil {
		_ = made.Close()
		return err
	}
	l.UnixListener = made.(*net.UnixListener)
	return nil
}

// give lets the group connect where the directory is shared. The name may lead elsewhere by now: only the socket
// that is open here, and ours, gets a mode.
func (l *listener) give(path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer func() { _ = unix.Close(fd) }()
	var sock unix.Stat_t
	if err := unix.Fstat(fd, &sock); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if sock.Mode&unix.S_IFMT != unix.S_IFSOCK || int(sock.Uid) != os.Geteuid() {
		return errors.New("somebody replaced it")
	}
	l.inode = sock.Ino
	info, err := l.dir.Stat()
	if err != nil {
		return err
	}
	grant := share.OfInfo(info)
	if !grant.Group {
		return nil
	}
	if int(sock.Gid) != grant.GID && unix.Fchownat(fd, "", -1, grant.GID, unix.AT_EMPTY_PATH) != nil {
		return nil // not a member: it stays ours alone
	}
	l.shared = true
	return os.Chmod("/proc/self/fd/"+strconv.Itoa(fd), grant.Socket())
}

// Accept gives the next connection of somebody who may connect.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if peer, err := peerOf(c); err == nil && l.admits(peer) {
			return c, nil
		}
		_ = c.Close()
	}
}

// overflowUID is what a user namespace shows for a user that it does not map
// (proc_sys_kernel(5)): the file's mode has decided about that one already.
const overflowUID = 65534

// admits is the second lock; the first is the mode of the socket.
func (l *listener) admits(peer unix.Ucred) bool {
	switch int(peer.Uid) {
	case 0, os.Geteuid(), overflowUID:
		return true
	}
	return l.shared
}

// Close ends it and removes the socket, if it is still this one.
func (l *listener) Close() error {
	var err error
	l.once.Do(func() {
		path := shortPath(l.dir, SocketName)
		var now unix.Stat_t
		if unix.Lstat(path, &now) == nil && now.Ino == l.inode {
			os.Remove(path)
		}
		err = l.UnixListener.Close()
		l.dir.Close()
	})
	return err
}

// peerOf is who is at the other end, as the kernel says.
func peerOf(c net.Conn) (unix.Ucred, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return unix.Ucred{}, errors.New("no unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return unix.Ucred{}, err
	}
	var cred *unix.Ucred
	var got error
	if err := raw.Control(func(fd uintptr) {
		cred, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return unix.Ucred{}, err
	}
	if got != nil {
		return unix.Ucred{}, os.NewSyscallError("getsockopt", got)
	}
	return *cred, nil
}

// connect opens the socket in dir.
func connect(ctx context.Context, dir string) (net.Conn, error) {
	at, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	var d net.Dialer
	for {
		c, err := d.DialContext(ctx, "unix", shortPath(at, SocketName))
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
			return nil, ErrNoServer
		case !errors.Is(err, unix.EAGAIN):
			return nil, err
		}
		select { // too many are waiting to be accepted
		case <-time.After(connectPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
