package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/share"
)

// pollEvery is how often a follower looks for news and a worker for the cancel
// file. Polling works on every filesystem that the workspace may lie on.
const pollEvery = 100 * time.Millisecond

// ErrCancelled is the cause of a context that Watch cancelled.
var ErrCancelled = errors.New("cancelled")

// Journal writes a job's events and log. It is an event.Sink and an
// event.LineSink; both may be used from several goroutines and by several
// processes: each event and line is one append.
type Journal struct {
	now    func() time.Time
	mu     sync.Mutex
	events *os.File
	log    *os.File
	torn   map[*os.File]bool // the last line is not whole: the disk was full
}

// OpenJournal opens the journal of the job in dir for appending. Close closes it.
func OpenJournal(dir string, now func() time.Time) (*Journal, error) {
	events, err := share.Open(filepath.Join(dir, "events.jsonl"), os.O_APPEND|os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	log, err := share.Open(filepath.Join(dir, "log"), os.O_APPEND|os.O_RDWR)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening journal: %w", err), events.Close())
	}
	return &Journal{now: now, events: events, log: log, torn: map[*os.File]bool{events: torn(events), log: torn(log)}}, nil
}

// torn says if a process that is gone left half a line at the end of f.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// Emit appends e, with version and time filled in. A journal that cannot be
// written (full disk) must not stop the work, whose own error says more.
func (j *Journal) Emit(e event.Event) {
	e.V, e.Time = event.Version, j.now().UTC()
	data, err := json.Marshal(e)
	if err != nil {
		return
	}
	j.append(j.events, append(data, '\n'))
}

// append writes a line. One that found room only for its beginning must not
// take the next one with it.
func (j *Journal) append(f *os.File, line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.torn[f] {
		line = append([]byte("\n"), line...)
	}
	n, err := f.Write(line)
	j.torn[f] = err != nil && (n > 0 || j.torn[f])
}

// Line appends one line of a tool's output to the log.
func (j *Journal) Line(step, text string) {
	line := j.now().UTC().Format(time.RFC3339Nano) + "\t" + step + "\t" + event.Clean(text) + "\n"
	j.append(j.log, []byte(line))
}

// Close closes the files.
func (j *Journal) Close() error { return errors.Join(j.events.Close(), j.log.Close()) }

// Watch gives a context that is cancelled, with ErrCancelled as its cause,
// when the cancel file of the job in dir appears. Call stop to end the watch.
func Watch(ctx context.Context, dir string) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			if _, err := os.Stat(filepath.Join(dir, "cancel")); err == nil {
				cancel(ErrCancelled)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

// Follow calls each for every event of the job in dir, old ones first, until a
// finish or fail event (true), until the job is gone without one (false), or
// until ctx ends and what was written by then is read. A line that is not an
// event is passed over.
func Follow(ctx context.Context, dir string, each func(event.Event)) (ended bool, err error) {
	f, err := os.Open(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		return false, fmt.Errorf("following job: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var rest []byte
	for {
		// Asked before reading: what a job wrote before its lock went free is read below.
		stopped := ctx.Err() != nil
		st, err := Look(dir)
		if err != nil {
			return false, err
		}
		data, err := io.ReadAll(f)
		if err != nil {
			return false, fmt.Errorf("following job: %w", err)
		}
		rest = append(rest, data...)
		for {
			line, after, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				break
			}
			rest = after
			e, err := event.Parse(line)
			if err != nil {
				continue
			}
			each(e)
			if e.Kind == event.Finish || e.Kind == event.Fail {
				return true, nil
			}
		}
		switch {
		case st.State != Running:
			return false, nil
		case stopped:
			return false, context.Cause(ctx)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// tailBytes is how much of a journal's end is read for its last event; an event is shorter.
const tailBytes = 64 << 10

// lastEvent gives the last whole event of a journal, or the zero Event.
func lastEvent(path string) (event.Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return event.Event{}, fmt.Errorf("reading journal: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return event.Event{}, fmt.Errorf("reading journal: %w", err)
	}
	from := max(0, info.Size()-tailBytes)
	data, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return event.Event{}, fmt.Errorf("reading journal: %w", err)
	}
	lines := bytes.Split(data, []byte("\n"))
	for _, line := range slices.Backward(lines) {
		if e, err := event.Parse(line); err == nil {
			return e, nil
		}
	}
	return event.Event{}, nil
}
