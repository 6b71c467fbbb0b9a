package console

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// chunk is how much output is sent in one frame: little enough that a reply does
// not wait long behind it.
const chunk = 32 << 10

// viewer is the server's side of one connection. Three goroutines serve it: one
// reads what it sends, one sends output, one sends everything else. Those that
// send wait for it if it does not read, and nothing waits for them.
type viewer struct {
	*conn

	server  *Server
	info    Viewer // fixed
	out     outbox
	line    *line         // its input
	slots   chan struct{} // of its requests
	asked   sync.WaitGroup
	shown   chan struct{} // closed when all output was sent
	ended   chan struct{} // closed when no more requests are taken
	skipped atomic.Int64
	typed   atomic.Int64 // when, in nanoseconds; 0 is never

	mu      sync.Mutex
	pending map[int64]context.CancelFunc // its requests
}

func newViewer(s *Server, c *conn, info Viewer) *viewer {
	v := &viewer{
		conn: c, server: s, info: info,
		slots:   make(chan struct{}, maxRequests),
		shown:   make(chan struct{}),
		ended:   make(chan struct{}),
		pending: map[int64]context.CancelFunc{},
	}
	v.out.more = make(chan struct{}, 1)
	v.line = s.input.line(&v.out)
	return v
}

func (v *viewer) describe() Viewer {
	d := v.info
	d.Skipped = v.skipped.Load()
	if at := v.typed.Load(); at != 0 {
		d.Typed = time.Unix(0, at)
	}
	return d
}

// run serves the viewer until it leaves, ctx is done or the farewell is said.
func (v *viewer) run(ctx context.Context, from int64) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		v.sendOutput(ctx, from)
	})
	all.Go(func() {
		v.sendOutbox(ctx)
		v.Close() // the reader ends too
	})
	v.read(ctx)
	cancel()
	v.Close()
	all.Wait()
	v.asked.Wait()
	v.line.leave()
}

// sendOutput sends what the machine prints, at the viewer's own pace.
func (v *viewer) sendOutput(ctx context.Context, off int64) {
	frame := make([]byte, headerLen+numberLen+chunk)
	frame[0] = byte(kindOutput)
	text := frame[headerLen+numberLen:]
	for {
		n, skipped, err := v.server.Ring.ReadInto(ctx, text, off)
		if skipped > 0 {
			v.skipped.Add(skipped)
			off += skipped
			if v.send(numberFrame(kindSkipped, skipped, "")) != nil {
				return
			}
		}
		if err != nil {
			if ctx.Err() == nil { // io.EOF
				close(v.shown)
			}
			return
		}
		binary.BigEndian.PutUint32(frame[1:], uint32(numberLen+n))
		binary.BigEndian.PutUint64(frame[headerLen:], uint64(off))
		if v.send(frame[:headerLen+numberLen+n]) != nil {
			return
		}
		off += int64(n)
	}
}

// sendOutbox sends everything else.
func (v *viewer) sendOutbox(ctx context.Context) {
	for {
		frames, last := v.out.take()
		for _, f := range frames {
			if v.send(f) != nil {
				return
			}
		}
		if last {
			return
		}
		if len(frames) > 0 {
			continue
		}
		select {
		case <-v.out.more:
		case <-ctx.Done():
			return
		}
	}
}

// farewell sends end after all output and all replies, or cuts the viewer off
// when ctx is done.
func (v *viewer) farewell(ctx context.Context, end []byte) {
	defer v.Close()
	gone := v.out.gone()
	select {
	case <-v.shown:
	case <-gone:
	case <-ctx.Done():
	}
	for range maxRequests { // all slots: nothing is asked any more
		select {
		case v.slots <- struct{}{}:
		case <-gone:
		case <-ctx.Done():
		}
	}
	close(v.ended)
	v.out.end(end)
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

// read takes what the viewer sends until it leaves or does not keep to the protocol.
func (v *viewer) read(ctx context.Context) {
	defer v.out.close()
	for {
		k, payload, err := v.receive()
		if err != nil || v.take(ctx, k, payload) != nil {
			return
		}
	}
}

// take handles one frame; an error ends the connection.
func (v *viewer) take(ctx context.Context, k kind, payload []byte) error {
	switch k {
	case kindInput:
		v.server.typed(v)
		return v.line.add(payload)
	case kindRequest:
		var r request
		if err := json.Unmarshal(payload, &r); err != nil {
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
		return v.ask(ctx, r)
	case kindCancel:
		var r request
		if err := json.Unmarshal(payload, &r); err != nil {
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
		v.mu.Lock()
		cancel := v.pending[r.ID]
		v.mu.Unlock()
		if cancel != nil {
			cancel()
		}
	}
	return nil
}

// ask runs a request beside everything else.
func (v *viewer) ask(ctx context.Context, r request) error {
	select {
	case v.slots <- struct{}{}:
	case <-v.ended:
		return nil // the end frame answers
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	v.mu.Lock()
	_, taken := v.pending[r.ID]
	v.pending[r.ID] = cancel
	v.mu.Unlock()
	if taken {
		cancel()
		return fmt.Errorf("%w: request %d twice", errMalformed, r.ID)
	}
	v.asked.Go(func() {
		defer cancel()
		f := v.server.control(ctx, r, v.describe())
		v.mu.Lock()
		delete(v.pending, r.ID)
		v.mu.Unlock()
		v.out.reply(f, func() { <-v.slots })
	})
	return nil
}
