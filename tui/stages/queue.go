package stages

import (
	"fmt"
	"slices"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

// queue is the stages that are to be started once others have ended well. It lives in the
// workbench alone. Which can run at the same time the locks of the stages say.
type queue struct {
	list []entry
	last int             // number of the entry that was added last
	seen map[string]bool // jobs that were listed: another one is still to come
}

// entry is one of them.
type entry struct {
	id     int
	stage  string
	args   []string // the command line without nosa
	behind []int    // entries that must have been started before
	after  []string // jobs that must have ended well before
	held   string   // why it does not start by itself any more; "": it does
	begun  bool     // it is being started; the job is not known yet
}

// key is what the entry is known by in the list of jobs.
func (e entry) key() string { return fmt.Sprintf("queue/%d", e.id) }

func (q *queue) add(e entry) entry {
	q.last++
	e.id = q.last
	q.list = append(slices.Clip(q.list), e)
	return e
}

func (q *queue) remove(id int) {
	q.list = slices.DeleteFunc(slices.Clone(q.list), func(e entry) bool { return e.id == id })
}

// behind says what an entry is put behind: only what it cannot run beside, or all there is.
type behind bool

const (
	behindNeeded behind = false
	behindAll    behind = true
)

// waitsFor says if a stage must wait for another: for what it needs, and for what holds its locks.
func waitsFor(list *workspace.StageList, stage, other string) (why string, yes bool) {
	a, b := list.Find(stage), list.Find(other)
	if a == nil || b == nil {
		return "", false
	}
	if slices.Contains(a.Needs, other) {
		return "it takes what " + other + " makes", true
	}
	if lock, yes := a.InTheWay(b); yes {
		return other + " holds " + lock, true
	}
	return "", false
}

// place fills in what an entry waits for, and says the first reason; "" when it waits for nothing.
func (q *queue) place(list *workspace.StageList, jobs feed.Jobs, e *entry, how behind) (why string) {
	for _, j := range jobs.Running() {
		reason, yes := waitsFor(list, e.stage, j.Info.Stage)
		if yes || how == behindAll {
			e.after = append(e.after, string(j.Info.ID))
			why = first(why, reason, "it comes after "+j.Info.Stage)
		}
	}
	for _, other := range q.list {
		reason, yes := waitsFor(list, e.stage, other.stage)
		if yes || how == behindAll {
			e.behind = append(e.behind, other.id)
			why = first(why, reason, "it comes after "+other.stage)
		}
	}
	return why
}

// first is the first of the texts that says anything.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// next gives the entries that can be started now and marks them as begun. One whose predecessor ended
// badly is held, and all behind it wait for the user.
func (q *queue) next(list *workspace.StageList, jobs feed.Jobs) (start []entry) {
	if q.seen == nil {
		q.seen = map[string]bool{}
	}
	for _, j := range jobs.List {
		q.seen[string(j.Info.ID)] = true
	}
	q.list = slices.Clone(q.list)
	for i := range q.list {
		e := &q.list[i]
		if e.begun || e.held != "" || !q.ready(e, jobs) || e.held != "" {
			continue
		}
		if slices.ContainsFunc(jobs.Running(), func(j feed.Job) bool { _, yes := waitsFor(list, e.stage, j.Info.Stage); return yes }) {
			continue // somebody else has begun one in between
		}
		e.begun = true
		start = append(start, *e)
	}
	return start
}

// ready says if nothing is before the entry any more.
func (q *queue) ready(e *entry, jobs feed.Jobs) bool {
	for _, id := range e.behind {
		if slices.ContainsFunc(q.list, func(other entry) bool { return other.id == id }) {
			return false
		}
	}
	for _, id := range e.after {
		j, ok := jobs.Find(id)
		switch {
		case !ok && !q.seen[id]:
			return false
		case !ok:
			e.held = "the job before it is gone"
		case j.State == job.Running:
			return false
		case j.State != job.Finished:
			e.held = j.Info.Stage + " " + resultOf(&j)
		}
	}
	return true
}

// began takes a started entry out: those behind it wait for its job now.
func (q *queue) began(id int, jobID string) {
	q.remove(id)
	q.list = slices.Clone(q.list)
	for i := range q.list {
		e := &q.list[i]
		if at := slices.Index(e.behind, id); at >= 0 {
			e.behind = slices.Delete(slices.Clone(e.behind), at, at+1)
			if jobID != "" {
				e.after = append(slices.Clip(e.after), jobID)
			}
		}
	}
}

// refused holds an entry that could not be started.
func (q *queue) refused(id int, why string) {
	q.list = slices.Clone(q.list)
	for i := range q.list {
		if q.list[i].id == id {
			q.list[i].held, q.list[i].begun = why, false
		}
	}
}
