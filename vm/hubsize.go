package vm

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// OpSize tells the guest the size of the terminal that looks at its console
// (SizeArgs); it needs SizePort and what reads it in the guest.
const OpSize = "size"

// SizeArgs is the size of a terminal in characters.
type SizeArgs struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

// sizeSocket is the host's end of SizePort, in the machine's directory.
const sizeSocket = "size.sock"

// maxSide bounds a terminal's rows and columns.
const maxSide = 4096

// SizePort is the virtio port on which a guest learns the size of the terminal
// that looks at its console: a line "ROWS COLUMNS" at each change.
func SizePort(name string) Port { return Port{Name: name, Type: PortSocket, Path: sizeSocket} }

// resize tells the guest. A guest that does not read keeps only so much in the
// socket's buffer; what does not fit is lost, and the next change says it anew.
func (h *Hub) resize(ctx context.Context, s SizeArgs) error {
	if s.Cols < 1 || s.Rows < 1 || s.Cols > maxSide || s.Rows > maxSide {
		return fmt.Errorf("size %dx%d: want 1 to %d each", s.Cols, s.Rows, maxSide)
	}
	h.sizing.Lock()
	defer h.sizing.Unlock()
	if h.sizeTo == nil {
		c, err := dialIn(ctx, h.Machine.Dir, sizeSocket)
		if err != nil {
			return fmt.Errorf("this machine's console has no size: %w", err)
		}
		h.sizeTo = c
	}
	_ = h.sizeTo.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, err := fmt.Fprintf(h.sizeTo, "%d %d\n", s.Rows, s.Cols)
	if err != nil && !os.IsTimeout(err) {
		_ = h.sizeTo.Close()
		h.sizeTo = nil
		return fmt.Errorf("telling the guest its terminal's size: %w", err)
	}
	return nil
}

// dialIn connects to a socket in dir, whose path may be longer than sun_path.
func dialIn(ctx context.Context, dir, name string) (net.Conn, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	var d net.Dialer
	return d.DialContext(ctx, "unix", filepath.Join("/proc/self/fd", strconv.Itoa(fd), name))
}
