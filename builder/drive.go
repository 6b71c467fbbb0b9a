package builder

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/workspace/proc"
)

// drive is one run of rpm-ostree that spans several steps of a plan. The first of them starts it;
// each ends when the output tells that the program has gone past it.
type drive struct {
	steps []string                   // of the plan, in the order in which the program goes through them
	of    map[rpmostree.Phase]string // the step that a phase is a part of
	epoch time.Time                  // of what it makes

	mu     sync.Mutex
	reader rpmostree.Reader
	at     int           // index in steps of the one that runs
	moved  chan struct{} // closed when at changes or the program ends
	ended  bool
	err    error
}

// start runs the program until ctx ends. It is waited for when the stage ends, at the latest.
func (d *drive) start(ctx context.Context, env *Env, args []string) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	d.moved = make(chan struct{})
	env.closing = append(env.closing, func() error {
		cancel()
		<-done
		return nil
	})
	go func() {
		defer close(done)
		err := proc.Run(ctx, proc.Cmd{Args: args, Env: d.environment(env), Line: func(text string) { d.line(env, text) }})
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended, d.err = true, err
		close(d.moved)
	}()
}

// environment is all that the program gets besides proc.Environ, which has none of the caller's
// RPMOSTREE variables.
func (d *drive) environment(env *Env) []string {
	list := []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(d.epoch.Unix(), 10)}
	if env.GnuPGHome != "" {
		list = append(list, "GNUPGHOME="+env.GnuPGHome)
	}
	return list
}

// line takes a line of the program's output.
func (d *drive) line(env *Env, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reader.Read(text)
	to := slices.Index(d.steps, d.of[d.reader.Phase()])
	if to > d.at {
		d.at = to
		close(d.moved)
		d.moved = make(chan struct{})
	}
	env.Reporter(d.steps[d.at]).Line(text)
}

// through waits until the program has gone past a step, or has ended.
func (d *drive) through(step string) error {
	index := slices.Index(d.steps, step)
	for {
		d.mu.Lock()
		at, ended, err, moved := d.at, d.ended, d.err, d.moved
		d.mu.Unlock()
		switch {
		case at > index:
			return nil
		case ended:
			return err
		}
		<-moved
	}
}

// seen is what the output has told so far.
func (d *drive) seen() rpmostree.Reader {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.reader
	r.Said = slices.Clone(r.Said)
	return r
}
