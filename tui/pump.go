package tui

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nestos/nosa/tui/screen"
)

// Slot is the least time between two deliveries of the pump: 30 frames a second.
const slot = time.Second / 30

// frameMsg is what happened since the last frame.
type frameMsg struct{ events []screen.Event }

// pump is between what goes on in goroutines and the one of the model. Of what waits
// only the latest of each type (and PumpKey) is delivered, at most once a slot: however
// fast a log grows, the model gets as many messages as there are frames.
type pump struct {
	mu      sync.Mutex
	order   []string // keys, in the order in which they were first posted
	waiting map[string]screen.Event
	wake    chan struct{}
	hurry   chan struct{} // what waits answers a key
}

func newPump() *pump {
	return &pump{waiting: map[string]screen.Event{}, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
}

// post hands over a snapshot. It never blocks.
func (p *pump) post(e screen.Event) {
	if e == nil {
		return
	}
	key := fmt.Sprintf("%T", e)
	if k, ok := e.(screen.Keyed); ok {
		key += " " + k.PumpKey()
	}
	p.mu.Lock()
	if _, ok := p.waiting[key]; !ok {
		p.order = append(p.order, key)
	}
	p.waiting[key] = e
	p.mu.Unlock()
	if e, ok := e.(screen.Prompt); ok && e.Prompt() {
		ring(p.hurry)
	}
	ring(p.wake)
}

// ring wakes who waits; one ring is enough.
func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// take gives what waits, oldest first.
func (p *pump) take() []screen.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]screen.Event, 0, len(p.order))
	for _, key := range p.order {
		out = append(out, p.waiting[key])
	}
	p.order = p.order[:0]
	clear(p.waiting)
	return out
}

// run delivers until ctx ends. gap is the least time between two deliveries, asked
// for anew each time: a slow line gets fewer. What answers a key does not wait for it.
func (p *pump) run(ctx context.Context, gap func() time.Duration, send func([]screen.Event)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		if events := p.take(); len(events) > 0 {
			send(events)
		}
		timer.Reset(gap())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.hurry:
		}
	}
}
