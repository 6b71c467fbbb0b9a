package stages

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// The columns of the stages.
const (
	stageGlyph = iota
	stageName
	stageState
	stageTook
	stageWhy
)

func stageColumns() []widget.Column {
	return []widget.Column{
		stageGlyph: {Width: 1},
		stageName:  {Width: 22, Filter: true},
		stageState: {Width: 8, Filter: true},
		stageTook:  {Width: 6, Right: true, Priority: 1},
		stageWhy:   {Width: 12, Grow: 1, Priority: 2, Filter: true},
	}
}

// stageRow is a stage and how deep it stands below those that it needs.
type stageRow struct {
	*workspace.Stage
	depth int
}

// stageRows are the rows of the stages.
type stageRows struct {
	s      *Screen
	list   []stageRow
	glyphs theme.Glyphs
	now    time.Time
	wanted string // the stage that a session had chosen
}

// set takes another list.
func (r *stageRows) set(list *workspace.StageList) {
	r.list = make([]stageRow, len(list.Stages))
	depths := map[string]int{}
	for i := range list.Stages {
		st := &list.Stages[i]
		depth := 0
		for _, need := range st.Needs {
			if d, ok := depths[need]; ok {
				depth = max(depth, d+1)
			}
		}
		depths[st.Name] = depth
		r.list[i] = stageRow{st, depth}
	}
}

// Len implements widget.Rows.
func (r *stageRows) Len() int { return len(r.list) }

// Key implements widget.Rows.
func (r *stageRows) Key(row int) string { return r.list[row].Name }

// Compare implements widget.Rows.
func (r *stageRows) Compare(_, a, b int) int { return cmp.Compare(a, b) }

// Cell implements widget.Rows.
func (r *stageRows) Cell(row, column int) widget.Cell {
	st := r.list[row]
	l := stageLook(st.State, r.glyphs)
	word := string(st.State)
	j, running := r.s.runningOf(st.Name)
	queued := r.s.queuedOf(st.Name)
	switch {
	case running:
		l, word = look{r.glyphs.Running, theme.Running}, r.percent(&j)
	case queued != nil && st.State != workspace.StageRunning:
		l, word = entryLook(queued, r.glyphs)
	case st.State == workspace.StageRunning: // it has ended since the list was made
		l, word = look{r.glyphs.Waiting, theme.Waiting}, r.glyphs.Ellipsis
	}
	switch column {
	case stageGlyph:
		return widget.Cell{Text: l.glyph, Role: l.role}
	case stageName:
		return widget.Cell{Text: strings.Repeat(" ", st.depth) + strings.Join(argvWords(st.Argv), " ")}
	case stageState:
		return widget.Cell{Text: word, Role: l.role}
	case stageTook:
		return widget.Cell{Text: r.took(st.Stage, &j, running), Role: theme.Muted}
	}
	if running {
		return widget.Cell{Text: remaining(&j, r.now), Role: theme.Muted}
	}
	return widget.Cell{Text: reasonOf(st.Stage), Role: theme.Muted}
}

// argvWords is the command without its options.
func argvWords(argv []string) []string {
	for i, word := range argv {
		if strings.HasPrefix(word, "-") {
			return argv[:i]
		}
	}
	return argv
}

func (r *stageRows) percent(j *feed.Job) string {
	if f, ok := j.Fraction(r.now); ok {
		return fmt.Sprintf("%d%%", int(f*100))
	}
	return resultOf(j)
}

func (r *stageRows) took(st *workspace.Stage, j *feed.Job, running bool) string {
	switch {
	case running:
		return widget.Stopwatch(j.Elapsed(r.now))
	case st.Last != nil && st.Last.MS > 0:
		return widget.Took(time.Duration(st.Last.MS) * time.Millisecond)
	case st.Estimate != nil:
		return "~" + widget.Took(time.Duration(st.Estimate.MS)*time.Millisecond)
	}
	return ""
}

// remaining says how long a job will still take: "eta 0:43", "no estimate".
func remaining(j *feed.Job, now time.Time) string {
	switch d, ok := j.Remaining(now); {
	case !ok:
		return "no estimate"
	case d < time.Second:
		return "longer than usual"
	default:
		return "eta " + widget.Stopwatch(d)
	}
}

// The columns of the jobs.
const (
	jobGlyph = iota
	jobStage
	jobState
	jobTook
	jobWhen
	jobWho
)

func jobColumns() []widget.Column {
	return []widget.Column{
		jobGlyph: {Width: 1},
		jobStage: {Width: 8, Grow: 2, Max: 24, Filter: true},
		jobState: {Width: 9, Filter: true},
		jobTook:  {Width: 5, Right: true, Priority: 1},
		jobWhen:  {Width: 6, Right: true, Priority: 2},
		jobWho:   {Width: 12, Grow: 1, Max: 40, Priority: 3, Filter: true},
	}
}

// jobRow is a job, or an entry of the queue.
type jobRow struct {
	job   *feed.Job
	entry *entry
}

// jobRows are the rows of the jobs: what is queued, then the jobs, newest first.
type jobRows struct {
	s      *Screen
	list   []jobRow
	glyphs theme.Glyphs
	now    time.Time
}

func (r *jobRows) set(jobs []feed.Job, queue []entry) {
	r.list = make([]jobRow, 0, len(jobs)+len(queue))
	for i := range queue {
		r.list = append(r.list, jobRow{entry: &queue[len(queue)-1-i]})
	}
	for i := range jobs {
		r.list = append(r.list, jobRow{job: &jobs[i]})
	}
}

// Len implements widget.Rows.
func (r *jobRows) Len() int { return len(r.list) }

// Key implements widget.Rows.
func (r *jobRows) Key(row int) string {
	if e := r.list[row].entry; e != nil {
		return e.key()
	}
	return string(r.list[row].job.Info.ID)
}

// Compare implements widget.Rows.
func (r *jobRows) Compare(_, a, b int) int { return cmp.Compare(a, b) }

// Cell implements widget.Rows.
func (r *jobRows) Cell(row, column int) widget.Cell {
	if e := r.list[row].entry; e != nil {
		return r.entryCell(e, column)
	}
	j := r.list[row].job
	l := jobLook(j, r.glyphs)
	switch column {
	case jobGlyph:
		return widget.Cell{Text: l.glyph, Role: l.role}
	case jobStage:
		return widget.Cell{Text: jobName(j), Short: shortStage(j.Info.Stage)}
	case jobState:
		if f, ok := j.Fraction(r.now); ok && j.Running() && !j.Cancelling {
			return widget.Cell{Text: fmt.Sprintf("%d%%", int(f*100)), Role: l.role}
		}
		return widget.Cell{Text: resultOf(j), Role: l.role}
	case jobTook:
		if !j.Running() {
			return widget.Cell{Text: widget.Took(j.Elapsed(r.now)), Role: theme.Muted}
		}
		return widget.Cell{Text: widget.Stopwatch(j.Elapsed(r.now)), Role: theme.Muted}
	case jobWhen:
		return widget.Cell{Text: widget.Moment(j.Started, r.now), Role: theme.Muted}
	}
	engine := jobBackend(j)
	switch {
	case j.Info.User == r.s.env.User && j.Running() || j.Info.User == "":
		return widget.Cell{Text: engine, Role: theme.Muted}
	case engine == "":
		return widget.Cell{Text: j.Who(), Role: theme.Muted}
	}
	return widget.Cell{Text: j.Who() + " in " + engine, Short: j.Who(), Role: theme.Muted}
}

// jobName is the stage, or what a program of the user's own is called.
func jobName(j *feed.Job) string {
	if j.Info.Stage == "exec" && len(j.Steps) > 0 && j.Steps[0].Title != "" {
		return j.Steps[0].Title
	}
	return j.Info.Stage
}

// jobBackend is the engine of a job whose programs run in a container; "" is on that machine itself.
func jobBackend(j *feed.Job) string {
	if j.Info.Backend == "local" {
		return ""
	}
	return event.Clean(j.Info.Backend)
}

// jobPlace is whose job it is, where, and in which container: as much of it as w columns have room for.
func jobPlace(j *feed.Job, w int) string {
	who, engine := j.Who(), jobBackend(j)
	if engine == "" {
		return who
	}
	places := []string{who + " in " + engine}
	if name := event.Clean(j.Info.Container); name != "" {
		places = append([]string{places[0] + " " + name}, places...)
	}
	for _, text := range places {
		if canvas.Width(text) <= w {
			return text
		}
	}
	return who
}

// shortStage is the name of an image's stage where it is narrow: "ext:metal4k".
func shortStage(stage string) string {
	if kind, ok := strings.CutPrefix(stage, "buildextend-"); ok {
		return "ext:" + kind
	}
	return ""
}

// entryLook is how an entry of the queue stands.
func entryLook(e *entry, g theme.Glyphs) (look, string) {
	switch {
	case e.held != "":
		return look{g.Warn, theme.Warning}, "held"
	case e.begun:
		return look{g.Waiting, theme.Waiting}, "starting"
	}
	return look{g.Waiting, theme.Waiting}, "queued"
}

func (r *jobRows) entryCell(e *entry, column int) widget.Cell {
	l, word := entryLook(e, r.glyphs)
	switch column {
	case jobGlyph:
		return widget.Cell{Text: l.glyph, Role: l.role}
	case jobStage:
		return widget.Cell{Text: e.stage, Short: shortStage(e.stage)}
	case jobState:
		return widget.Cell{Text: word, Role: l.role}
	case jobWho:
		return widget.Cell{Text: e.held, Role: theme.Muted}
	}
	return widget.Cell{}
}
