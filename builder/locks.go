package builder

import (
	"context"
	"errors"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// UseBuilds takes the lock of a stage that reads builds; see docs/design.md §5.
func UseBuilds(ctx context.Context, e *Env) (*lock.File, error) {
	return e.take(ctx, e.WS.LockBuilds, lock.Shared)
}

// writeCache takes the lock of a stage that writes the cache.
func writeCache(ctx context.Context, e *Env) (*lock.File, error) {
	return e.take(ctx, e.WS.LockCache, lock.Exclusive)
}

// take takes a lock; where it is held it says by whom, and waits unless that is
// not wanted.
func (e *Env) take(ctx context.Context, from func(context.Context, workspace.LockOptions) (*lock.File, error), kind lock.Kind) (*lock.File, error) {
	o := workspace.LockOptions{Kind: kind, NoWait: true, Holder: e.Job}
	l, err := from(ctx, o)
	if err == nil || e.NoWait || !errors.Is(err, workspace.ErrLocked) {
		return l, err
	}
	e.Sink.Emit(event.Event{Kind: event.Log, Level: event.Info, Text: "waiting: " + err.Error()})
	o.NoWait = false
	return from(ctx, o)
}
