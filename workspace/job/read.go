package job

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/workspace/event"
)

// EventsPath is the journal of the job in dir.
func EventsPath(dir string) string { return filepath.Join(dir, "events.jsonl") }

// LogPath is the output of the programs of the job in dir.
func LogPath(dir string) string { return filepath.Join(dir, "log") }

// ReadEvents reads the events of a journal as it is now. A line that is not an event is passed over.
func ReadEvents(journal string) ([]event.Event, error) {
	f, err := os.Open(journal)
	if err != nil {
		return nil, fmt.Errorf("reading journal: %w", err)
	}
	defer func() { _ = f.Close() }()
	var list []event.Event
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if e, bad := event.Parse(bytes.TrimSpace(line)); bad == nil {
			list = append(list, e)
		}
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading journal: %w", err)
		}
	}
}
