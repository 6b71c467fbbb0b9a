package feed

import (
	"slices"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// problemsKept is how many warnings and errors of a job are kept.
const problemsKept = 20

// take applies an event of the journal. What was posted before stays as it is.
func (j *Job) take(e event.Event) {
	j.Last = e
	switch e.Kind {
	case event.Start:
		j.Title, j.Started = e.Title, e.Time
	case event.Plan:
		j.change(e.Step, func(s *Step) { s.Title = e.Title })
	case event.Step:
		j.change(e.Step, func(s *Step) { s.take(e) })
	case event.Progress:
		j.change(e.Step, func(s *Step) {
			s.Text = e.Text
			if e.Unit != "" {
				s.Done, s.Total, s.Unit = e.Done, e.Total, e.Unit
			}
		})
	case event.Log:
		j.problem(e)
	case event.Artifact:
		j.Artifacts = append(slices.Clip(j.Artifacts), e.Path)
	case event.Finish:
		j.Ended, j.Text = e.Time, e.Text
		j.stop(StepDone)
	case event.Fail:
		j.Ended, j.Fail = e.Time, &e
		if e.Step != "" && e.Code != exitCancelled {
			j.change(e.Step, func(s *Step) { s.end(StepFailed, e.Time) })
		}
		j.stop(StepStopped)
		if e.Code == exitCancelled { // a program that was ended did not fail
			j.turn(StepFailed, StepStopped)
		}
	}
}

// change changes a step, which is made where there is none of that name.
func (j *Job) change(name string, do func(*Step)) {
	if name == "" {
		return
	}
	j.Steps = slices.Clone(j.Steps)
	i := slices.IndexFunc(j.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		i = len(j.Steps)
		j.Steps = append(j.Steps, Step{Name: name, Title: name, State: StepWaiting})
	}
	do(&j.Steps[i])
}

func (s *Step) take(e event.Event) {
	switch e.State {
	case event.Run:
		*s = Step{Name: s.Name, Title: s.Title, Usual: s.Usual, State: StepRunning, Reason: e.Reason, Started: e.Time}
	case event.Skip:
		s.State, s.Reason = StepSkipped, e.Reason
	case event.Done:
		state := StepDone
		if e.Level == event.Error {
			state = StepFailed
		}
		s.end(state, e.Time)
		s.Text, s.Took = e.Text, time.Duration(e.MS)*time.Millisecond
		if e.Reason != "" {
			s.Reason = e.Reason
		}
	case event.Unknown:
	}
}

func (s *Step) end(state StepState, at time.Time) {
	s.State = state
	if !s.Started.IsZero() {
		s.Took = max(at.Sub(s.Started), 0)
	}
}

// stop ends the steps that run when the job ends.
func (j *Job) stop(state StepState) {
	for _, s := range j.Steps {
		if s.State == StepRunning {
			j.change(s.Name, func(s *Step) { s.end(state, j.Ended) })
		}
	}
}

// turn makes one state of steps another.
func (j *Job) turn(from, to StepState) {
	for _, s := range j.Steps {
		if s.State == from {
			j.change(s.Name, func(s *Step) { s.State = to })
		}
	}
}

func (j *Job) problem(e event.Event) {
	switch e.Level {
	case event.Error:
		j.Errors++
	case event.Warn:
		j.Warnings++
	default:
		return
	}
	if len(j.Problems) < problemsKept {
		j.Problems = append(slices.Clip(j.Problems), e)
	}
}

// stand sets the state, by the lock and then by what the journal says last, as job.Look does.
func (j *Job) stand(running bool) {
	switch {
	case running:
		j.State = job.Running
	case j.Last.Kind == event.Finish:
		j.State = job.Finished
	case j.Last.Kind == event.Fail:
		j.State = job.Failed
	default:
		j.State, j.Ended = job.Lost, j.Last.Time
		if j.Ended.IsZero() {
			j.Ended = j.Started
		}
		j.stop(StepStopped)
	}
}

// weighSteps gives the steps the durations of the past.
func (j *Job) weighSteps(h workspace.History) {
	for _, s := range j.Steps {
		if d, ok := h.Estimate(j.Info.Stage, s.Name); ok && d != s.Usual {
			j.change(s.Name, func(s *Step) { s.Usual = d })
		}
	}
}

// errands are the jobs that are alike: of a stage, and of what was asked of it. What nosa exec runs
// says nothing of another program.
func errands(j *Job) (exact, stage string) {
	exact = j.Info.Stage + " " + string(j.Info.Request)
	if j.Info.Stage == "exec" {
		return exact, exact
	}
	return exact, j.Info.Stage
}

// wholeTimes gives how long jobs of each errand usually take as a whole.
func wholeTimes(list []Job) map[string]time.Duration {
	var ended workspace.History
	for _, j := range slices.Backward(list) {
		if j.State != job.Finished {
			continue
		}
		exact, stage := errands(&j)
		d := workspace.Duration{Stage: exact, MS: j.Elapsed(j.Ended).Milliseconds()}
		ended = append(ended, d)
		if d.Stage = stage; stage != exact {
			ended = append(ended, d)
		}
	}
	times := map[string]time.Duration{}
	for _, d := range ended {
		times[d.Stage], _ = ended.Estimate(d.Stage, "")
	}
	return times
}
