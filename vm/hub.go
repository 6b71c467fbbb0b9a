package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// HubRequest is what a hub runs: request.json of its machine.
type HubRequest struct {
	Spec Spec   `json:"spec"`
	Keep string `json:"keep,omitempty"` // as StartOptions.Keep
	// ConsoleFile gets a copy of the console's log; absolute, "" is none.
	ConsoleFile string `json:"console_file,omitempty"`
	// Guest is the port of the guest's sshd that is forwarded; 0 is none.
	Guest int `json:"guest,omitempty"`
	// SSH is how to get in; Port is found when the machine runs.
	SSH machine.SSH `json:"ssh"`
}

// requestFile is where a machine's HubRequest lies. It may hold secrets of the
// guest's config, so it is the owner's only and goes with the machine.
const requestFile = "request.json"

// WriteHubRequest leaves the request for the hub of the machine in dir.
func WriteHubRequest(dir string, req HubRequest) error {
	data, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("writing the machine's request: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, requestFile), data, 0o600); err != nil {
		return fmt.Errorf("writing the machine's request: %w", err)
	}
	return nil
}

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

	mu      sync.Mutex // of what follows, and of the record
	owned   bool       // the command that started it may still end it
	reached string     // the last milestone
	reason  string     // why the guest shut down, as QMP says

	copied *console.Log // of HubRequest.ConsoleFile; nil is none

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
	err := h.run(ctx)
	why := h.why(ctx, err)
	if _, ok := errors.AsType[errStopped](err); ok {
		err = nil
	}
	return errors.Join(err, h.Machine.End(h.Now(), why))
}

func (h *Hub) run(ctx context.Context) (err error) {
	answered := false
	answer := func(err error) {
		if !answered {
			answered = true
			h.Ready(err)
		}
	}
	defer func() { answer(err) }()
	var req HubRequest
	data, err := os.ReadFile(filepath.Join(h.Machine.Dir, requestFile))
	if err == nil {
		err = json.Unmarshal(data, &req)
	}
	if err != nil {
		return fmt.Errorf("reading the machine's request: %w", err)
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
		if h.copied != nil {
			_ = h.copied.Close()
		}
	}()
	if err := h.record(ctx, req); err != nil {
		return err
	}
	return h.serve(ctx, answer)
}

// launch starts QEMU.
func (h *Hub) launch(ctx context.Context, req HubRequest) (err error) {
	watch := milestone.New(func() time.Duration { return h.Now().Sub(h.start) }, h.milestone)
	var tee io.Writer = watch
	if req.ConsoleFile != "" {
		file, err := console.OpenLog(req.ConsoleFile, console.LogOptions{})
		if err != nil {
			return fmt.Errorf("copying the console to a file: %w", err)
		}
		h.copied, tee = file, io.MultiWriter(watch, file)
	}
	m, err := Start(ctx, req.Spec, StartOptions{
		Own: h.Machine.Dir, Keep: req.Keep, Log: filepath.Join(h.Machine.Dir, "console.log"),
		Tee: tee, Event: h.qmp, Line: h.Line,
	})
	h.m = m
	return err
}

// record says in vm.json what runs.
func (h *Hub) record(ctx context.Context, req HubRequest) error {
	ssh := req.SSH
	if req.Guest > 0 {
		port, err := h.m.ForwardedPort(ctx, req.Guest)
		if err != nil {
			return err
		}
		ssh.Port = port
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Machine.Update(func(i *machine.Info) {
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
		Farewell: func(context.Context) any { return HubEnd{Why: h.why(ctx, nil)} },
	}
	h.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- h.server.Serve(serving, l) }()
	answer(nil)
	select {
	case <-h.m.Exited():
		err = h.m.Wait()
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), h.m.Stop())
	case err = <-done:
		return fmt.Errorf("serving the console: %w", err)
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
	Why string `json:"why"`
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

// milestone notes what the guest has come to.
func (h *Hub) milestone(ms milestone.Milestone) {
	e := event.Event{
		V: event.Version, Time: h.Now().UTC(), Kind: event.Milestone, Step: string(ms.Kind),
		Text: event.Clean(ms.Line), Title: event.Clean(ms.Unit), MS: ms.At.Milliseconds(), Done: int64(ms.Boot),
	}
	h.tell(e)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reached == e.Step {
		return
	}
	h.reached = e.Step
	_ = h.Machine.Update(func(i *machine.Info) { i.Reached = h.reached }) // the journal has it too
}

// tell writes an event to the journal and to all viewers.
func (h *Hub) tell(e event.Event) {
	h.events.Emit(e)
	h.mu.Lock()
	server := h.server
	h.mu.Unlock()
	if server != nil {
		server.Publish(e)
	}
}

// qmp takes QEMU's events; see qapi/run-state.json of QEMU. It runs on QMP's
// reader, so what takes longer is done elsewhere.
func (h *Hub) qmp(name string, data json.RawMessage) {
	switch name {
	case "STOP", "RESUME":
		state := machine.Running
		if name == "STOP" {
			state = machine.Paused
		}
		h.mu.Lock()
		_ = h.Machine.Update(func(i *machine.Info) {
			if i.State != machine.Starting {
				i.State = state
			}
		})
		h.mu.Unlock()
	case "SHUTDOWN":
		var what struct {
			Guest  bool   `json:"guest"`
			Reason string `json:"reason"`
		}
		_ = json.Unmarshal(data, &what)
		h.mu.Lock()
		if what.Guest {
			h.reason = "the guest powered off"
			if what.Reason == "guest-panic" {
				h.reason = "the guest panicked"
			}
		}
		h.mu.Unlock()
	case "RESET", "GUEST_PANICKED", "POWERDOWN":
	default:
		return
	}
	h.tell(event.Event{V: event.Version, Time: h.Now().UTC(), Kind: event.Log, Level: event.Info, Text: name})
}

// why says in words how the machine ended.
func (h *Hub) why(ctx context.Context, err error) string {
	h.mu.Lock()
	defer h.mu.Unlock()
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
