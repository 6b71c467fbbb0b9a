package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

// The operations that a hub does for its clients (console.Request.Op).
const (
	OpInfo     = "info"     // → machine.Info as it is now
	OpStop     = "stop"     // StopArgs: power off, or pull the plug
	OpReset    = "reset"    // the reset button
	OpBreak    = "break"    // a break on the serial line (magic SysRq)
	OpDisown   = "disown"   // the machine lives on without the command that started it
	OpPause    = "pause"    // stop the guest's processors
	OpContinue = "continue" // let them run again
	OpForget   = "forget"   // ForgetArgs: what newcomers are not shown
)

// StopArgs says how a machine is stopped.
type StopArgs struct {
	By string `json:"by,omitempty"` // who asks, for the record
	// Grace is how long the guest has to power off by itself, in seconds; 0
	// pulls the plug, a negative one is what suits the accelerator.
	Grace float64 `json:"grace,omitempty"`
}

// ForgetArgs says up to which offset newcomers are not shown what the console
// printed.
type ForgetArgs struct {
	Before int64 `json:"before"`
}

// control does what a client asks for.
func (h *Hub) control(ctx context.Context, req console.Request) (any, error) {
	switch req.Op {
	case OpInfo:
		h.mu.Lock()
		defer h.mu.Unlock()
		e, err := machine.Look(h.Machine.Dir)
		e.Console = h.m.Serial().End()
		return e.Info, err
	case OpStop:
		var args StopArgs
		if err := decodeArgs(req, &args); err != nil {
			return nil, err
		}
		return nil, h.stopGuest(context.WithoutCancel(ctx), args) // also when who asked has hung up
	case OpReset:
		return nil, h.m.Reset(ctx)
	case OpBreak:
		_, err := h.m.QMP(ctx, "chardev-send-break", map[string]string{"id": "serial0"})
		return nil, err
	case OpPause, OpContinue:
		command := map[string]string{OpPause: "stop", OpContinue: "cont"}[req.Op]
		_, err := h.m.QMP(ctx, command, nil)
		return nil, err
	case OpForget:
		var args ForgetArgs
		if err := decodeArgs(req, &args); err != nil {
			return nil, err
		}
		h.m.Serial().Forget(args.Before)
		return nil, nil
	case OpSize:
		var args SizeArgs
		if err := decodeArgs(req, &args); err != nil {
			return nil, err
		}
		return nil, h.resize(ctx, args)
	case OpDisown:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.owned = false
		return nil, h.Machine.Update(func(i *machine.Info) { i.Detached = true })
	}
	return nil, fmt.Errorf("operation %q: not known to this hub", req.Op)
}

func decodeArgs(req console.Request, into any) error {
	if len(req.Args) == 0 {
		return nil
	}
	if err := json.Unmarshal(req.Args, into); err != nil {
		return fmt.Errorf("arguments of %s: %w", req.Op, err)
	}
	return nil
}

// stopGuest presses the power button and pulls the plug if the guest is not off in time.
func (h *Hub) stopGuest(ctx context.Context, args StopArgs) error {
	why := "stopped"
	if args.By != "" {
		why += " by " + args.By
	}
	if args.Grace < 0 {
		args.Grace = powerOffWithin(h.m.Spec.Accel).Seconds()
	}
	if args.Grace > 0 {
		if err := h.m.PowerDown(ctx); err != nil {
			return err
		}
		select {
		case <-h.m.Exited():
			return nil
		case <-time.After(time.Duration(args.Grace * float64(time.Second))):
			why += ", the guest did not power off"
		}
	}
	h.stop(errStopped{why})
	select {
	case <-h.m.Exited():
		return nil
	case <-time.After(2 * StopGrace):
		return errors.New("stopping: QEMU does not end")
	}
}

// powerOffWithin is how long a guest may take to power off. TCG on a busy host
// takes minutes for what takes seconds on an idle one (measured).
func powerOffWithin(a Accel) time.Duration {
	if a == KVM {
		return 30 * time.Second
	}
	return 2 * time.Minute
}
