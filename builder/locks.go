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

// readCache takes the lock of a stage that reads the cache: images of one build are made side by
// side. What must be written to it is done in alone.
func readCache(ctx context.Context, e *Env) (*lock.File, error) {
	l, err := e.take(ctx, e.WS.LockCache, lock.Shared)
	e.cacheLock = l
	return l, err
}

// alone does what writes the cache in a stage that holds its lock shared: it gives that up for the
// exclusive one and takes it again. In between others may have written, so do must look first.
func (e *Env) alone(ctx context.Context, do func() error) error {
	l := e.cacheLock
	if l == nil {
		return do()
	}
	if err := l.Unlock(0); err != nil {
		return err
	}
	if err := l.Lock(ctx, lock.Exclusive, 0); err != nil {
		return err
	}
	return errors.Join(do(), l.Lock(context.WithoutCancel(ctx), lock.Shared, 0))
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
