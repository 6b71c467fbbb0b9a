package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/loop"
	"github.com/nestos/nosa/workspace/machine"
)

// boot has a machine run the round's build, in place of the one before.
func (w *watcher) boot(ctx context.Context, r *watchRound) error {
	old, err := w.before(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(old, func(e machine.Entry) bool { return e.Build == r.Build }); i >= 0 {
		r.VM = string(old[i].ID)
		return nil
	}
	r.until(loop.PartStart, w.now())
	o := w.o.run
	o.build = r.Build
	p, err := w.prepareRun(ctx, o)
	if err != nil {
		return err
	}
	p.info.Loop = true
	if err := w.endBefore(ctx, old); err != nil {
		p.release()
		return err
	}
	s, err := p.start(ctx, modeDetach)
	if err != nil {
		if s != nil {
			s.end()
		}
		return err
	}
	w.vm, r.VM = s, string(s.info.ID)
	if w.o.once {
		if err := s.disown(ctx); err != nil {
			return err
		}
	}
	w.sayMachine(s)
	return p.silentKVM(ctx, w.await(ctx, r, awaited{vm: s, accel: p.choice.Accel, timeout: o.timeout}))
}

// before are the machines that run and that the next one takes the place of: this
// command's own, and those that nosa watch --once left for the same person.
func (w *watcher) before(ctx context.Context) ([]machine.Entry, error) {
	live, err := machine.Live(w.ws.VMsDir())
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	user := w.userName(ctx)
	return slices.DeleteFunc(live, func(e machine.Entry) bool {
		mine := w.vm != nil && e.ID == w.vm.info.ID
		left := e.Loop && e.Detached && e.User == user && (e.Host == host || host == "")
		return !mine && !left
	}), nil
}

// endBefore pulls the plug of machines, and returns when nothing of them runs: what
// they changed was to go with them.
func (w *watcher) endBefore(ctx context.Context, old []machine.Entry) error {
	w.end()
	for _, e := range old {
		client, err := dialVM(ctx, e, "nosa watch", -1)
		if err != nil {
			if now, look := machine.Look(e.Dir); look == nil && now.Live() {
				return err
			}
			continue // gone already
		}
		err = client.Do(ctx, serialRequest(vm.OpStop, vm.StopArgs{By: w.userName(ctx)}), nil)
		if err = errors.Join(err, client.Close()); err != nil {
			return fmt.Errorf("ending machine %s: %w", e.ID, err)
		}
		if err := awaitEnd(ctx, e.Dir); err != nil {
			return fmt.Errorf("ending machine %s: %w", e.ID, err)
		}
	}
	return nil
}

// sayMachine says which machine was started, before it has booted.
func (w *watcher) sayMachine(s *ownVM) {
	id := string(s.info.ID)
	switch {
	case w.json():
		w.emit(event.Event{Kind: event.Artifact, Step: "machine", Text: id, Path: filepath.Join("tmp", "vms", id)})
	case w.o.once:
		fmt.Fprintln(w.stdout, id)
	default:
		w.note("machine " + id + " boots build " + s.info.Build + "; nosa console shows it")
	}
}

// awaited is a machine whose login prompt is waited for.
type awaited struct {
	vm      *ownVM
	accel   vm.Accel
	timeout time.Duration // 0 is by the accelerator
}

// Why a boot is waited for no longer.
var (
	errNoLogin = errors.New("there is no login prompt in time")
	errSilent  = errors.New("nothing is printed")
)

// await waits for the login prompt, or until something else was saved.
func (w *watcher) await(ctx context.Context, r *watchRound, of awaited) error {
	pace := guest.PaceOf(of.accel)
	limit := pace.Boot
	if of.timeout > 0 {
		limit = of.timeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(limit, func() { cancel(errNoLogin) }).Stop()
	silence := time.AfterFunc(pace.Silence, func() { cancel(errSilent) })
	defer silence.Stop()
	go func() {
		select {
		case <-r.turn.Next:
			cancel(loop.ErrSaved)
		case <-ctx.Done():
		}
	}()
	b := bootWatch{r: r, began: w.now()}
	line := bootLine{app: w.app}
	defer line.clear()
	err := machine.Follow(ctx, of.vm.dir, func(e event.Event) bool {
		if e.Kind == event.Milestone {
			silence.Stop()
		}
		more := b.see(e)
		if more && !w.json() {
			line.show(guest.Progress{Phase: guest.Booting, Reached: b.reached, Since: w.now().Sub(b.began)})
		}
		return more
	})
	if err == nil && r.Result == loop.Login {
		return nil
	}
	return w.notUp(b, of, err)
}

// bootWatch follows a boot.
type bootWatch struct {
	r       *watchRound
	began   time.Time
	reached milestone.Kind
	bad     event.Event // what it ended with; zero is nothing
}

// see takes an event of the machine; false is that the boot is at its end.
func (b *bootWatch) see(e event.Event) bool {
	if e.Kind == event.Start {
		b.r.until(loop.PartStart, e.Time)
		b.r.until(loop.PartBoot, e.Time)
		b.began = e.Time
	}
	if e.Kind != event.Milestone {
		return true
	}
	switch kind := milestone.Kind(e.Step); {
	case kind == milestone.FailedUnit:
		b.r.Units = append(b.r.Units, e.Title)
	case kind.Trouble():
		b.r.until(loop.PartBoot, e.Time)
		b.bad = e
		return false
	case kind == milestone.Login:
		b.r.until(loop.PartBoot, e.Time)
		b.r.Result = loop.Login
		return false
	default:
		b.reached = kind
	}
	return true
}

// notUp says why there is no login prompt. The machine goes on, for a look.
func (w *watcher) notUp(b bootWatch, of awaited, err error) error {
	e := &guest.BootError{Waiting: "the login prompt", After: w.now().Sub(b.began), Line: b.bad.Text}
	switch {
	case errors.Is(err, errNoLogin):
		e.Trouble = guest.Timeout
	case errors.Is(err, errSilent):
		e.Trouble = guest.Silence
	case err != nil:
		return err
	case b.bad.Kind == "":
		now, look := machine.Look(of.vm.dir)
		if e.Trouble = guest.Exit; look == nil {
			e.Line = now.Why
		}
	case b.bad.Step == string(milestone.Panic):
		e.Trouble = guest.Panic
	case b.bad.Step == string(milestone.LoaderFailed):
		e.Trouble = guest.BootLoader
	default:
		e.Trouble = guest.Emergency
	}
	return hinted{e, "nosa console looks at it; all that was printed is in " + filepath.Join(of.vm.dir, "console.log")}
}
