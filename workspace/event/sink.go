package event

import (
	"sync"
	"time"
)

// Sink takes the events of a job. Emit may be called from several goroutines
// and must not keep the caller waiting for a reader.
type Sink interface {
	Emit(Event)
}

// LineSink takes the output lines of the programs that a step runs.
type LineSink interface {
	Line(step, text string)
}

// progressEvery bounds progress events to four a second and step.
const progressEvery = 250 * time.Millisecond

// Reporter reports on one step. The nil Reporter discards everything, so that
// a function can be called without a job. It is safe for concurrent use.
type Reporter struct {
	step  string
	sink  Sink
	lines LineSink
	now   func() time.Time

	mu   sync.Mutex
	last time.Time
}

// NewReporter gives a Reporter for step. lines may be nil.
func NewReporter(step string, sink Sink, lines LineSink, now func() time.Time) *Reporter {
	return &Reporter{step: step, sink: sink, lines: lines, now: now}
}

// Progress says that done of total are through; total 0 is not known yet.
// Calls may come at any rate: four a second and the last (done == total) get through.
func (r *Reporter) Progress(done, total int64, unit Unit) {
	if r == nil {
		return
	}
	now := r.now()
	r.mu.Lock()
	drop := now.Sub(r.last) < progressEvery && (done != total || total == 0)
	if !drop {
		r.last = now
	}
	r.mu.Unlock()
	if drop {
		return
	}
	r.sink.Emit(Event{Kind: Progress, Step: r.step, Done: done, Total: total, Unit: unit})
}

// Line writes one line of a tool's output to the job's log. It has the shape
// of proc.Cmd.Line.
func (r *Reporter) Line(text string) {
	if r == nil || r.lines == nil {
		return
	}
	r.lines.Line(r.step, text)
}

// Info tells the person who watches.
func (r *Reporter) Info(text string) { r.log(Info, text) }

// Warn tells the person who watches that something is not as it should be.
func (r *Reporter) Warn(text string) { r.log(Warn, text) }

// Artifact names a file of the result.
func (r *Reporter) Artifact(path string) {
	if r != nil {
		r.sink.Emit(Event{Kind: Artifact, Step: r.step, Path: path})
	}
}

func (r *Reporter) log(level Level, text string) {
	if r != nil {
		r.sink.Emit(Event{Kind: Log, Step: r.step, Level: level, Text: Clean(text)})
	}
}
