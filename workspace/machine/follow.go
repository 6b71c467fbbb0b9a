package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nestos/nosa/workspace/event"
)

// followEvery is how often Follow looks.
const followEvery = 50 * time.Millisecond

// Follow calls each for every event of the machine in dir, old ones first, until it
// says false or the machine has ended, which is nil, or until ctx ends. Lines that
// are no event are passed over.
func Follow(ctx context.Context, dir string, each func(event.Event) bool) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var at int64
	var rest []byte
	for {
		// Asked before reading: what a machine wrote before its lock went free is read below.
		e, err := Look(dir)
		if err != nil {
			return err
		}
		data, err := readFrom(filepath.Join(dir, "events.jsonl"), at)
		if err != nil {
			return err
		}
		at += int64(len(data))
		rest = append(rest, data...)
		for {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				break
			}
			rest = after
			if ev, err := event.Parse(line); err == nil && !each(ev) {
				return nil
			}
		}
		if len(rest) > maxLine {
			return fmt.Errorf("following machine %s: its journal has a line without an end", filepath.Base(dir))
		}
		if !e.Live() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// readFrom reads what a journal has from an offset on; nothing where it is not there yet.
func readFrom(name string, at int64) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("following the machine's journal: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, at, maxLine))
	if err != nil {
		return nil, fmt.Errorf("following the machine's journal: %w", err)
	}
	return data, nil
}
