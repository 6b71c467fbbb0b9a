package loop

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/event"
)

// Version is the value of Round.V that this package writes.
const Version = 1

// Result is what a turn came to.
type Result string

// The results.
const (
	Login  Result = "login"  // the machine that it booted has its login prompt
	Built  Result = "built"  // what was out of date is made; nothing was to be booted
	Fresh  Result = "fresh"  // there was nothing to do
	Failed Result = "failed" // Round.Error
	Cut    Result = "cut"    // a newer save or a person ended it
)

// The parts of a turn, in their order.
const (
	PartWait  = "wait"  // from the save to the turn's beginning: more may be saved, a turn may go on
	PartPlan  = "plan"  // finding out what is out of date
	PartFetch = "fetch" // the packages
	PartBuild = "build" // the commit and its archive
	PartImage = "image"
	PartStart = "start" // the end of the machine before, and all up to the new one's first instruction
	PartBoot  = "boot"  // from there to the login prompt
)

// Mark is the end of a span of time that belongs to a part.
type Mark struct {
	Part string
	End  time.Time
}

// Part is how long one part of a turn took.
type Part struct {
	Name string `json:"name"`
	MS   int64  `json:"ms"`
}

// Parts cuts the time from a save into parts: each span goes from the end of the one
// before it to its mark, and those of one part are added. A mark before the one
// before it adds nothing. The sum is the time from the save to the last mark.
func Parts(saved time.Time, marks []Mark) []Part {
	var parts []Part
	last := int64(0)
	for _, m := range marks {
		end := max(last, m.End.Sub(saved).Milliseconds())
		i := slices.IndexFunc(parts, func(p Part) bool { return p.Name == m.Part })
		if i < 0 {
			i, parts = len(parts), append(parts, Part{Name: m.Part})
		}
		parts[i].MS += end - last
		last = end
	}
	return parts
}

// JobMarks are the marks of a job of a stage that ended at a time: the steps that
// make an image, which isImage knows, are PartImage, the rest is the job's own part.
func JobMarks(stage string, events []event.Event, isImage func(step string) bool, ended time.Time) []Mark {
	own := PartBuild
	switch {
	case stage == "fetch":
		own = PartFetch
	case strings.HasPrefix(stage, "buildextend-"):
		return []Mark{{PartImage, ended}}
	}
	var marks []Mark
	images := 0 // that are being made
	for _, e := range events {
		if e.Kind != event.Step || !isImage(e.Step) {
			continue
		}
		switch e.State {
		case event.Run:
			if images++; images == 1 {
				marks = append(marks, Mark{own, e.Time})
			}
		case event.Done:
			if images--; images == 0 {
				marks = append(marks, Mark{PartImage, e.Time})
			}
		case event.Skip, event.Unknown:
		}
	}
	return append(marks, Mark{own, ended})
}

// Round is a turn that has ended, a line of the workspace's tmp/rounds.jsonl and of
// nosa watch --output json.
type Round struct {
	V      int        `json:"v"`
	Time   time.Time  `json:"time"` // its end, UTC
	Kind   event.Kind `json:"kind"` // event.Round
	Saved  time.Time  `json:"saved"`
	Paths  []string   `json:"paths,omitempty"` // the first that were saved
	Result Result     `json:"result"`
	Parts  []Part     `json:"parts"`
	Jobs   []string   `json:"jobs,omitempty"`  // stages that ran: "fetch", "build"
	Build  string     `json:"build,omitempty"` // the newest, where there is one
	VM     string     `json:"vm,omitempty"`    // id of the machine that it booted
	Units  []string   `json:"units,omitempty"` // that failed while it booted
	Error  string     `json:"error,omitempty"` // of Failed
	Path   string     `json:"path,omitempty"`  // file:line:column of the error
	User   string     `json:"user,omitempty"`
}

// Total is the time from the save to the end.
func (r Round) Total() time.Duration {
	var ms int64
	for _, p := range r.Parts {
		ms += p.MS
	}
	return time.Duration(ms) * time.Millisecond
}

// BeforeGuest is the time from the save to the machine's first instruction; of a
// turn without a machine all of it.
func (r Round) BeforeGuest() time.Duration {
	d := r.Total()
	for _, p := range r.Parts {
		if p.Name == PartBoot {
			d -= time.Duration(p.MS) * time.Millisecond
		}
	}
	return d
}

// String is the turn in a line: "save → login 41.2s: wait 0.2 plan 0.3 build 12.1 image 3.0 start 0.4 boot 25.2",
// in seconds. What an error was is not in it.
func (r Round) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "save → %s %.1fs", event.Clean(string(r.Result)), r.Total().Seconds())
	for i, p := range r.Parts {
		b.WriteString([]string{": ", " "}[min(i, 1)])
		fmt.Fprintf(&b, "%s %.1f", event.Clean(p.Name), float64(p.MS)/1000)
	}
	return b.String()
}
