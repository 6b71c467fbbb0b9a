package vm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// Hub owns one machine: its console, which any number of viewers share, its
// QMP, its record on disk. It runs in a process of its own, and with it ends
// the machine.
type Hub struct {
	Machine *machine.Machine // locked; the hub writes its record
	// Leash is read until it ends: then the command that started the machine is
	// gone, and unless it said disown the machine ends too. nil is none.
	Leash io.Reader
	// Ready is called once: with nil when the machine runs and the socket is
	// there, else with the reason.
	Ready func(error)
	Now   func() time.Time
	Line  func(string) // QEMU's own messages; nil discards them

	m      *Machine
	server *console.Server
	events *machine.Events
	start  time.Time
	stop   context.CancelCauseFunc

	mu     sync.Mutex // of what follows
	owned  bool       // the command that started it may still end it
	reason string     // why the guest shut down, as QMP says
	end    *HubEnd    // nil before it is decided

	resets atomic.Int32 // of the machine, from outside or by the guest, not told the watch yet
	record record
	logs   []*console.Log
	logged sync.WaitGroup // who writes them

	sizing sync.Mutex
	sizeTo net.Conn // the host's end of SizePort; nil until it is used
}

// errStopped is the cause of an end that somebody asked for.
type errStopped struct{ why string }

func (e errStopped) Error() string { return e.why }

// Run runs the machine to its end, writes down why it ended and removes its
// files. The error is that of a machine that did not start or died.
func (h *Hub) Run(ctx context.Context) error {
	ctx, h.stop = context.WithCancelCause(ctx)
	defer h.stop(nil)
	h.record.begin(h.Machine)
	err := h.run(ctx)
	h.record.end()
	why := h.decide(ctx, err).Why
	if _, ok := errors.AsType[errStopped](err); ok {
		err = nil
	}
	failed := h.Machine.End(h.Now(), why)
	if failed != nil { // on a full disk the first try has made room for the record
		failed = h.Machine.End(h.Now(), why)
	}
	return errors.Join(err, failed)
}

func (h *Hub) run(ctx context.Context) (err error) {
	answered := false
	answer := func(err error) {
		if !answered {
			answered = true
			h.Ready(err)
		}
	}
	defer func() {
		h.decide(ctx, err) // before who waits for the machine learns of it and lets go
		answer(err)
	}()
	req, err := h.request()
	if err != nil {
		return err
	}
	if h.events, err = h.Machine.OpenEvents(); err != nil {
		return err
	}
	defer func() { _ = h.events.Close() }()
	h.start, h.owned = h.Now(), true
	go h.leash()
	if err := h.launch(ctx, req); err != nil {
		return err
	}
	defer func() {
		_ = h.m.Stop()
		h.logged.Wait()
	}()
	if err := h.describe(ctx, req); err != nil {
		return err
	}
	return h.serve(ctx, answer)
}

func (h *Hub) request() (req HubRequest, err error) {
	data, err := readOwn(filepath.Join(h.Machine.Dir, requestFile))
	if err == nil {
		err = json.Unmarshal(data, &req)
	}
	if err != nil {
		return req, fmt.Errorf("reading the machine's request: %w", err)
	}
	return req, nil
}

// launch starts QEMU.
func (h *Hub) launch(ctx context.Context, req HubRequest) error {
	if err := h.openLogs(req); err != nil {
		return err
	}
	m, err := Start(ctx, req.Spec, StartOptions{
		Own: cmp.Or(req.Own, h.Machine.Dir), Keep: req.Keep, Event: h.qmp, Line: h.Line,
		Tee: &watch{hub: h, to: milestone.New(func() time.Duration { return h.Now().Sub(h.start) }, h.milestone)},
	})
	if err != nil {
		for _, log := range h.logs {
			_ = log.Close()
		}
		return err
	}
	h.m = m
	h.tell(event.Event{V: event.Version, Time: h.Now().UTC(), Kind: event.Start, Title: "the machine runs", MS: h.Now().Sub(h.start).Milliseconds()})
	h.writeLogs()
	return nil
}

// describe says in vm.json what runs.
func (h *Hub) describe(ctx context.Context, req HubRequest) error {
	ssh := req.SSH
	if req.Guest > 0 {
		port, err := h.m.ForwardedPort(ctx, req.Guest)
		if err != nil {
			return err
		}
		ssh.Port = port
	}
	return h.record.change(func(i *machine.Info) {
		i.State = machine.Running
		i.Arch, i.Firmware, i.Accel = string(h.m.Spec.Arch), string(h.m.Spec.Firmware), string(h.m.Spec.Accel)
		i.CPUs, i.MemoryMiB = h.m.Spec.CPUs, h.m.Spec.MemoryMiB
		if req.Guest > 0 {
			i.SSH = &ssh
		}
	})
}

// serve answers viewers until the machine ends.
func (h *Hub) serve(ctx context.Context, answer func(error)) error {
	l, err := console.Listen(h.Machine.Dir)
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	h.mu.Lock()
	h.server = &console.Server{
		Ring: h.m.Serial(), Input: h.m, Control: h.control,
		Farewell: func(context.Context) any { return h.farewell(ctx) },
	}
	h.mu.Unlock()
	var failed error // valid after done
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed = h.server.Serve(serving, l)
	}()
	answer(nil)
	select {
	case <-h.m.Exited():
		err = h.m.Wait()
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), h.m.Stop())
	case <-done:
		return fmt.Errorf("serving the console: %w", failed)
	}
	// The ring is closed and read to its end by those who do not lag.
	select {
	case <-done:
	case <-time.After(2 * console.EndGrace):
		end()
		<-done
	}
	return err
}

// HubEnd is what viewers get when the machine has ended (console.Client.End).
type HubEnd struct {
	Why    string `json:"why"`
	Failed bool   `json:"failed,omitempty"` // neither the guest nor anybody wanted it
}

// farewell is asked when the serial port is read to its end: QEMU is gone.
func (h *Hub) farewell(ctx context.Context) HubEnd {
	<-h.m.Exited()
	return h.decide(ctx, h.m.err)
}

// decide says how the machine ended; the first time counts, for everybody.
func (h *Hub) decide(ctx context.Context, err error) HubEnd {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end == nil {
		h.end = &HubEnd{Why: h.why(ctx, err), Failed: ctx.Err() == nil && err != nil}
	}
	return *h.end
}

// leash ends the machine when the command that started it is gone.
func (h *Hub) leash() {
	if h.Leash == nil {
		return
	}
	_, _ = io.Copy(io.Discard, h.Leash)
	h.mu.Lock()
	owned := h.owned
	h.mu.Unlock()
	if owned {
		h.stop(errStopped{"the command that started it ended"})
	}
}

// why says in words how the machine ended.
func (h *Hub) why(ctx context.Context, err error) string {
	switch {
	case ctx.Err() != nil:
		return event.Clean(context.Cause(ctx).Error())
	case err != nil:
		return event.Clean(err.Error())
	case h.reason != "":
		return h.reason
	}
	return "QEMU ended"
}
