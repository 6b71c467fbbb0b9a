package feed

import (
	"slices"
	"time"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// Jobs is the jobs of a workspace at one moment. What was posted is never changed.
type Jobs struct {
	List    []Job             // newest first
	History workspace.History // durations of steps in the past
	Problem string            // why the jobs cannot be listed; "" is no problem
	Notice  string            // why changes are seen late; "" is none
}

// Find gives the job of an id.
func (j Jobs) Find(id string) (found Job, ok bool) {
	i := slices.IndexFunc(j.List, func(one Job) bool { return string(one.Info.ID) == id })
	if i < 0 {
		return Job{}, false
	}
	return j.List[i], true
}

// Running gives the jobs that run, newest first.
func (j Jobs) Running() []Job {
	return slices.DeleteFunc(slices.Clone(j.List), func(one Job) bool { return !one.Running() })
}

// Job is what a job's files say of it.
type Job struct {
	Info  job.Info
	State job.State // as nosa jobs tells it
	Dir   string
	Last  event.Event // of the journal; zero when there is none

	Title      string // what the job says it does; "" before it says so
	Text       string // what it came to; "" unless it finished and said so
	Steps      []Step // in the order of the plan
	Started    time.Time
	Ended      time.Time // zero while it runs; of a lost one when it was last heard of
	Fail       *event.Event
	Cancelling bool // somebody asked it to end

	Errors, Warnings int           // log events of these levels
	Problems         []event.Event // the first of them
	Artifacts        []string      // paths below the workspace, in the order in which they came

	usual time.Duration // of all, where the steps have no history; 0: not known
}

// Step is a step of a job.
type Step struct {
	Name, Title string
	State       StepState
	Reason      string // why it runs or was skipped
	Text        string // what it says while it runs, and what it came to
	Done, Total int64  // of Unit; Total 0 is not known
	Unit        event.Unit
	Started     time.Time     // zero before it began
	Took        time.Duration // of one that has ended
	Usual       time.Duration // how long it took in the past; 0: never ran
}

// StepState is how a step stands.
type StepState string

// The states of a step.
const (
	StepWaiting StepState = "waiting"
	StepRunning StepState = "running"
	StepDone    StepState = "done"
	StepSkipped StepState = "skipped"
	StepFailed  StepState = "failed"
	StepStopped StepState = "stopped" // the job ended before it did
)

// Running says if the job runs.
func (j *Job) Running() bool { return j.State == job.Running }

// exitCancelled is the code of a fail event that a cancel brought about (docs/design.md §5).
const exitCancelled = 130

// Cancelled says if somebody ended the job.
func (j *Job) Cancelled() bool {
	return j.State == job.Failed && j.Fail != nil && j.Fail.Code == exitCancelled
}

// Elapsed is how long the job has run or ran.
func (j *Job) Elapsed(now time.Time) time.Duration {
	if !j.Ended.IsZero() {
		now = j.Ended
	}
	return max(now.Sub(j.Started), 0)
}

// Elapsed is how long the step has run or ran.
func (s *Step) Elapsed(now time.Time) time.Duration {
	if s.State != StepRunning {
		return s.Took
	}
	return max(now.Sub(s.Started), 0)
}

// nearly is as far as something is that should be done by now and is not.
const nearly = 0.99

// Fraction is how much of the step is through, from 0 to 1, by what it counts; ok is false where it counts nothing.
func (s *Step) Fraction() (f float64, ok bool) {
	switch {
	case s.State == StepDone:
		return 1, true
	case s.Total <= 0:
		return 0, false
	}
	return min(max(float64(s.Done)/float64(s.Total), 0), 1), true
}

// share is the part of the step's usual time that is over.
func (s *Step) share(now time.Time) float64 {
	if f, ok := s.Fraction(); ok {
		return f
	}
	if s.State != StepRunning || s.Usual <= 0 {
		return 0
	}
	return min(float64(s.Elapsed(now))/float64(s.Usual), nearly)
}

// weigh gives the time that the job usually takes and how much of that is over.
// Steps that are skipped, or never ran before, count nothing. all is 0 where nothing is known.
func (j *Job) weigh(now time.Time) (all, over time.Duration) {
	for i := range j.Steps {
		s := &j.Steps[i]
		if s.State == StepSkipped {
			continue
		}
		all += s.Usual
		over += time.Duration(s.share(now) * float64(s.Usual))
	}
	if all == 0 && j.usual > 0 {
		return j.usual, min(j.Elapsed(now), time.Duration(nearly*float64(j.usual)))
	}
	return all, over
}

// Fraction is how much of a running job is through, from 0 to 1, its steps weighed by the
// time that they took in the past; ok is false where there is no history of them.
func (j *Job) Fraction(now time.Time) (f float64, ok bool) {
	if j.State == job.Finished {
		return 1, true
	}
	all, over := j.weigh(now)
	if all <= 0 || !j.Running() {
		return 0, false
	}
	return min(float64(over)/float64(all), nearly), true
}

// Remaining is how long a running job will still take if it goes on as in the past; ok is
// false where there is no history. 0 is a job that takes longer than it did.
func (j *Job) Remaining(now time.Time) (d time.Duration, ok bool) {
	all, over := j.weigh(now)
	if all <= 0 || !j.Running() {
		return 0, false
	}
	return max(all-over, 0), true
}

// Who is who started the job, as user@host.
func (j *Job) Who() string { return j.Info.User + "@" + j.Info.Host }
