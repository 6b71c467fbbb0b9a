package console

import "sync"

// maxEvents is how many events wait for a viewer that does not read.
const maxEvents = 256

// outbox is what waits to be sent to a viewer, apart from output. Its size is
// bounded: replies by the requests that may run at a time, events by dropping
// the oldest, what was taken of input by being one number.
type outbox struct {
	more chan struct{} // has room for one

	mu      sync.Mutex
	replies []waiting
	events  [][]byte
	dropped int64 // events
	taken   int64 // bytes of input
	lost    string
	last    []byte // the end frame
	over    chan struct{}
	closed  bool
}

// waiting is a reply; sent is called when it is on its way.
type waiting struct {
	frame []byte
	sent  func()
}

func (o *outbox) wake() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

func (o *outbox) reply(frame []byte, sent func()) {
	o.mu.Lock()
	o.replies = append(o.replies, waiting{frame, sent})
	o.mu.Unlock()
	o.wake()
}

func (o *outbox) event(frame []byte) {
	o.mu.Lock()
	if len(o.events) == maxEvents {
		o.events = append(o.events[:0], o.events[1:]...)
		o.dropped++
	}
	o.events = append(o.events, frame)
	o.mu.Unlock()
	o.wake()
}

// took says that n bytes of input were taken; err is why they were lost, or nil.
func (o *outbox) took(n int, err error) {
	o.mu.Lock()
	o.taken += int64(n)
	if err != nil {
		o.lost = err.Error()
	}
	o.mu.Unlock()
	o.wake()
}

// end puts the last frame behind everything.
func (o *outbox) end(frame []byte) {
	o.mu.Lock()
	o.last = frame
	o.mu.Unlock()
	o.wake()
}

// gone is closed when the viewer has left.
func (o *outbox) gone() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over == nil {
		o.over = make(chan struct{})
		if o.closed {
			close(o.over)
		}
	}
	return o.over
}

// close says that the viewer has left.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed && o.over != nil {
		close(o.over)
	}
	o.closed = true
}

// take gives what waits; last is true when the end is among it.
func (o *outbox) take() (frames [][]byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken > 0 {
		frames = append(frames, numberFrame(kindTaken, o.taken, o.lost))
		o.taken, o.lost = 0, ""
	}
	for _, r := range o.replies {
		frames = append(frames, r.frame)
		r.sent()
	}
	if o.dropped > 0 {
		frames = append(frames, numberFrame(kindDropped, o.dropped, ""))
		o.dropped = 0
	}
	frames = append(frames, o.events...)
	o.replies, o.events = nil, nil
	if o.last != nil {
		return append(frames, o.last), true
	}
	return frames, false
}
