package serial

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/event"
)

const (
	// mostTyped is how many bytes wait for a guest that reads nothing; more are lost, and that is said.
	mostTyped = 1 << 20
	// mostReplies is how many bytes of answers wait at most: a guest that only asks reads none.
	mostReplies = 4 << 10
	// requestWithin is how long a request to the hub may take.
	requestWithin = 10 * time.Second
)

// typist sends to the guest what is typed, so that nobody waits for a guest that reads nothing. The zero
// value with a wake is ready.
type typist struct {
	wake chan struct{}

	mu       sync.Mutex
	waiting  []byte
	attached bool // we have the keyboard
	claim    bool // say so
	size     size // wanted
	told     size // to the hub
	asks     []string
}

// size is that of a terminal.
type size struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

func (t *typist) ring() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// add types; ok is false when it was too much.
func (t *typist) add(p []byte) (ok bool) {
	t.mu.Lock()
	if ok = len(t.waiting)+len(p) <= mostTyped; ok {
		t.waiting = append(t.waiting, p...)
	}
	t.mu.Unlock()
	t.ring()
	return ok
}

// reply types an answer of the terminal, if there is room.
func (t *typist) reply(p []byte) {
	t.mu.Lock()
	if len(t.waiting)+len(p) <= mostReplies {
		t.waiting = append(t.waiting, p...)
	}
	t.mu.Unlock()
	t.ring()
}

// hold takes the keyboard, or lays it down.
func (t *typist) hold(s size) {
	t.mu.Lock()
	t.attached, t.claim, t.size, t.told = true, true, s, size{}
	t.mu.Unlock()
	t.ring()
}

func (t *typist) lay() {
	t.mu.Lock()
	t.attached = false
	t.mu.Unlock()
}

func (t *typist) has() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.attached
}

// resize notes the size of the pane; while attached the hub is told.
func (t *typist) resize(s size) {
	t.mu.Lock()
	changed := t.size != s
	t.size = s
	t.mu.Unlock()
	if changed {
		t.ring()
	}
}

// ask asks the hub for something.
func (t *typist) ask(op string) {
	t.mu.Lock()
	if len(t.asks) < 8 {
		t.asks = append(t.asks, op)
	}
	t.mu.Unlock()
	t.ring()
}

// work is what there is to do.
type work struct {
	typed []byte
	claim bool
	size  *size
	asks  []string
}

func (t *typist) take() work {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := work{typed: t.waiting, claim: t.claim, asks: t.asks}
	t.waiting, t.claim, t.asks = nil, false, nil
	if s := t.size; t.attached && s != t.told && s.Cols > 0 && s.Rows > 0 {
		t.told, w.size = s, &s
	}
	return w
}

// forget drops what waits: it was typed for a connection that is no more.
func (t *typist) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting, t.asks = nil, nil
	t.claim, t.told = t.attached, size{}
}

// run types until ctx ends.
func (t *typist) run(ctx context.Context, c *console.Client, say func(screen.Level, string)) {
	var all sync.WaitGroup
	defer all.Wait()
	t.forget()
	for ctx.Err() == nil {
		w := t.take()
		if w.claim {
			_ = c.Claim() // a connection that is lost is seen elsewhere
		}
		if w.size != nil {
			all.Go(func() { t.tell(ctx, c, *w.size) })
		}
		for _, op := range w.asks {
			all.Go(func() {
				asking, cancel := context.WithTimeout(ctx, requestWithin)
				defer cancel()
				if err := c.Do(asking, console.Request{Op: op}, nil); err != nil && ctx.Err() == nil {
					say(screen.Warn, event.Clean(err.Error()))
				}
			})
		}
		if len(w.typed) > 0 {
			if _, err := c.WriteContext(ctx, w.typed); err != nil && ctx.Err() == nil {
				say(screen.Warn, event.Clean(err.Error()))
			}
			continue
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
		}
	}
}

// tell tells the guest the size of the pane; one that takes none is no worse than before.
func (t *typist) tell(ctx context.Context, c *console.Client, s size) {
	args, err := json.Marshal(s)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	_ = c.Do(ctx, console.Request{Op: "size", Args: args}, nil)
}
