package console

import (
	"context"
	"io"
	"sync"
)

// DefaultRing is how many bytes a Ring keeps when none is given: more than the
// longest boot prints.
const DefaultRing = 1 << 20

// Ring keeps the last bytes that were written to it, addressed by their offset
// from the first byte ever. Writes never block; a reader that lags behind loses
// bytes and is told so. The zero value is ready to use; it is safe for
// concurrent use.
type Ring struct {
	Size int // bytes to keep; 0 is DefaultRing

	mu     sync.Mutex
	buf    []byte // grows up to the size, then the byte at offset o is buf[o%size]
	end    int64  // offset behind the last byte
	floor  int64  // offset from which on newcomers are shown what is kept
	closed bool
	wake   chan struct{} // closed at the next write; nil when nobody waits
	done   chan struct{} // closed by Close; nil until somebody asks
}

// Write appends p. It never fails and never blocks.
func (r *Ring) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(p)
	r.notify()
	return len(p), nil
}

// append is Write without its lock.
func (r *Ring) append(p []byte) {
	size := r.size()
	if grow := min(size-len(r.buf), len(p)); grow > 0 {
		r.buf = append(r.buf, p[:grow]...)
		r.end += int64(grow)
		p = p[grow:]
	}
	if over := len(p) - size; over > 0 {
		r.end += int64(over)
		p = p[over:]
	}
	for len(p) > 0 {
		n := copy(r.buf[r.end%int64(size):], p)
		r.end += int64(n)
		p = p[n:]
	}
}

func (r *Ring) size() int {
	if r.Size <= 0 {
		return DefaultRing
	}
	return r.Size
}

// Close says that no more will be written; readers get io.EOF after the last byte.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && r.done != nil {
		close(r.done)
	}
	r.closed = true
	r.notify()
	return nil
}

// Closed is closed when no more will be written.
func (r *Ring) Closed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.closed {
			close(r.done)
		}
	}
	return r.done
}

// End is the offset behind the last byte written.
func (r *Ring) End() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end
}

// Start is the offset of the first byte that is still kept, and was not forgotten.
func (r *Ring) Start() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.end-int64(len(r.buf)), r.floor)
}

// Forget keeps what was written before an offset from those who come later, as
// the talk of programs with each other. Who reads already is not disturbed.
func (r *Ring) Forget(before int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.floor = max(r.floor, min(before, r.end))
}

// Read gives a copy of what was written from offset off on, and the offset from
// which to go on. It waits until there is something, ctx is done (its cause is
// the error) or the ring is closed and read (io.EOF). Bytes that are no longer
// kept are skipped: skipped is how many.
func (r *Ring) Read(ctx context.Context, off int64) (data []byte, next, skipped int64, err error) {
	skipped, err = r.wait(ctx, off, func(from int64) {
		data = make([]byte, r.end-from)
		r.copyTo(data, from)
	})
	return data, off + skipped + int64(len(data)), skipped, err
}

// ReadInto is Read of at most len(buf) bytes, which it puts into buf; n is how
// many. The offset to go on from is off+skipped+n.
func (r *Ring) ReadInto(ctx context.Context, buf []byte, off int64) (n int, skipped int64, err error) {
	skipped, err = r.wait(ctx, off, func(from int64) {
		n = int(min(r.end-from, int64(len(buf))))
		r.copyTo(buf[:n], from)
	})
	return n, skipped, err
}

// wait calls take with the lock held when there is something at off or behind it.
func (r *Ring) wait(ctx context.Context, off int64, take func(from int64)) (skipped int64, err error) {
	for {
		r.mu.Lock()
		if lost := r.end - int64(len(r.buf)) - off; lost > 0 {
			skipped += lost
			off += lost
		}
		if off < r.end {
			take(off)
			r.mu.Unlock()
			return skipped, nil
		}
		if r.closed {
			r.mu.Unlock()
			return skipped, io.EOF
		}
		if r.wake == nil {
			r.wake = make(chan struct{})
		}
		wake := r.wake
		r.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return skipped, context.Cause(ctx)
		}
	}
}

// copyTo fills dst with the bytes from offset from on, all of which are kept;
// r.mu is held.
func (r *Ring) copyTo(dst []byte, from int64) {
	at := int(from % int64(r.size()))
	n := copy(dst, r.buf[at:])
	copy(dst[n:], r.buf)
}

// notify wakes the readers; r.mu is held.
func (r *Ring) notify() {
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}
