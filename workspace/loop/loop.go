// Package loop is the way from a save to a system that runs, again and again:
// which saves make one turn, and how long each part of a turn took.
//
// It watches, builds and boots nothing: what a turn does is its user's.
package loop

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrSaved is the cause of the end of a turn that was cut short for a newer save.
var ErrSaved = errors.New("something was saved since")

// How a Loop waits.
const (
	// Settle is the time without a save after which a turn begins: who saves all
	// files, or has git write them, saves once.
	Settle = 150 * time.Millisecond
	// settleMost bounds it: a turn begins that long after the first of many saves.
	settleMost = 2 * time.Second
)

// Save is one save, or several that are built together.
type Save struct {
	At    time.Time // of the last
	Paths []string  // what was saved, relative to the workspace, sorted; none is not known
}

// and gives two saves as one.
func (s Save) and(next Save) Save {
	all := Save{At: next.At}
	if s.At.After(all.At) {
		all.At = s.At
	}
	all.Paths = slices.Concat(s.Paths, next.Paths)
	slices.Sort(all.Paths)
	all.Paths = slices.Compact(all.Paths)
	return all
}

// Turn is one round of a Loop.
type Turn struct {
	Save Save
	Next <-chan struct{} // closed when something was saved since: another turn follows this one
}

// Loop has turns, never two at once.
type Loop struct {
	// Round has a turn. Its context ends with that of Run, and with the cause ErrSaved
	// at a save where Restart is set. An error ends the loop.
	Round func(context.Context, Turn) error
	// Restart cuts a turn short at a save. Without it the turn is had to its end, and
	// the next one is for all that was saved meanwhile.
	Restart bool
}

// Run has a turn for the first save at once and one for those that come, until ctx
// ends or saves is closed. It returns when nothing of a turn goes on: nil when
// it was idle then, else, where ctx ended a turn, its cause.
func (l Loop) Run(ctx context.Context, first Save, saves <-chan Save) error {
	r := run{Loop: l, waiting: &first}
	for {
		if r.done == nil && r.waiting != nil && r.quiet == nil {
			r.start(ctx)
		}
		select {
		case <-ctx.Done():
			return r.stop(context.Cause(ctx))
		case s, ok := <-saves:
			if !ok { // perhaps because ctx has ended
				return r.stop(context.Cause(ctx))
			}
			r.add(s)
		case <-r.quiet:
			r.quiet = nil
			r.tell()
		case err := <-r.done:
			r.cancel(nil)
			if r.done = nil; err != nil {
				return err
			}
		}
	}
}

// run is a Loop that runs.
type run struct {
	Loop
	waiting *Save            // for the next turn; nil is none
	since   time.Time        // when the first of it came
	quiet   <-chan time.Time // tells when it is whole; nil when it is
	done    chan error       // tells the end of the turn; nil is none
	next    chan struct{}    // of the turn
	told    bool             // next is closed
	cancel  context.CancelCauseFunc
}

func (r *run) start(ctx context.Context) {
	turn, cancel := context.WithCancelCause(ctx)
	save, done := *r.waiting, make(chan error, 1)
	r.waiting, r.done, r.cancel, r.told = nil, done, cancel, false
	r.next = make(chan struct{})
	t := Turn{Save: save, Next: r.next}
	go func() { done <- r.Round(turn, t) }()
}

// add takes a save into the next turn.
func (r *run) add(s Save) {
	now := time.Now()
	if r.waiting == nil {
		r.waiting, r.since = &s, now
	} else {
		*r.waiting = r.waiting.and(s)
	}
	r.quiet = time.After(max(0, min(Settle, r.since.Add(settleMost).Sub(now))))
}

// tell lets the turn know that there is a next one.
func (r *run) tell() {
	if r.done == nil || r.told {
		return
	}
	r.told = true
	close(r.next)
	if r.Restart {
		r.cancel(ErrSaved)
	}
}

// stop waits for the end of the turn.
func (r *run) stop(cause error) error {
	if r.done == nil {
		return nil
	}
	r.cancel(cause)
	return errors.Join(cause, <-r.done)
}

// Leftover says if a file is one that an editor keeps beside what it edits: a
// change of it alone is no save.
func Leftover(path string) bool {
	name := filepath.Base(path)
	switch {
	case name == "4913", // vim tries with it whether it may make files
		strings.HasPrefix(name, ".#"), strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"),
		strings.HasPrefix(name, ".goutputstream-"), strings.HasSuffix(name, "~"):
		return true
	}
	ext := filepath.Ext(name)
	return strings.HasPrefix(name, ".") && len(ext) == 4 && strings.HasPrefix(ext, ".sw")
}
