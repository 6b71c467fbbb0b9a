package stages

import (
	"fmt"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// start starts a command, or queues it behind what it cannot run beside.
func (s *Screen) start(stage string, args []string) []screen.Effect {
	return s.place(entry{stage: stage, args: args}, behindNeeded)
}

// place starts an entry or puts it into the queue.
func (s *Screen) place(e entry, how behind) []screen.Effect {
	why := s.queue.place(&s.list, s.jobs, &e, how)
	if len(e.after)+len(e.behind) == 0 {
		return []screen.Effect{screen.Start{Args: e.args, Tag: tagStart}}
	}
	s.queue.add(e)
	s.relist()
	return []screen.Effect{screen.Notice{Level: screen.Note, Text: strings.Join(e.args, " ") + " is queued: " + why}}
}

// run starts the stage of the cursor. One that the config blocks shows where.
func (s *Screen) run() []screen.Effect {
	st := s.currentStage()
	if st.State == workspace.StageBlocked {
		return s.goToPlace()
	}
	return s.start(st.Name, st.Argv)
}

func (s *Screen) enqueue() []screen.Effect {
	st := s.currentStage()
	return s.place(entry{stage: st.Name, args: st.Argv}, behindAll)
}

func (s *Screen) askOptions() []screen.Effect {
	f, ask := newForm(*s.currentStage())
	s.form = f
	return []screen.Effect{ask}
}

// askCancel is the tag of the dialog before a long job is cancelled; the job's id follows.
const askCancel = "stages.cancel"

// answered takes what the user chose in a dialog.
func (s *Screen) answered(a screen.Answer) []screen.Effect {
	tag, rest, _ := strings.Cut(a.Tag, " ")
	switch {
	case a.Choice == "cancel" || a.Choice == "keep":
	case tag == askClean:
		args := []string{"clean"}
		if a.Choice == "all" {
			args = append(args, "--all")
		}
		return []screen.Effect{screen.Start{Args: args, Tag: askClean}}
	case tag == askCancel:
		return []screen.Effect{screen.Cancel{Job: rest}}
	case tag == askOptions && s.form != nil && s.form.stage.Name == rest:
		args := s.form.argv(a.Values)
		switch a.Choice {
		case "copy":
			return s.copyCommand(args)
		case "queue":
			return s.place(entry{stage: rest, args: args}, behindAll)
		}
		return s.start(rest, args)
	}
	return nil
}

// open shows the log of the job of the cursor, and starts what is held.
func (s *Screen) open() []screen.Effect {
	r := s.currentRow()
	if r.entry == nil {
		s.focus = paneLog
		return s.show(string(r.job.Info.ID))
	}
	if r.entry.held == "" {
		return []screen.Effect{screen.Notice{Level: screen.Note, Text: "it starts by itself; x takes it out of the queue"}}
	}
	e := *r.entry
	s.queue.remove(e.id)
	s.relist()
	return s.start(e.stage, e.args)
}

// longRun is how long a job has run when its cancelling is asked about; somebody else's is from its start.
const longRun = time.Minute

func (s *Screen) cancel() []screen.Effect {
	j, e := s.subject()
	if e != nil {
		s.queue.remove(e.id)
		s.relist()
		return []screen.Effect{screen.Notice{Level: screen.Note, Text: strings.Join(e.args, " ") + " is out of the queue"}}
	}
	took := j.Elapsed(s.now())
	if took < longRun && j.Info.User == s.env.User {
		return []screen.Effect{screen.Cancel{Job: string(j.Info.ID)}}
	}
	text := []string{fmt.Sprintf("%s runs for %s. What it has done so far is lost; this cannot be undone.", j.Info.Stage, widget.Stopwatch(took))}
	if j.Info.User != s.env.User {
		text = append(text, "It was started by "+j.Who()+".")
	}
	return []screen.Effect{screen.Ask{
		Tag: askCancel + " " + string(j.Info.ID), Title: "Cancel " + j.Info.Stage + "?", Text: text, Danger: true,
		Choices: []screen.Choice{{ID: "stop", Title: "Cancel the job", Key: "x"}, {ID: "keep", Title: "Let it run", Key: "n"}},
	}}
}

func (s *Screen) retry() []screen.Effect {
	j, _ := s.subject()
	return s.start(j.Info.Stage, plainArgs(j.Info.Argv))
}

func (s *Screen) goToPlace() []screen.Effect {
	t, ok := s.mistake()
	if !ok {
		return nil
	}
	return []screen.Effect{screen.Go{Screen: screen.Source, Target: t}}
}

func (s *Screen) shell() []screen.Effect {
	return []screen.Effect{screen.Exec{Argv: s.env.Argv(s.shellArgs()...), Tag: "stages.shell"}}
}

func (s *Screen) copyCommand(args []string) []screen.Effect {
	return []screen.Effect{screen.Copy{Text: s.env.CommandLine(args), What: "the command"}}
}

// jobCommand is the command of a job as a user would type it.
func jobCommand(j *feed.Job) string {
	return screen.CommandLine(append([]string{"nosa"}, shownArgs(j.Info.Argv)...))
}

func (s *Screen) copyJob() []screen.Effect {
	j, _ := s.subject()
	return []screen.Effect{screen.Copy{Text: jobCommand(&j), What: "the command"}}
}
