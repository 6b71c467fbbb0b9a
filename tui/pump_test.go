package tui

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
)

type (
	countEvent int
	otherEvent string
	keyedEvent struct {
		key string
		n   int
	}
)

func (k keyedEvent) PumpKey() string { return k.key }

// Only the latest of each type and key waits, in the order of the first.
func TestPumpKeepsTheLatest(t *testing.T) {
	p := newPump()
	for i := range 1000 {
		p.post(countEvent(i))
		p.post(keyedEvent{"a", i})
	}
	p.post(otherEvent("x"))
	p.post(keyedEvent{"b", 1})
	p.post(nil)
	want := []screen.Event{countEvent(999), keyedEvent{"a", 999}, otherEvent("x"), keyedEvent{"b", 1}}
	if diff := cmp.Diff(want, p.take(), cmp.AllowUnexported(keyedEvent{})); diff != "" {
		t.Error(diff)
	}
	if again := p.take(); len(again) != 0 {
		t.Errorf("taken twice: %v", again)
	}
}

// However fast things are posted, at most 30 deliveries a second come of them, and the last is never lost.
func TestPumpPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		p := newPump()
		var mu sync.Mutex
		var deliveries int
		var last screen.Event
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.run(ctx, func() time.Duration { return slot }, func(events []screen.Event) {
				mu.Lock()
				defer mu.Unlock()
				deliveries++
				last = events[len(events)-1]
			})
		}()
		for i := range 10_000 {
			p.post(countEvent(i))
			time.Sleep(100 * time.Microsecond) // virtual
		}
		time.Sleep(time.Second)
		mu.Lock()
		if deliveries < 25 || deliveries > 31 {
			t.Errorf("%d deliveries in a second", deliveries)
		}
		if last != countEvent(9999) {
			t.Errorf("the last one delivered is %v", last)
		}
		mu.Unlock()
		stop()
		<-done
	})
}

type promptEvent bool

func (p promptEvent) Prompt() bool { return bool(p) }

// What answers a key is delivered at once, what does not waits for its slot.
func TestPumpPrompt(t *testing.T) {
	for prompt, want := range map[promptEvent]time.Duration{true: 5 * time.Millisecond, false: slot} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			p := newPump()
			start := time.Now()
			var at []time.Duration
			done := make(chan struct{})
			go func() {
				defer close(done)
				p.run(ctx, func() time.Duration { return slot }, func([]screen.Event) { at = append(at, time.Since(start)) })
			}()
			p.post(countEvent(1))
			time.Sleep(5 * time.Millisecond) // virtual
			p.post(prompt)
			time.Sleep(time.Second)
			stop()
			<-done
			if diff := cmp.Diff([]time.Duration{0, want}, at); diff != "" {
				t.Errorf("prompt %v: %s", prompt, diff)
			}
		})
	}
}
