package stages

import (
	"strconv"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// amount is how far a step is, by what it counts: "12 of 214 packages", "3.1 of 90.0 MiB".
func amount(s *feed.Step) string {
	one := func(n int64) string { return strconv.FormatInt(n, 10) }
	unit := " " + string(s.Unit)
	if s.Unit == event.UnitBytes {
		one, unit = func(n int64) string { return event.Bytes(n).String() }, ""
	}
	switch {
	case s.Unit == "":
		return ""
	case s.Total > 0:
		done := one(s.Done)
		if number, its, ok := strings.Cut(done, " "); ok && strings.HasSuffix(one(s.Total), " "+its) {
			done = number
		}
		return done + " of " + one(s.Total) + unit
	}
	return one(s.Done) + unit
}

// resultOf says how a job stands, in a word.
func resultOf(j *feed.Job) string {
	switch {
	case j.Cancelled():
		return "cancelled"
	case j.Running() && j.Cancelling:
		return "stopping"
	case j.State == job.Finished:
		return "done"
	}
	return string(j.State)
}

// look is a glyph and a role.
type look struct {
	glyph string
	role  theme.Role
}

func jobLook(j *feed.Job, g theme.Glyphs) look {
	switch {
	case j.Running():
		return look{g.Running, theme.Running}
	case j.State == job.Finished:
		return look{g.OK, theme.Success}
	case j.Cancelled():
		return look{g.Skipped, theme.Skipped}
	}
	return look{g.Fail, theme.Failure}
}

func stageLook(state workspace.StageState, g theme.Glyphs) look {
	switch state {
	case workspace.StageFresh:
		return look{g.OK, theme.Success}
	case workspace.StageStale:
		return look{g.Warn, theme.Warning}
	case workspace.StageRunning:
		return look{g.Running, theme.Running}
	case workspace.StageFailed:
		return look{g.Fail, theme.Failure}
	case workspace.StageBlocked:
		return look{g.Skipped, theme.Skipped}
	case workspace.StageUnknown:
		return look{g.Info, theme.Info}
	}
	return look{g.Waiting, theme.Waiting}
}

func stepLook(state feed.StepState, g theme.Glyphs) look {
	switch state {
	case feed.StepDone:
		return look{g.OK, theme.Success}
	case feed.StepRunning:
		return look{g.Running, theme.Running}
	case feed.StepFailed:
		return look{g.Fail, theme.Failure}
	case feed.StepSkipped:
		return look{g.Skipped, theme.Skipped}
	case feed.StepStopped:
		return look{g.Warn, theme.Warning}
	}
	return look{g.Waiting, theme.Waiting}
}

// reasonOf is why a stage stands as it does, with the place.
func reasonOf(st *workspace.Stage) string {
	if st.Path != "" && !strings.HasPrefix(st.Reason, st.Path) {
		return st.Path + ": " + st.Reason
	}
	return st.Reason
}

// place reads FILE, FILE:LINE or FILE:LINE:COLUMN.
func place(path string) (t screen.Target, ok bool) {
	parts := strings.Split(path, ":")
	var numbers []int
	for len(parts) > 1 && len(numbers) < 2 {
		n, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil || n < 1 {
			break
		}
		numbers = append([]int{n}, numbers...)
		parts = parts[:len(parts)-1]
	}
	t.File = strings.Join(parts, ":")
	if len(numbers) > 0 {
		t.Line = numbers[0]
	}
	if len(numbers) > 1 {
		t.Column = numbers[1]
	}
	return t, t.File != ""
}
