package machine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/share"
)

// maxEvents bounds what a guest can make us write: a unit that fails in a loop
// is a milestone each time.
const maxEvents = 2000

// maxLine bounds a line of the journal that is read; a longer one is no event.
const maxLine = 1 << 20

// Events is events.jsonl of a machine of this process. It is safe for concurrent use.
type Events struct {
	mu sync.Mutex
	f  *os.File
	n  int
}

// OpenEvents opens the machine's journal for adding to it. The caller closes it.
func (m *Machine) OpenEvents() (*Events, error) {
	f, err := share.Open(filepath.Join(m.Dir, "events.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY)
	if err != nil {
		return nil, fmt.Errorf("opening the machine's journal: %w", err)
	}
	return &Events{f: f}, nil
}

// Emit implements event.Sink. After 2000 events it says once that it writes no
// more; a full disk does not hold the machine up.
func (e *Events) Emit(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	switch {
	case e.n > maxEvents:
		return
	case e.n == maxEvents:
		ev = event.Event{V: event.Version, Time: ev.Time, Kind: event.Log, Level: event.Warn, Text: "too many events; the rest is not written"}
	}
	line, err := json.Marshal(ev)
	if err != nil {
		return
	}
	_, _ = e.f.Write(append(line, '\n'))
}

// Close closes the file.
func (e *Events) Close() error { return e.f.Close() }

// ReadEvents gives the journal of the machine in dir. Lines that are no event,
// as one half written, are passed over.
func ReadEvents(dir string) ([]event.Event, error) {
	f, err := os.Open(filepath.Join(dir, "events.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the machine's journal: %w", err)
	}
	defer f.Close()
	var list []event.Event
	lines := bufio.NewScanner(io.LimitReader(f, maxEvents*(4<<10)))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if ev, err := event.Parse(lines.Bytes()); err == nil {
			list = append(list, ev)
		}
	}
	return list, nil
}
