// Package stages is the Stages screen: what can be made, what is out of date and why, the
// jobs that make it, how far they are and what they print. It reads no files and runs nothing itself.
package stages

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/logpane"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// The panes.
const (
	paneStages   = "stages"
	paneJobs     = "jobs"
	paneProgress = "progress"
	paneLog      = "log"
)

func paneNames() []string { return []string{paneStages, paneJobs, paneProgress, paneLog} }

// Screen is the Stages screen.
type Screen struct {
	env     screen.Env
	list    workspace.StageList
	listed  bool   // list has come
	problem string // why it has not
	jobs    feed.Jobs
	known   bool // jobs have come
	queue   queue

	stages    widget.Table
	stageRows *stageRows
	table     widget.Table
	jobRows   *jobRows

	shown   string       // the job whose progress and log are seen; "" is none
	blank   bool         // none is to be seen: the stage of the cursor has none
	wanted  string       // one that is to be shown as soon as it is known
	log     logpane.Pane // of the job that is shown
	logs    logs         // its is the first
	scroll  int          // first step that is to be seen in the progress; ownWay: those that run
	top     int          // the one that was seen at last
	terse   bool         // at the last drawing the progress had no room to say why a stage stands as it does
	form    *form
	actions []screen.Action

	focus  string
	zoomed bool
	w, h   int // at the last drawing
}

// New makes the screen. Jobs come as feed.Jobs events; the stages are asked for.
func New(env screen.Env) *Screen {
	s := &Screen{env: env, focus: paneStages, scroll: ownWay, log: logpane.Pane{Key: "stages.log"}, stageRows: &stageRows{}, jobRows: &jobRows{}}
	s.stages = widget.Table{Columns: stageColumns(), Headless: true, Empty: []string{"Reading the stages…"}}
	s.table = widget.Table{Columns: jobColumns(), Headless: true, Empty: []string{"Reading the jobs…"}}
	s.stageRows.s, s.jobRows.s = s, s
	s.stages.SetRows(s.stageRows)
	s.table.SetRows(s.jobRows)
	s.actions = s.actionTable()
	return s
}

// Name implements screen.Screen.
func (s *Screen) Name() screen.Name { return screen.Stages }

// Title implements screen.Screen.
func (s *Screen) Title() string { return "Stages" }

// Actions implements screen.Screen.
func (s *Screen) Actions() []screen.Action { return s.actions }

// Focus implements screen.Screen.
func (s *Screen) Focus() string { return s.focus }

// SetFocus implements screen.Screen.
func (s *Screen) SetFocus(id string) {
	for _, name := range paneNames() {
		if name == id && id != s.focus {
			s.focus = id
			s.log.Leave()
		}
	}
}

// Zoomed implements screen.Screen.
func (s *Screen) Zoomed() bool { return s.zoomed }

// SetZoomed implements screen.Screen.
func (s *Screen) SetZoomed(z bool) { s.zoomed = z }

// Typing implements screen.Screen.
func (s *Screen) Typing() bool {
	switch s.focus {
	case paneStages:
		return s.stages.Typing()
	case paneJobs:
		return s.table.Typing()
	case paneLog:
		return s.log.Typing()
	}
	return false
}

// Chosen is the job that the user is at.
func (s *Screen) Chosen() screen.Target {
	j, _ := s.subject()
	return screen.Target{Job: string(j.Info.ID)}
}

// Dirty implements screen.Screen: the queue goes with the workbench.
func (s *Screen) Dirty() []string {
	if n := len(s.queue.list); n > 0 {
		return []string{widget.Count(n, "stage", "stages") + " of the queue: nothing starts them any more"}
	}
	return nil
}

// Hint implements screen.Screen.
func (s *Screen) Hint() string {
	var parts []string
	if st := s.currentStage(); s.focus == paneStages && st != nil && st.Reason != "" {
		parts = append(parts, st.Name+": "+reasonOf(st))
	}
	if j, ok := s.job(); ok && s.focus != paneStages {
		parts = append(parts, jobPlace(&j, s.w/2)+": "+jobCommand(&j))
	}
	if n := len(s.queue.list); n > 0 {
		parts = append(parts, fmt.Sprintf("%d queued", n))
	}
	if s.problem != "" && s.listed {
		parts = append(parts, "the stages may be old: "+s.problem)
	}
	return strings.Join(parts, "  ")
}

// saved is what a later session finds again.
type saved struct {
	Focus string       `json:"focus,omitempty"`
	Stage string       `json:"stage,omitempty"`
	Job   string       `json:"job,omitempty"`
	Queue []savedEntry `json:"queue,omitempty"`
}

type savedEntry struct {
	Stage string   `json:"stage"`
	Args  []string `json:"args"`
}

// Save implements screen.Screen.
func (s *Screen) Save() json.RawMessage {
	v := saved{Focus: s.focus, Stage: s.stages.CurrentKey(), Job: s.shown}
	for _, e := range s.queue.list {
		v.Queue = append(v.Queue, savedEntry{e.stage, e.args})
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return data
}

// Restore implements screen.Screen. What was queued is held: the user decides anew.
func (s *Screen) Restore(data json.RawMessage) []screen.Effect {
	var v saved
	if json.Unmarshal(data, &v) == nil {
		s.SetFocus(v.Focus)
		s.wanted, s.stageRows.wanted = v.Job, v.Stage
		for _, e := range v.Queue {
			if e.Stage != "" && len(e.Args) > 0 {
				s.queue.add(entry{stage: e.Stage, args: e.Args, held: "it waited when the workbench ended"})
			}
		}
	}
	return []screen.Effect{s.ask(0)}
}

// Open implements screen.Screen.
func (s *Screen) Open(t screen.Target) []screen.Effect {
	effects := []screen.Effect{s.ask(0)}
	if t.Job == "" {
		return effects
	}
	s.wanted = t.Job
	s.focus = paneLog
	return append(effects, s.showWanted()...)
}

// now is the time of events.
func (s *Screen) now() time.Time { return s.env.Now() }
