package snapshot

import (
	"context"
	"errors"
	"fmt"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
)

// ForkOptions say what goes on from a snapshot.
type ForkOptions struct {
	Spec  vm.Spec // the machine that would boot, as the snapshot's key was made from
	Start vm.StartOptions
	Renew RenewOptions
	Pace  guest.Pace // the zero value is PaceOf the accelerator
	// Line gets the lines of the console; nil discards them.
	Line func(string)
}

// Fork is a running fork, at its prompt.
type Fork struct {
	Machine *vm.Machine // Stop or Wait must be called
	Console *guest.Console
	Renewed Renewed
}

// Fork starts a machine that goes on from the snapshot with that key and renews
// what is to be its own. ErrNone is that the machine must be booted instead; the
// text around it says why. A snapshot that turns out to be of no use is removed.
func (s Store) Fork(ctx context.Context, key string, o ForkOptions) (Fork, error) {
	snap, err := s.Find(ctx, key)
	if err != nil {
		return Fork{}, err
	}
	m, err := vm.Start(ctx, snap.Spec(o.Spec), o.Start)
	if err != nil {
		return Fork{}, snap.Reject(ctx, err)
	}
	pace := o.Pace
	if pace == (guest.Pace{}) {
		pace = guest.PaceOf(m.Spec.Accel)
	}
	c := guest.NewConsole(m, m.Serial(), pace)
	c.Line = o.Line
	done, err := Renew(ctx, c, o.Renew)
	if err != nil {
		stopErr := m.Stop()
		return Fork{}, errors.Join(snap.Reject(ctx, err), stopErr)
	}
	return Fork{Machine: m, Console: c, Renewed: done}, snap.Close()
}

// Reject closes a snapshot from which a machine did not go on, and removes it if
// err is its fault: not that of a busy host, of what was asked for, or of an end
// that was asked for. It gives the error to tell by that one boots instead: ErrNone.
func (p *Snapshot) Reject(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), p.Close())
	}
	none := fmt.Errorf("%w that can be used: %w", ErrNone, err)
	if errors.Is(err, vm.ErrState) || unsuited(err) {
		return errors.Join(none, p.Discard(ctx))
	}
	return errors.Join(none, p.Close())
}
