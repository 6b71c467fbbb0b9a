// Package event is what a running stage says of itself: one Event a line of JSON, in a job's journal.
//
// It is not a logger: the output of the programs that a stage runs goes to the
// job's log file, and only the line numbers of that are worth an event.
package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Version is the value of Event.V that this package writes.
const Version = 1

// Kind says what an Event tells.
type Kind string

// The kinds, in the order in which a job uses them.
const (
	Start    Kind = "start"    // the job has begun; Title
	Plan     Kind = "plan"     // one step of the plan; Step, Title, State
	Step     Kind = "step"     // a step began (run), was skipped (skip) or is finished (done)
	Progress Kind = "progress" // Done of Total Unit in Step, or Text where nothing is counted
	Log      Kind = "log"      // something a person should see; Level, Text
	Artifact Kind = "artifact" // a file of the result; Path below the workspace
	Finish   Kind = "finish"   // the job succeeded; MS is its duration, Code 0 or, of a job that ran a program for a person, that program's
	Fail     Kind = "fail"     // the job failed; Code, Text, Path, Hint
	// Milestone is what a booting machine has come to: Step is which, Text the
	// console's line, MS the time since power-on, Done the boot, counted from 1.
	Milestone Kind = "milestone"
	// Round is a turn of nosa watch that has ended: the line is a loop.Round.
	Round Kind = "round"
)

// State is what becomes of a step.
type State string

// The states of a step. Unknown is only in plans: whether the step runs is
// decided when the steps before it are done.
const (
	Run     State = "run"
	Skip    State = "skip"
	Done    State = "done"
	Unknown State = "unknown"
)

// Unit is what Event.Done and Event.Total count.
type Unit string

// The units of progress.
const (
	UnitBytes    Unit = "bytes"
	UnitPackages Unit = "packages"
	UnitFiles    Unit = "files"
)

// Level is how much a Log event matters.
type Level string

// The levels of Log events.
const (
	Info  Level = "info"
	Warn  Level = "warning"
	Error Level = "error"
)

// Event is one line of a job's journal. Which fields count depends on Kind;
// the rest are zero and absent from the JSON.
type Event struct {
	V      int       `json:"v"`
	Time   time.Time `json:"time"`
	Kind   Kind      `json:"kind"`
	Step   string    `json:"step,omitempty"`
	State  State     `json:"state,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Title  string    `json:"title,omitempty"`
	Done   int64     `json:"done,omitempty"`
	Total  int64     `json:"total,omitempty"`
	Unit   Unit      `json:"unit,omitempty"`
	Level  Level     `json:"level,omitempty"`
	Text   string    `json:"text,omitempty"`
	Path   string    `json:"path,omitempty"`
	Why    string    `json:"why,omitempty"` // of a diagnostic
	Hint   string    `json:"hint,omitempty"`
	Chain  []string  `json:"chain,omitempty"` // of a diagnostic: the includes that led to Path, outermost first
	Code   int       `json:"code,omitempty"`
	MS     int64     `json:"ms,omitempty"`
}

// Parse reads one line of a journal. A line of another version is an error.
func Parse(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, fmt.Errorf("parsing event: %w", err)
	}
	if e.V != Version {
		return Event{}, fmt.Errorf("event version %d, want %d", e.V, Version)
	}
	return e, nil
}

// Clean makes one line of text fit for a journal and a terminal: control
// characters (of a tool's output, so untrusted) become spaces and what follows
// a carriage return replaces what stood before it, as on a terminal.
func Clean(text string) string {
	text = strings.TrimRight(text, "\r\n")
	if i := strings.LastIndexByte(text, '\r'); i >= 0 {
		text = text[i+1:]
	}
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r == '\t' || r < ' ' || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, text), " ")
}
