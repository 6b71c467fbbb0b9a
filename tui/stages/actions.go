package stages

import (
	"slices"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/logpane"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

// actionTable is the one table of what can be done here.
func (s *Screen) actionTable() []screen.Action {
	return slices.Concat(s.stageActions(), s.jobActions(), s.log.Actions(logpane.Options{
		ID: "stages.log.", Pane: paneLog, None: noJob, Everywhere: true, Focus: func() { s.focus = paneLog },
	}))
}

// stageActions are about the stage of the cursor.
func (s *Screen) stageActions() []screen.Action {
	return []screen.Action{
		{ID: "stages.run", Title: "Run the stage, or queue it behind what is in its way", Short: "run", Keys: []string{"enter"}, Pane: paneStages, Off: s.runOff, Command: s.stageArgs, Run: s.run},
		{ID: "stages.options", Title: "Run the stage with options", Short: "options", Keys: []string{"o"}, Pane: paneStages, Off: s.stageOff, Command: s.stageArgs, Run: s.askOptions},
		{ID: "stages.queue", Title: "Queue the stage behind all that runs and waits", Short: "queue", Keys: []string{"a"}, Pane: paneStages, Off: s.stageOff, Command: s.stageArgs, Run: s.enqueue},
		{ID: "stages.copy", Title: "Copy the stage's command", Keys: []string{"y"}, Pane: paneStages, Off: s.stageOff, Command: s.stageArgs, Run: func() []screen.Effect { return s.copyCommand(s.stageArgs()) }},
		{ID: "stages.filter", Title: "Filter the stages", Keys: []string{"/"}, Pane: paneStages, Run: func() []screen.Effect {
			s.stages.StartFilter()
			return nil
		}},
		{ID: "stages.clean", Title: "Remove what was built: all builds but tagged ones", Off: s.cleanOff, Command: func() []string { return []string{"clean"} }, Run: s.askClean},
		{ID: "stages.refresh", Title: "Find out again what is out of date", Keys: []string{"r"}, Command: func() []string { return []string{"stages"} }, Run: func() []screen.Effect { return []screen.Effect{s.ask(0)} }},
	}
}

// jobActions are about the job of the cursor, or the one that is shown.
func (s *Screen) jobActions() []screen.Action {
	return []screen.Action{
		{ID: "stages.open", Title: "Go to the job's log; start what is held in the queue", Short: "open", Keys: []string{"enter"}, Pane: paneJobs, Off: s.rowOff, Run: s.open},
		{ID: "stages.cancel", Title: "Cancel the job; take it out of the queue", Short: "cancel", Keys: []string{"x"}, Off: s.cancelOff, Command: s.cancelArgs, Run: s.cancel},
		{ID: "stages.retry", Title: "Run the job's command again", Short: "retry", Keys: []string{"R"}, Off: s.retryOff, Command: s.retryArgs, Run: s.retry},
		{ID: "stages.place", Title: "Open the file in which the job found the mistake", Short: "to the mistake", Keys: []string{"f"}, Off: s.placeOff, Run: s.goToPlace},
		{ID: "stages.shell", Title: "Open a shell where the build failed", Keys: []string{"s"}, Off: s.shellOff, Command: s.shellArgs, Run: s.shell},
		{ID: "stages.jobs.copy", Title: "Copy the job's command", Keys: []string{"y"}, Pane: paneJobs, Off: s.retryOff, Command: s.retryArgs, Run: s.copyJob},
		{ID: "stages.jobs.filter", Title: "Filter the jobs", Keys: []string{"/"}, Pane: paneJobs, Run: func() []screen.Effect {
			s.table.StartFilter()
			return nil
		}},
		{ID: "stages.progress.open", Title: "Go to the job's log", Keys: []string{"enter"}, Pane: paneProgress, Off: s.noLog, Run: func() []screen.Effect {
			s.focus = paneLog
			return nil
		}},
	}
}

func (s *Screen) stageOff() string {
	if s.currentStage() == nil {
		return "there is no stage here"
	}
	return ""
}

// runOff lets a blocked stage be run that has a place: running it goes there.
func (s *Screen) runOff() string {
	st := s.currentStage()
	switch {
	case st == nil:
		return "there is no stage here"
	case st.State == workspace.StageBlocked && st.Path == "":
		return st.Reason
	}
	return ""
}

func (s *Screen) stageArgs() []string {
	if st := s.currentStage(); st != nil {
		return st.Argv
	}
	return nil
}

func (s *Screen) rowOff() string {
	if r := s.currentRow(); r.job == nil && r.entry == nil {
		return "there is no job here"
	}
	return ""
}

// subject is the job that an action is about: in the lists the one of the cursor, else the one that is shown.
func (s *Screen) subject() (j feed.Job, e *entry) {
	switch s.focus {
	case paneStages:
		if st := s.currentStage(); st != nil {
			if j, ok := s.runningOf(st.Name); ok {
				return j, nil
			}
			if e := s.queuedOf(st.Name); e != nil {
				return feed.Job{}, e
			}
		}
	case paneJobs:
		r := s.currentRow()
		if r.entry != nil {
			return feed.Job{}, r.entry
		}
		if r.job != nil {
			return *r.job, nil
		}
	}
	j, _ = s.job()
	return j, nil
}

func (s *Screen) cancelOff() string {
	switch j, e := s.subject(); {
	case e != nil:
		return ""
	case j.Info.ID == "":
		return "there is no job"
	case !j.Running():
		return j.Info.Stage + " has ended"
	case j.Cancelling:
		return "it was asked to end already"
	}
	return ""
}

func (s *Screen) cancelArgs() []string {
	if j, e := s.subject(); e == nil && j.Running() {
		return []string{"jobs", "--cancel", string(j.Info.ID)}
	}
	return nil
}

func (s *Screen) retryOff() string {
	switch j, e := s.subject(); {
	case e != nil:
		return "it waits in the queue"
	case j.Info.ID == "":
		return "there is no job"
	case j.Running():
		return "it runs"
	case len(plainArgs(j.Info.Argv)) == 0:
		return "its command is not known"
	}
	return ""
}

func (s *Screen) retryArgs() []string {
	if j, e := s.subject(); e == nil {
		return plainArgs(j.Info.Argv)
	}
	return nil
}

// mistake is the place that the job's failure is about, or that what blocks the stage is.
func (s *Screen) mistake() (screen.Target, bool) {
	if st := s.currentStage(); s.focus == paneStages && st != nil && st.Path != "" {
		return place(st.Path)
	}
	j, _ := s.subject()
	if j.Fail == nil || j.Fail.Path == "" {
		return screen.Target{}, false
	}
	return place(j.Fail.Path)
}

func (s *Screen) placeOff() string {
	if _, ok := s.mistake(); !ok {
		return "no mistake of the config is known"
	}
	return ""
}

func (s *Screen) shellOff() string {
	if j, _ := s.subject(); j.Info.Stage != "build" || j.State != job.Failed {
		return "only a build that has failed leaves a tree"
	}
	return ""
}

func (s *Screen) shellArgs() []string {
	if s.shellOff() != "" {
		return nil
	}
	j, _ := s.subject()
	return []string{"jobs", "--shell", string(j.Info.ID)}
}
