package stages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

// refreshAfter is how long changes of files, builds and jobs must be over before the stages are asked for again.
const refreshAfter = 400 * time.Millisecond

// listRead is the answer of nosa stages.
type listRead struct {
	list workspace.StageList
	err  error
}

// ask asks for the stages.
func (s *Screen) ask(after time.Duration) screen.Effect {
	env := s.env
	return screen.Work{Key: "stages.list", After: after, Do: func(ctx context.Context) screen.Event {
		out, err := env.Query(ctx, "stages")
		if ctx.Err() != nil {
			return nil
		}
		var read listRead
		if err == nil {
			err = json.Unmarshal(out, &read.list)
		}
		read.err = err
		return read
	}}
}

// Handle implements screen.Screen.
func (s *Screen) Handle(e screen.Event) []screen.Effect {
	switch e := e.(type) {
	case feed.Jobs:
		return s.takeJobs(e)
	case feed.Builds, feed.Files:
		return []screen.Effect{s.ask(refreshAfter)}
	case listRead:
		return s.takeList(e)
	case screen.Started:
		return s.started(e)
	case screen.Answer:
		return s.answered(e)
	}
	effects, _ := s.log.Handle(e)
	return effects
}

func (s *Screen) takeList(e listRead) []screen.Effect {
	s.problem = ""
	if e.err != nil {
		s.problem = e.err.Error()
		if q, ok := errors.AsType[*screen.QueryError](e.err); ok {
			s.problem = q.Text
		}
		s.stages.Empty = []string{"The stages cannot be listed:", s.problem}
		return nil
	}
	s.list, s.listed = e.list, true
	s.stageRows.set(&s.list)
	s.stages.SetRows(s.stageRows)
	if s.stageRows.wanted != "" && s.stages.Select(s.stageRows.wanted) {
		s.stageRows.wanted = ""
	}
	return s.advance()
}

// takeJobs shows other jobs: the cursor stays, the queue goes on.
func (s *Screen) takeJobs(jobs feed.Jobs) []screen.Effect {
	changed := !s.known || standing(s.jobs) != standing(jobs)
	s.jobs, s.known = jobs, true
	s.table.Empty = []string{"No jobs yet.", "enter on a stage starts one."}
	if jobs.Problem != "" {
		s.table.Empty = []string{"The jobs cannot be listed:", jobs.Problem}
	}
	var effects []screen.Effect
	if changed {
		effects = append(effects, s.ask(refreshAfter))
	}
	effects = append(effects, s.advance()...)
	effects = append(effects, s.showWanted()...)
	s.endLog()
	return effects
}

// standing tells if jobs have come, gone, or ended.
func standing(jobs feed.Jobs) string {
	var b strings.Builder
	for _, j := range jobs.List {
		fmt.Fprintf(&b, "%s %s\n", j.Info.ID, j.State)
	}
	return b.String()
}

// showWanted shows the job that is waited for, another of the stage that the user is at, or the newest
// where none is shown yet.
func (s *Screen) showWanted() []screen.Effect {
	if s.wanted != "" {
		if _, ok := s.jobs.Find(s.wanted); ok {
			id := s.wanted
			s.wanted = ""
			return s.reveal(id)
		}
	}
	if st := s.currentStage(); st != nil && (s.blank || s.focus == paneStages) {
		if j, ok := s.newestOf(st.Name); ok && (s.blank || j.Running() && s.shows(st.Name)) {
			return s.showStage(st.Name)
		}
	}
	if s.blank {
		return nil
	}
	if s.shown != "" {
		if _, ok := s.jobs.Find(s.shown); ok {
			return nil
		}
	}
	if len(s.jobs.List) == 0 {
		if s.shown == "" {
			return nil
		}
		return s.clear()
	}
	newest := s.jobs.List[0]
	if i := slices.IndexFunc(s.jobs.List, func(j feed.Job) bool { return j.Running() }); i >= 0 {
		newest = s.jobs.List[i]
	}
	return s.reveal(string(newest.Info.ID))
}

// shows says if the job that is shown is of a stage.
func (s *Screen) shows(stage string) bool {
	j, ok := s.job()
	return ok && j.Info.Stage == stage
}

// newestOf gives the job of a stage that was begun last.
func (s *Screen) newestOf(stage string) (feed.Job, bool) {
	i := slices.IndexFunc(s.jobs.List, func(j feed.Job) bool { return j.Info.Stage == stage })
	if i < 0 {
		return feed.Job{}, false
	}
	return s.jobs.List[i], true
}

// advance starts what need wait no longer.
func (s *Screen) advance() []screen.Effect {
	var effects []screen.Effect
	if s.listed && s.known {
		for _, e := range s.queue.next(&s.list, s.jobs) {
			effects = append(effects, startEntry(e))
		}
	}
	s.relist()
	return effects
}

// relist shows queue and jobs as they are now.
func (s *Screen) relist() {
	s.jobRows.set(s.jobs.List, s.queue.list)
	s.table.SetRows(s.jobRows)
}

// The tags of what is started.
const (
	tagStart = "stages.start"
	tagQueue = "stages.queue"
)

func startEntry(e entry) screen.Effect {
	return screen.Start{Args: e.args, Tag: fmt.Sprintf("%s %d", tagQueue, e.id)}
}

// started sees what became of a start.
func (s *Screen) started(e screen.Started) []screen.Effect {
	tag, rest, _ := strings.Cut(e.Tag, " ")
	if tag != tagStart && tag != tagQueue {
		return nil
	}
	var id int
	if tag == tagQueue {
		_, _ = fmt.Sscan(rest, &id) // of our own making
	}
	if e.Err != nil {
		if tag == tagQueue {
			s.queue.refused(id, firstLine(e.Err.Error()))
			s.relist()
		}
		return []screen.Effect{screen.Notice{Level: screen.Bad, Text: strings.Join(e.Args, " ") + ": " + firstLine(first(e.Err.Error(), e.Text))}, s.ask(0)}
	}
	if tag == tagQueue {
		s.queue.began(id, e.Job)
	}
	if j, _ := s.job(); tag == tagStart || s.focus != paneLog && !j.Running() { // who reads is left alone
		s.wanted = e.Job
	}
	effects := append(s.showWanted(), s.ask(refreshAfter))
	return append(effects, s.advance()...)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// runningOf gives the newest job of a stage that runs.
func (s *Screen) runningOf(stage string) (feed.Job, bool) {
	for _, j := range s.jobs.List {
		if j.Info.Stage == stage && j.Running() {
			return j, true
		}
	}
	return feed.Job{}, false
}

// queuedOf gives the first entry of a stage in the queue; nil when it does not wait there.
func (s *Screen) queuedOf(stage string) *entry {
	i := slices.IndexFunc(s.queue.list, func(e entry) bool { return e.stage == stage })
	if i < 0 {
		return nil
	}
	return &s.queue.list[i]
}

// job is the job that is shown.
func (s *Screen) job() (feed.Job, bool) { return s.jobs.Find(s.shown) }

// currentStage is the stage of the cursor; nil when there is none.
func (s *Screen) currentStage() *workspace.Stage {
	i, ok := s.stages.Current()
	if !ok {
		return nil
	}
	return s.stageRows.list[i].Stage
}

// currentRow is the row of the jobs that the cursor is on.
func (s *Screen) currentRow() jobRow {
	i, ok := s.table.Current()
	if !ok {
		return jobRow{}
	}
	return s.jobRows.list[i]
}
