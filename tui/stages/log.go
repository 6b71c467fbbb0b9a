package stages

import (
	"github.com/nestos/nosa/tui/logview"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// noJob is why there is no log.
const noJob = "no job is shown"

// show shows a job's progress and its log.
func (s *Screen) show(id string) []screen.Effect {
	if id == s.shown && s.log.View() != nil {
		return nil
	}
	j, ok := s.jobs.Find(id)
	if !ok {
		return nil
	}
	s.shown, s.blank, s.scroll = id, false, ownWay
	effects := s.log.Show(s.logs.open(id, func() *logview.View {
		return logview.New(logview.Options{Path: job.LogPath(j.Dir), Zone: s.env.Now().Location()})
	}))
	s.endLog()
	return effects
}

// reveal shows a job, with the cursors of both lists on it.
func (s *Screen) reveal(id string) []screen.Effect {
	s.relist()
	s.table.Select(id)
	j, ok := s.jobs.Find(id)
	switch {
	case !ok:
	case s.listed:
		s.stages.Select(j.Info.Stage)
	case s.stageRows.wanted == "":
		s.stageRows.wanted = j.Info.Stage
	}
	return s.show(id)
}

// clear shows no job.
func (s *Screen) clear() []screen.Effect {
	s.shown = ""
	return s.log.Close()
}

// endLog tells the log that its job has ended. That of a failed one is shown at its first real error.
func (s *Screen) endLog() {
	j, ok := s.job()
	if !ok || s.log.View() == nil || j.Running() || !s.logs.end() {
		return
	}
	if j.Fail == nil || j.Cancelled() {
		s.log.View().End(event.Event{})
		return
	}
	s.log.View().End(*j.Fail)
	s.log.View().FirstError()
}

func (s *Screen) noLog() string {
	if s.log.View() == nil {
		return noJob
	}
	return ""
}
