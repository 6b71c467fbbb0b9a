package builds

import (
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/logview"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/event"
)

// readLog opens a log that a build keeps.
func (s *Screen) readLog(l feed.BuildLog) []screen.Effect {
	s.begin(contentLog, l.Job, "")
	v := logview.New(logview.Options{Path: l.Log, Zone: s.env.Now().Location()})
	if l.State != "" {
		v.End(event.Event{})
	}
	s.focus = paneLog
	return s.content.log.Show(v)
}
