package tui

import (
	"context"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

// posted is a message that carries an Event to the screens.
type posted struct{ event screen.Event }

// works is what goes on for the screens beside the model's own goroutine: the Do of
// Work and Follow effects. It owns their goroutines and their lives.
type works struct {
	life  context.Context // ends with the workbench
	pump  *pump
	guard *term.Guard                     // nil in tests
	timer func(time.Duration) *time.Timer // of what waits before it begins; tests have a quick one

	mu      sync.Mutex
	running map[string]*work // those that have a key
	busy    int              // finite ones that have not ended
	follows sync.WaitGroup
}

type work struct{ stop context.CancelFunc }

func newWorks(life context.Context, p *pump) *works {
	return &works{life: life, pump: p, timer: time.NewTimer, running: map[string]*work{}}
}

// begin makes the life of a new work, in place of an older one with the key.
func (w *works) begin(key string) (context.Context, *work) {
	ctx, stop := context.WithCancel(w.life)
	one := &work{stop: stop}
	w.mu.Lock()
	defer w.mu.Unlock()
	if key != "" {
		if older := w.running[key]; older != nil {
			older.stop()
		}
		w.running[key] = one
	}
	return ctx, one
}

// end says if the work is still the one of its key, and forgets it.
func (w *works) end(key string, one *work) bool {
	one.stop()
	if key == "" {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	current := w.running[key] == one
	if current {
		delete(w.running, key)
	}
	return current
}

// do runs a Work as a command of Bubble Tea.
func (w *works) do(effect screen.Work) tea.Cmd {
	ctx, one := w.begin(effect.Key)
	w.count(1)
	return func() tea.Msg {
		defer w.count(-1)
		if effect.After > 0 {
			timer := w.timer(effect.After)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			w.end(effect.Key, one)
			return posted{}
		}
		e := effect.Do(ctx)
		if !w.end(effect.Key, one) {
			return posted{}
		}
		return posted{e}
	}
}

func (w *works) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy += n
}

// idle says that no finite work is under way and nothing waits in the pump.
func (w *works) idle() bool {
	w.mu.Lock()
	busy := w.busy
	w.mu.Unlock()
	w.pump.mu.Lock()
	defer w.pump.mu.Unlock()
	return busy == 0 && len(w.pump.waiting) == 0
}

// follow runs a Follow in a goroutine of its own.
func (w *works) follow(effect screen.Follow) {
	ctx, one := w.begin(effect.Key)
	w.follows.Go(func() {
		if w.guard != nil {
			defer w.guard.Recover()
		}
		defer w.end(effect.Key, one)
		effect.Do(ctx, func(e screen.Event) {
			if ctx.Err() == nil {
				w.pump.post(e)
			}
		})
	})
}

func (w *works) unfollow(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.running[key]; one != nil {
		one.stop()
		delete(w.running, key)
	}
}

// wait is for the end: life has ended, and the goroutines are awaited.
func (w *works) wait() { w.follows.Wait() }
