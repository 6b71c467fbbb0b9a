package guest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/milestone"
)

// watch follows a guest's console beside everything else. It reads only, so
// others may use the console too.
type watch struct {
	changed chan struct{} // has an element when something changed
	cancel  context.CancelFunc
	done    chan struct{}

	mu    sync.Mutex
	state watched
}

// watched is what a watch knows.
type watched struct {
	boot    int
	began   time.Time      // of this boot
	reached milestone.Kind // in this boot
	prompt  time.Time      // of this boot; zero: not yet
	down    bool           // it goes down
	trouble Trouble
	why     string    // the line that gave the trouble away
	gone    bool      // the machine has ended
	heard   time.Time // the last byte
	line    string    // the last line
	tail    []string
	err     error // reading the console
}

// startWatch begins to follow the console, if there is one.
func startWatch(ctx context.Context, o WaitOptions) *watch {
	w := &watch{changed: make(chan struct{}, 1), done: make(chan struct{})}
	now := time.Now()
	w.state = watched{boot: 1, began: now, heard: now}
	if o.Up {
		w.state.prompt = now
	}
	ctx, w.cancel = context.WithCancel(ctx)
	if o.Console == nil {
		close(w.done)
		return w
	}
	go w.follow(ctx, o.Console.ring, o.Console.off)
	return w
}

func (w *watch) close() {
	w.cancel()
	<-w.done
}

// now is what is known.
func (w *watch) now() watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// follow reads until the machine ends.
func (w *watch) follow(ctx context.Context, ring *console.Ring, off int64) {
	defer close(w.done)
	start := time.Now()
	marks := milestone.New(func() time.Duration { return time.Since(start) }, w.mark)
	lines := &lineTail{}
	for {
		data, next, _, err := ring.Read(ctx, off)
		off = next
		w.mu.Lock()
		_, _ = marks.Write(data)
		w.state.heard = time.Now()
		if lines.add(data) {
			w.state.line, w.state.tail = lines.last(), lines.list()
		}
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, io.EOF):
			w.state.gone = true
		default:
			w.state.err = err
		}
		w.mu.Unlock()
		select {
		case w.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// mark takes a milestone; w.mu is held.
func (w *watch) mark(m milestone.Milestone) {
	s := &w.state
	if m.Boot > s.boot {
		*s = watched{boot: m.Boot, began: time.Now(), heard: s.heard, line: s.line, tail: s.tail}
	}
	switch m.Kind {
	case milestone.Login, milestone.MultiUser:
		if s.prompt.IsZero() {
			s.prompt = time.Now()
		}
	case milestone.Shutdown:
		s.down = true
		return
	case milestone.FailedUnit, milestone.IgnitionFailed: // the system may come up all the same
		return
	}
	t, ok := map[milestone.Kind]Trouble{
		milestone.Emergency: Emergency, milestone.Panic: Panic, milestone.LoaderFailed: BootLoader,
	}[m.Kind]
	if ok {
		s.trouble, s.why = t, m.Line
		return
	}
	s.reached = m.Kind
}

// linger waits until the console is quiet, for at most five seconds: what comes
// after the line that gave the trouble away often says more.
func (w *watch) linger(ctx context.Context, silence time.Duration) {
	quiet := min(time.Second, silence)
	end := time.After(5 * quiet)
	for {
		select {
		case <-w.changed:
			if w.now().gone {
				return
			}
		case <-time.After(quiet):
			return
		case <-end:
			return
		case <-ctx.Done():
			return
		}
	}
}

// lineTail keeps the last lines of what is written to it, cleaned, without
// empty ones.
type lineTail struct {
	raw   []byte // the current, unfinished line
	lines []string
}

// add takes what was printed and says whether there is something.
func (t *lineTail) add(data []byte) bool {
	for _, b := range data {
		if b != '\n' && len(t.raw) < maxLine {
			t.raw = append(t.raw, b)
			continue
		}
		t.keep(trimmed(string(t.raw)))
		t.raw = t.raw[:0]
	}
	return len(data) > 0
}

func (t *lineTail) keep(line string) {
	if line == "" || strings.HasPrefix(line, mark) {
		return
	}
	t.lines = append(t.lines, cut(line, maxText))
	if n := len(t.lines); n > 2*tailLines {
		t.lines = append([]string{}, t.lines[n-tailLines:]...)
	}
}

// last is the last line, maybe unfinished.
func (t *lineTail) last() string {
	if line := trimmed(string(t.raw)); line != "" {
		return cut(line, maxText)
	}
	if n := len(t.lines); n > 0 {
		return t.lines[n-1]
	}
	return ""
}

// list is the last lines, the unfinished one included.
func (t *lineTail) list() []string {
	list := append([]string{}, t.lines[max(0, len(t.lines)-tailLines):]...)
	if line := trimmed(string(t.raw)); line != "" {
		list = append(list, cut(line, maxText))
	}
	return list
}
