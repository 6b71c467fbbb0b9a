package logview

import (
	"context"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// How often a Source looks at a file: while it grows, at rest, and while events tell of it. While lines come all
// the time a look costs less than an event for each.
const (
	frameEvery = 33 * time.Millisecond
	restEvery  = 200 * time.Millisecond
	restLooks  = 10 // that found nothing, before the file is watched
	dozeEvery  = 2 * time.Second
)

// Source reads the file of one View. Its Follow runs in its own goroutine; the View and it share only
// what the View wants to see.
type Source struct {
	name string
	zone *time.Location
	turn sync.Mutex // held by Follow
	r    *reader

	mu   sync.Mutex
	want want
	wake chan struct{}
}

// want is what a View wants to see.
type want struct {
	rev    uint64 // counts the wishes
	top    int    // the first line that is shown
	end    bool   // the end of the log is shown
	height int    // rows
	find   job.LogPattern
	keep   job.LogPattern // only its lines are shown
	seek   seek
	cause  uint64 // counts the wishes for the first real error
	fail   event.Event
}

// same says if both wish for the same.
func (w want) same(o want) bool {
	return w.top == o.top && w.end == o.end && w.height == o.height && w.find.Equal(o.find) && w.keep.Equal(o.keep) && w.seek == o.seek && w.cause == o.cause
}

// seek is a wish for the line of a time.
type seek struct {
	rev uint64 // counts the wishes
	at  time.Time
}

func newSource(o Options) *Source {
	s := &Source{name: o.Path, zone: o.Zone, wake: make(chan struct{}, 1)}
	if s.zone == nil {
		s.zone = time.Local
	}
	form := o.Form
	if form == "" {
		form = job.JobLog
	}
	s.r = &reader{index: job.OpenLog(o.Path, form), zone: s.zone}
	return s
}

// ask takes the place of what was wanted before. It never waits for the reader.
func (s *Source) ask(w want) {
	s.mu.Lock()
	s.want = w
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

func (s *Source) wanted() want {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.want
}

// Follow reads the file and posts News whenever there is some, at most 30 times a second, more only to
// answer the user, until ctx ends. Each News has all that the View needs: it is enough to deliver the latest. A later Follow goes
// on where this one ended.
func (s *Source) Follow(ctx context.Context, post func(news any)) {
	s.turn.Lock()
	defer s.turn.Unlock()
	defer func() { _ = s.r.index.Close() }()
	rest, quiet, doze := frameEvery, 0, doze{path: s.name}
	defer doze.end()
	s.r.answered, s.r.told = 0, false
	for posted := (time.Time{}); ctx.Err() == nil; {
		w := s.wanted()
		asked := w.rev != s.r.answered
		more := s.r.advance(ctx, w)
		grown := s.r.changed()
		if asked || grown && time.Since(posted) >= frameEvery {
			post(s.r.news(s, w))
			posted, grown = time.Now(), false
			rest, quiet = frameEvery, 0
		}
		quiet++
		switch {
		case more:
		case quiet <= restLooks || grown:
			doze.end()
			s.sleep(ctx, rest, nil)
		case doze.begin():
			continue // what happened before made no event
		default:
			s.sleep(ctx, doze.every(), doze.events())
		}
		if !grown {
			rest = min(rest*2, restEvery)
		}
	}
}

// sleep waits until the view wants something, or something is told, or so long.
func (s *Source) sleep(ctx context.Context, d time.Duration, told <-chan fsnotify.Event) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-told:
	case <-t.C:
	}
}
