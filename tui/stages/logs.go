package stages

import (
	"slices"

	"github.com/nestos/nosa/tui/logview"
)

// keptLogs is how many logs are at hand as they were left: read, with place, marks and search.
const keptLogs = 8

// logs are those that were shown, the latest first.
type logs []openLog

type openLog struct {
	job   string
	view  *logview.View
	ended bool // it was told that its job has ended
}

// open gives the log of a job, as it was left or new.
func (l *logs) open(job string, fresh func() *logview.View) *logview.View {
	log := openLog{job: job}
	if i := slices.IndexFunc(*l, func(o openLog) bool { return o.job == job }); i >= 0 {
		log = (*l)[i]
		*l = slices.Delete(*l, i, i+1)
	} else {
		log.view = fresh()
	}
	*l = slices.Insert(*l, 0, log)
	if len(*l) > keptLogs {
		*l = slices.Delete(*l, keptLogs, len(*l))
	}
	return log.view
}

// end says if the log that is shown has still to be told that its job has ended, which it is now.
func (l logs) end() bool {
	if len(l) == 0 || l[0].ended {
		return false
	}
	l[0].ended = true
	return true
}
