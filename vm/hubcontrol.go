package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/proc"
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
		info, err := h.record.info()
		info.Console = h.m.Serial().End()
		return info, err
	case OpStop:
		var args StopArgs
		if err := decodeArgs(req, &args); err != nil {
			return nil, err
		}
		return nil, h.stopGuest(context.WithoutCancel(ctx), args) // also when who asked has hung up
	case OpReset:
		return nil, h.ask(ctx, "system_reset", nil)
	case OpBreak:
		return nil, h.ask(ctx, "chardev-send-break", map[string]string{"id": "serial0"})
	case OpPause, OpContinue:
		command := map[string]string{OpPause: "stop", OpContinue: "cont"}[req.Op]
		return nil, errors.Join(h.ask(ctx, command, nil), h.record.flush())
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
		return nil, h.disown()
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

// answerWithin is how long QEMU may take to answer. It does so at once, unless it
// is stopped or its host is.
const answerWithin = 10 * time.Second

// ask asks QEMU for something.
func (h *Hub) ask(ctx context.Context, command string, args any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, fmt.Errorf("%s: QEMU does not answer", command))
	defer cancel()
	_, err := h.m.QMP(ctx, command, args)
	return err
}

// disown lets the machine live on without the command that started it.
func (h *Hub) disown() error {
	h.mu.Lock()
	h.owned = false
	h.mu.Unlock()
	return h.record.change(func(i *machine.Info) { i.Detached = true })
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
		within := time.Duration(args.Grace * float64(time.Second))
		why += ", the guest did not power off"
		if err := h.ask(ctx, "system_powerdown", nil); err != nil {
			within = 0
			why += ": " + event.Clean(err.Error())
		}
		select {
		case <-h.m.Exited():
			return nil
		case <-time.After(within):
		}
	}
	h.stop(errStopped{why})
	select {
	case <-h.m.Exited():
		return nil
	case <-time.After(StopGrace + proc.Grace + answerWithin):
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
