package workspace

import (
	"slices"
	"time"
)

// StageList is what nosa stages tells: the stages that can be started and how what they make stands.
type StageList struct {
	Build  string  `json:"build,omitempty"` // which the stages that take one are about; "": there is none
	Stages []Stage `json:"stages"`          // each after those that it needs
}

// Find gives the stage of a name; nil when there is none.
func (l *StageList) Find(name string) *Stage {
	i := slices.IndexFunc(l.Stages, func(s Stage) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &l.Stages[i]
}

// Stage is one of them.
type Stage struct {
	Name  string      `json:"name"`            // as its jobs have it in job.json
	Title string      `json:"title"`           // one line for people
	Group string      `json:"group"`           // heading under which it stands
	Argv  []string    `json:"argv"`            // the command line that starts it, without nosa
	Needs []string    `json:"needs,omitempty"` // stages whose result it takes
	Locks []StageLock `json:"locks,omitempty"` // what it holds while it runs
	Build string      `json:"build,omitempty"` // the build that it is about

	Options []StageOption `json:"options,omitempty"`

	State  StageState `json:"state"`
	Reason string     `json:"reason,omitempty"` // why, where the state is not the best
	Path   string     `json:"path,omitempty"`   // file:line:column that the reason is about, below src/config or absolute
	Hint   string     `json:"hint,omitempty"`   // what to do about it

	Jobs     []string       `json:"jobs,omitempty"` // ids of those that run, newest first
	Last     *StageRun      `json:"last,omitempty"` // the last that has ended
	Estimate *StageEstimate `json:"estimate,omitempty"`
}

// StageState is how what a stage makes stands.
type StageState string

// The states of a stage.
const (
	StageFresh   StageState = "fresh"   // it would make the same again
	StageStale   StageState = "stale"   // it would make something else now
	StageNever   StageState = "never"   // it has made nothing yet
	StageRunning StageState = "running" // a job of it runs
	StageFailed  StageState = "failed"  // its last job failed
	StageBlocked StageState = "blocked" // it cannot be started as things are
	StageUnknown StageState = "unknown" // only running it tells
)

// StageLock is a lock of the workspace that a stage holds.
type StageLock struct {
	Name      string `json:"name"` // builds, cache, pool, image/TYPE
	Exclusive bool   `json:"exclusive"`
}

// InTheWay says if two stages cannot run at the same time, and over which lock.
func (s *Stage) InTheWay(other *Stage) (lock string, yes bool) {
	for _, a := range s.Locks {
		for _, b := range other.Locks {
			if a.Name == b.Name && (a.Exclusive || b.Exclusive) {
				return a.Name, true
			}
		}
	}
	return "", false
}

// StageOption is an option of a stage, as a form shows it.
type StageOption struct {
	Flag    string          `json:"flag,omitempty"` // with its dashes; "": the words after the command
	Name    string          `json:"name"`
	Help    string          `json:"help"`
	Kind    StageOptionKind `json:"kind"`
	Choices []string        `json:"choices,omitempty"`
	Default string          `json:"default,omitempty"` // what it is when it is not given; of many, joined by spaces
}

// StageOptionKind is what an option takes.
type StageOptionKind string

// The kinds of options.
const (
	OptionBool   StageOptionKind = "bool"
	OptionText   StageOptionKind = "text"
	OptionChoice StageOptionKind = "choice" // one of Choices, or nothing
	OptionMany   StageOptionKind = "many"   // any of Choices, or any words where there are none
	OptionNumber StageOptionKind = "number"
)

// StageRun is a job of a stage that has ended.
type StageRun struct {
	Job    string    `json:"job"`
	Ended  time.Time `json:"ended"`
	MS     int64     `json:"ms"`
	Result string    `json:"result"` // finished, failed, cancelled or lost
	User   string    `json:"user,omitempty"`
}

// StageEstimate is how long a stage usually takes.
type StageEstimate struct {
	MS   int64 `json:"ms"`
	Runs int   `json:"runs"` // on how many it rests
}
