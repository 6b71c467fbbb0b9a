package serial

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/vt"
	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

const (
	// history is how many bytes that were printed before are shown of a machine that runs, all that its hub has, and
	// logged of one that has ended: what is drawn in some 50 ms.
	history = 1 << 20
	logged  = 2 << 20
	// piece is how much is drawn at a time: others get at the screen between.
	piece = 8 << 10
	// typesFor is how long somebody is said to be typing.
	typesFor = 3 * time.Second
	// promptFor is how long after a key what is printed counts as its answer, and promptEvery how often.
	promptFor   = 100 * time.Millisecond
	promptEvery = 8 * time.Millisecond
	// gather is how long output waits for more, where there was some no longer ago: what is printed all
	// the time is drawn a few times a frame and not for each of its pieces.
	gather = 15 * time.Millisecond
	// redial is the least time between two tries to reach a hub.
	redial = 250 * time.Millisecond
)

// Link is how a console is reached.
type Link string

// The links.
const (
	Connecting Link = "connecting" // nobody answers yet, or no longer
	Live       Link = "live"
	Ended      Link = "ended" // only its log is left
)

// Status is how a console stands.
type Status struct {
	Link    Link
	Why     string           // how the machine ended, or why it cannot be reached; "" is not known
	Others  []console.Viewer // who else looks, and may type
	Typing  string           // who else types just now; "" is nobody
	Skipped int64            // bytes of output that were lost because we were too slow
	Lost    int64            // bytes that were typed and never taken
	ours    bool             // we typed last, or said that we will
}

// News is that the console has changed: the View should be drawn.
type News struct {
	source *Source
	prompt bool
}

// Prompt says that this answers a key.
func (n News) Prompt() bool { return n.prompt }

// PumpKey tells those of several consoles apart.
func (n News) PumpKey() string { return n.source.dir }

// Source reads the console of one View. Its Follow runs in its own goroutine.
type Source struct {
	dir    string
	as     console.Viewer
	screen *vt.Screen
	turn   sync.Mutex // held by Follow
	read   int64      // bytes since power-on that have been read; Follow's
	began  bool       // something has been shown; Follow's
	noted  time.Time  // when skipped output was said; Follow's
	posted time.Time  // the last prompt; Follow's
	drawn  atomic.Bool
	keyed  atomic.Int64 // when a key was typed last, in nanoseconds

	mu      sync.Mutex
	st      Status
	notices []screen.Notice
	typist  typist
}

func newSource(o Options, s *vt.Screen) *Source {
	src := &Source{dir: o.Dir, as: console.Viewer{Name: o.Name, User: o.User}, screen: s}
	src.st.Link = Connecting
	src.typist.wake = make(chan struct{}, 1)
	src.drawn.Store(true)
	return src
}

func (s *Source) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.st
	st.Others = slices.Clone(st.Others)
	return st
}

func (s *Source) live() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.Link == Live
}

// change changes the status and says so.
func (s *Source) change(post func(screen.Event), edit func(*Status)) {
	s.mu.Lock()
	edit(&s.st)
	s.mu.Unlock()
	s.drawn.Store(false)
	post(News{source: s})
}

// takeNotices gives what should be said, once.
func (s *Source) takeNotices() []screen.Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []screen.Effect
	for _, n := range s.notices {
		out = append(out, n)
	}
	s.notices = nil
	return out
}

func (s *Source) notice(level screen.Level, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notices) < 8 {
		s.notices = append(s.notices, screen.Notice{Level: level, Text: text})
	}
}

// Follow shows what the guest prints and types what is typed until ctx ends. It comes back to a hub that
// it lost, from where it was; of a machine that has ended it shows the log. News tell of changes: after one none
// comes before the View was drawn, unless it answers a key or says how the console stands.
func (s *Source) Follow(ctx context.Context, post func(screen.Event)) {
	s.turn.Lock()
	defer s.turn.Unlock()
	for ctx.Err() == nil {
		c, err := console.DialAs(ctx, s.dir, s.as, s.from())
		if err == nil {
			s.connected(ctx, c, post)
			_ = c.Close()
		} else if s.unreached(ctx, err, post) {
			<-ctx.Done()
			return
		}
		pause(ctx, redial)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// from is from where on output is wanted.
func (s *Source) from() int64 {
	if s.began {
		return s.read
	}
	return -history
}

// unreached says why nobody answers; over is true when nobody will any more, and then the log is shown.
func (s *Source) unreached(ctx context.Context, err error, post func(screen.Event)) (over bool) {
	if ctx.Err() != nil {
		return false
	}
	s.mu.Lock()
	known := s.st
	s.mu.Unlock()
	e, found := machine.Look(s.dir)
	switch {
	case known.Link == Ended:
		over = true
	case found == nil && e.Live():
		why := ""
		if !errors.Is(err, console.ErrNoServer) {
			why = event.Clean(err.Error())
		}
		if known.Link != Connecting || known.Why != why {
			s.change(post, func(st *Status) { st.Link, st.Why, st.Others, st.Typing = Connecting, why, nil, "" })
		}
		return false
	case found == nil:
		over, known.Why = true, event.Clean(e.Why)
	default:
		over, known.Why = true, event.Clean(found.Error())
	}
	if !s.began {
		s.showLog()
	}
	s.change(post, func(st *Status) { st.Link, st.Why, st.Others, st.Typing = Ended, known.Why, nil, "" })
	return over
}

// showLog shows the end of the log on disk.
func (s *Source) showLog() {
	data, before, err := console.LogTail(filepath.Join(s.dir, "console.log"), logged)
	if err != nil {
		return // an old record: there is nothing to see
	}
	if before > 0 {
		data = wholeLines(data)
	}
	s.began = true
	for part := range slices.Chunk(data, piece) {
		_, _ = s.screen.Write(part)
	}
	s.replies(nil)
}

// wholeLines is data without the rest of a line whose beginning is missing.
func wholeLines(data []byte) []byte {
	const longest = 4 << 10
	return data[bytes.IndexByte(data[:min(len(data), longest)], '\n')+1:]
}

// attach takes the keyboard for a pane of w by h cells.
func (s *Source) attach(w, h int) { s.typist.hold(size{w, h}) }

func (s *Source) detach() { s.typist.lay() }
