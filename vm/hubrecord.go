package vm

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/workspace/machine"
)

// recordPause is the least time between two writings of what the guest makes the
// hub note: one that runs in a circle costs no disk.
const recordPause = 200 * time.Millisecond

// record is a hub's vm.json. What the guest comes to is written by a goroutine of
// its own, so that who reads the serial port or QMP does not wait for a disk. It
// is safe for concurrent use between begin and end.
type record struct {
	m *machine.Machine

	mu      sync.Mutex    // of what follows
	reached string        // the last milestone; "" is none yet
	state   machine.State // as QEMU says; "" is as the file says

	file sync.Mutex
	more chan struct{} // something is to be written
	over chan struct{} // closed by end
	done chan struct{} // closed when nobody writes any more
}

func (r *record) begin(m *machine.Machine) {
	r.m = m
	r.more, r.over, r.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go r.keep()
}

// end returns when nothing will be written any more.
func (r *record) end() {
	close(r.over)
	<-r.done
}

func (r *record) keep() {
	defer close(r.done)
	for {
		select {
		case <-r.over:
			return
		case <-r.more:
			_ = r.flush() // a full disk does not end the machine; what comes next tries again
		}
		select {
		case <-r.over:
			return
		case <-time.After(recordPause):
		}
	}
}

// note has it written soon what the guest has reached, or how it stands; "" is
// nothing new of that.
func (r *record) note(reached string, state machine.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if (reached == "" || reached == r.reached) && (state == "" || state == r.state) {
		return
	}
	if reached != "" {
		r.reached = reached
	}
	if state != "" {
		r.state = state
	}
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// fill puts what was noted into i.
func (r *record) fill(i *machine.Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reached != "" {
		i.Reached = r.reached
	}
	if r.state != "" && i.State != machine.Starting {
		i.State = r.state
	}
}

// flush writes what was noted.
func (r *record) flush() error { return r.change(func(*machine.Info) {}) }

// change writes a change, and what was noted.
func (r *record) change(edit func(*machine.Info)) error {
	r.file.Lock()
	defer r.file.Unlock()
	return r.m.Update(func(i *machine.Info) {
		edit(i)
		r.fill(i)
	})
}

// info is the record as it is now.
func (r *record) info() (machine.Info, error) {
	e, err := machine.Look(r.m.Dir)
	r.fill(&e.Info)
	return e.Info, err
}

// openLogs makes the files that get what the console prints.
func (h *Hub) openLogs(req HubRequest) error {
	for _, path := range []string{filepath.Join(h.Machine.Dir, "console.log"), req.ConsoleFile} {
		if path == "" {
			continue
		}
		log, err := console.OpenLog(path, req.Log)
		if err != nil {
			return fmt.Errorf("keeping what the console prints: %w", err)
		}
		h.logs = append(h.logs, log)
	}
	return nil
}

// writeLogs writes them until the console ends, each at its own pace: a slow disk
// loses output, and the guest does not wait for it.
func (h *Hub) writeLogs() {
	for _, log := range h.logs {
		h.logged.Go(func() {
			_ = log.Follow(context.Background(), h.m.Serial()) // it ends with the machine
			_ = log.Close()
		})
	}
}
