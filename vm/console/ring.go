// Package console is what a virtual machine prints and who reads it: bounded
// memory, any number of readers, none of which can hold the guest up.
//
// It starts no machine; that is vm's.
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
	buf    []byte
	start  int64 // offset of buf[0]
	closed bool
	wake   chan struct{} // closed at the next write; nil when nobody waits
}

// Write appends p. It never fails and never blocks.
func (r *Ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := r.Size
	if size <= 0 {
		size = DefaultRing
	}
	r.buf = append(r.buf, p...)
	// Cut only when half as much again is there: a copy a byte would be quadratic.
	if len(r.buf) > size+size/2 {
		cut := len(r.buf) - size
		r.start += int64(cut)
		r.buf = append(make([]byte, 0, size+size/2), r.buf[cut:]...)
	}
	r.notify()
	return len(p), nil
}

// Close says that no more will be written; readers get io.EOF after the last byte.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.notify()
	return nil
}

// End is the offset behind the last byte written.
func (r *Ring) End() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.start + int64(len(r.buf))
}

// Read gives a copy of what was written from offset off on, and the offset from
// which to go on. It waits until there is something, ctx is done (its cause is
// the error) or the ring is closed and read (io.EOF). Bytes that are no longer
// kept are skipped: skipped is how many.
func (r *Ring) Read(ctx context.Context, off int64) (data []byte, next, skipped int64, err error) {
	for {
		r.mu.Lock()
		end := r.start + int64(len(r.buf))
		if off < r.start {
			skipped = r.start - off
			off = r.start
		}
		if off < end {
			data = append(data, r.buf[off-r.start:]...)
			r.mu.Unlock()
			return data, end, skipped, nil
		}
		if r.closed {
			r.mu.Unlock()
			return nil, off, skipped, io.EOF
		}
		if r.wake == nil {
			r.wake = make(chan struct{})
		}
		wake := r.wake
		r.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, off, skipped, context.Cause(ctx)
		}
	}
}

// notify wakes the readers; r.mu is held.
func (r *Ring) notify() {
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}
