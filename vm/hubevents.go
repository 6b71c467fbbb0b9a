package vm

import (
	"encoding/json"

	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/machine"
)

// watch finds the milestones in what the serial port prints. A reset is not
// printed: QMP tells of it, on another goroutine.
type watch struct {
	hub *Hub
	to  *milestone.Watcher
}

// Write implements io.Writer.
func (w *watch) Write(p []byte) (int, error) {
	if w.hub.resets.Swap(0) > 0 {
		w.to.Reset()
	}
	return w.to.Write(p)
}

// milestone notes what the guest has come to.
func (h *Hub) milestone(ms milestone.Milestone) {
	e := event.Event{
		V: event.Version, Time: h.Now().UTC(), Kind: event.Milestone, Step: string(ms.Kind),
		Text: event.Clean(ms.Line), Title: event.Clean(ms.Unit), MS: ms.At.Milliseconds(), Done: int64(ms.Boot),
	}
	h.tell(e)
	h.record.note(e.Step, "")
}

// ResetOutside says whether an event of a hub is a reset that the guest did not ask for.
func ResetOutside(e event.Event) bool {
	return e.Kind == event.Log && e.Text == "RESET" && e.Reason != "guest-reset"
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
	var what struct {
		Guest  bool   `json:"guest"`
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(data, &what)
	switch name {
	case "STOP", "RESUME":
		state := machine.Running
		if name == "STOP" {
			state = machine.Paused
		}
		h.record.note("", state)
	case "SHUTDOWN":
		h.mu.Lock()
		if what.Guest {
			h.reason = "the guest powered off"
			if what.Reason == "guest-panic" {
				h.reason = "the guest panicked"
			}
		}
		h.mu.Unlock()
	case "RESET":
		h.resets.Add(1)
	case "GUEST_PANICKED", "POWERDOWN":
	default:
		return
	}
	h.tell(event.Event{V: event.Version, Time: h.Now().UTC(), Kind: event.Log, Level: event.Info, Text: name, Reason: event.Clean(what.Reason)})
}
