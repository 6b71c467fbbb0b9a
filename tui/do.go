package tui

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// start starts a nosa command.
func (m *model) start(e screen.Start) tea.Cmd {
	m.notices.add(screen.Notice{Text: m.commands.line(e.Args)}, m.o.now())
	return m.works.do(screen.Work{Do: func(ctx context.Context) screen.Event { return m.commands.start(ctx, e) }})
}

// ran notes what was run, and says why where nothing came of it.
func (m *model) ran(e screen.Started) []tea.Cmd {
	entry := settings.Entry{Time: m.o.now(), Argv: slices.Concat([]string{"nosa"}, m.commands.flags(), e.Args), User: m.o.User, Job: e.Job, Code: settings.Unended}
	if e.Err != nil {
		entry.Code = 1
		m.notices.add(screen.Notice{Level: screen.Bad, Text: e.Err.Error()}, m.o.now())
	}
	if j, ok := m.jobs.Find(e.Job); ok && !j.Running() { // it was quicker than its start's answer
		entry.Code = endCode(&j)
	}
	m.history = append(m.history, entry)
	ws := m.ws
	if ws == nil {
		return nil
	}
	return []tea.Cmd{m.works.do(screen.Work{Do: func(context.Context) screen.Event {
		if err := settings.AppendHistory(ws, entry); err != nil {
			return screen.Notice{Level: screen.Warn, Text: err.Error()}
		}
		return nil
	}})}
}

// cancel asks a job to stop.
func (m *model) cancel(e screen.Cancel) tea.Cmd {
	dir := filepath.Join(m.o.Dir, "tmp", "jobs", filepath.Base(e.Job))
	return m.works.do(screen.Work{Do: func(context.Context) screen.Event {
		if err := job.Cancel(dir); err != nil {
			return screen.Notice{Level: screen.Bad, Text: err.Error()}
		}
		return screen.Notice{Text: "asked " + job.Describe(e.Job) + " to stop"}
	}})
}

// exec gives the terminal to a program.
func (m *model) exec(e screen.Exec) tea.Cmd {
	return tea.ExecProcess(m.program(e), func(err error) tea.Msg { return posted{screen.Left{Tag: e.Tag, Err: err}} })
}

// program is a program on the terminal itself. Bubble Tea would give it our Input and Output, which are
// no *os.File: os/exec makes pipes of those, the program would have no terminal, and its end would
// wait for a key.
func (m *model) program(e screen.Exec) *exec.Cmd {
	cmd := exec.Command(e.Argv[0], e.Argv[1:]...) //nolint:noctx,forbidigo // the user ends it, on the terminal
	cmd.Stdin, cmd.Stdout, cmd.Stderr = m.o.In, m.o.Out, m.o.Out
	if cmd.Dir = e.Dir; e.Dir == "" {
		cmd.Dir = m.o.Dir
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = m.o.In, m.o.Out, m.o.Out // the terminal itself, no pipe to it
	return cmd
}

// copy brings a text to the clipboard and says by what way.
func (m *model) copy(e screen.Copy) tea.Cmd {
	if m.o.clipboard == nil {
		return nil
	}
	return m.works.do(screen.Work{Key: "tui.copy", Do: func(ctx context.Context) screen.Event {
		way, err := m.o.clipboard(ctx, []byte(e.Text))
		if err != nil {
			return screen.Notice{Level: screen.Bad, Text: fmt.Sprintf("copying %s: %v", e.What, err)}
		}
		return screen.Notice{Level: screen.Good, Text: fmt.Sprintf("copied %s (%s) via %s", e.What, event.Bytes(len(e.Text)), way)}
	}})
}

// running says if something is a clock: a job runs, or the screen has one.
func (m *model) running() bool {
	if s, ok := m.screen().(ticker); ok && s.Ticking() {
		return true
	}
	for _, j := range m.jobs.List {
		if j.Running() {
			return true
		}
	}
	return false
}

// jobsChanged takes how the jobs stand, and tells of those that have ended since.
func (m *model) jobsChanged(now feed.Jobs) []tea.Cmd {
	var cmds []tea.Cmd
	first, again := m.ended == nil, false
	if first {
		m.ended, m.begun = map[string]bool{}, map[string]bool{}
	}
	for _, j := range now.List {
		id := string(j.Info.ID)
		if j.Running() && !m.begun[id] {
			m.begun[id] = true
			if what := m.stageOf(j); !first && what != j.Info.Stage {
				m.notices.add(screen.Notice{Text: what + " was started"}, m.o.now())
			}
		}
		if j.Running() || m.ended[id] {
			continue
		}
		m.ended[id] = true
		if first {
			continue
		}
		again = again || changesBackend(&j)
		if m.commands.mine(j.Info) {
			cmds = append(cmds, m.noteEnd(j))
		}
		notice := endOf(j, m.stageOf(j))
		m.notices.add(notice, m.o.now())
		if took := j.Elapsed(m.o.now()); m.blurred && !m.settings.Notify.Off && took > m.settings.Notify.After && m.o.notify != nil {
			cmds = append(cmds, m.o.notify(m.settings.Notify, notice.Text))
		}
	}
	m.jobs = now
	m.retitle()
	if again {
		cmds = append(cmds, m.backendAgain()...)
	}
	return cmds
}

// noteEnd completes what the history says of a job of ours.
func (m *model) noteEnd(j feed.Job) tea.Cmd {
	i := slices.IndexFunc(m.history, func(e settings.Entry) bool { return e.Job == string(j.Info.ID) })
	if i < 0 || m.ws == nil {
		return nil
	}
	m.history[i].Code = endCode(&j)
	entry, ws := m.history[i], m.ws
	return m.works.do(screen.Work{Do: func(context.Context) screen.Event {
		if err := settings.AppendHistory(ws, entry); err != nil {
			return screen.Notice{Level: screen.Warn, Text: err.Error()}
		}
		return nil
	}})
}

// endCode is what the history says of how a job ended.
func endCode(j *feed.Job) int {
	if j.Fail != nil {
		return j.Fail.Code
	}
	return 0
}

// endOf says how a job ended; what is its stage and whose it is.
func endOf(j feed.Job, what string) screen.Notice {
	took := widget.Stopwatch(j.Ended.Sub(j.Started))
	if d := j.Ended.Sub(j.Started); d < time.Minute {
		took = fmt.Sprintf("%.1f s", d.Seconds())
	}
	switch {
	case j.State == job.Finished:
		return screen.Notice{Level: screen.Good, Text: what + " done in " + took}
	case j.Fail != nil && j.Fail.Code == 130:
		return screen.Notice{Level: screen.Warn, Text: what + " cancelled after " + took}
	case j.Fail != nil:
		text := what + " failed: " + j.Fail.Text
		if j.Fail.Path != "" {
			text = what + " failed: " + j.Fail.Path + ": " + j.Fail.Text
		}
		return screen.Notice{Level: screen.Bad, Text: text}
	}
	return screen.Notice{Level: screen.Bad, Text: what + " was lost: its process is gone and wrote no end"}
}

// retitle names the terminal's window.
func (m *model) retitle() {
	if m.hook == nil {
		return
	}
	title := "nosa " + filepath.Base(m.o.Dir)
	for _, j := range m.jobs.List {
		if j.Running() {
			title = j.Info.Stage + " - " + title
			break
		}
	}
	m.hook.SetTitle(title)
}

// showHistory lists what was run here.
func (m *model) showHistory() []screen.Effect {
	p := screen.Pick{Tag: tagHistory, Title: "History"}
	for i, h := range slices.Backward(m.history) {
		detail := h.Time.Local().Format("Jan 2 15:04") + " " + h.User
		switch {
		case h.Job == "" && h.Code > 0:
			detail += "  not started"
		case h.Code > 0:
			detail += "  exit " + itoa(h.Code)
		case h.Code == 0 && h.Job != "":
			detail += "  done"
		}
		p.Items = append(p.Items, screen.PickItem{ID: itoa(i), Title: screen.CommandLine(h.Argv), Detail: detail})
	}
	return []screen.Effect{p}
}

// picked takes a line of the history: its job is shown, or the command is copied where there was none.
func (m *model) picked(e screen.Picked) []tea.Cmd {
	if e.Tag == tagPeople || e.Tag == tagFollow {
		return m.pickedPerson(e)
	}
	i, err := strconv.Atoi(e.ID)
	if e.Tag != tagHistory || err != nil {
		return nil
	}
	if h := m.history[i]; h.Job != "" {
		return m.goTo(screen.Go{Screen: screen.Stages, Target: screen.Target{Job: h.Job}})
	}
	return []tea.Cmd{m.copy(screen.Copy{Text: screen.CommandLine(m.history[i].Argv), What: "the command"})}
}

// showNotices lists what was said, the last first.
func (m *model) showNotices() []screen.Effect {
	p := screen.Pick{Tag: tagSaid, Title: "What was said"}
	for _, n := range slices.Backward(m.notices.all) {
		p.Items = append(p.Items, screen.PickItem{Title: n.Text, Detail: n.when.Local().Format("15:04:05")})
	}
	return []screen.Effect{p}
}

// sayVersion compares the nosa that does the work with the workbench: other versions may say things
// that the other does not know.
func (m *model) sayVersion() tea.Cmd {
	nosa, own := m.o.Nosa, m.o.Version
	return m.works.do(screen.Work{Key: "tui.version", Do: func(ctx context.Context) screen.Event {
		out, err := exec.CommandContext(ctx, nosa, "--version").Output() //nolint:forbidigo // a question, not a program of a build
		if err != nil {
			return screen.Notice{Level: screen.Bad, Text: fmt.Sprintf("%s --version: %v", nosa, err)}
		}
		words := strings.Fields(string(out))
		if len(words) == 0 || own == "" || words[len(words)-1] == own {
			return nil
		}
		return screen.Notice{Level: screen.Warn, Text: fmt.Sprintf("%s is version %s, this workbench %s: install both from one build", nosa, words[len(words)-1], own)}
	}})
}
