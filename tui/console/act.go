package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/machine"
)

// The tags of dialogs, lists and starts; what is meant follows after a space.
const (
	askStart = "console.start"
	askStop  = "console.stop"
	askAll   = "console.stop-all"
	askReset = "console.reset"
	askGone  = "console.remove"
	pickCopy = "console.copy"
	// pickAgainst is the list of the boots to compare with.
	pickAgainst = "console.against"
	tagStart    = "console.start"
)

// launch is a start that is under way.
type launch struct {
	args []string            // nil: none
	had  map[machine.ID]bool // machines there were before
}

// launch starts a machine.
func (s *Screen) launch(values map[string]string) []screen.Effect {
	s.last = maps.Clone(values)
	args := runArgs(values)
	s.wish = launch{args: args, had: map[machine.ID]bool{}}
	for _, m := range s.machines.List {
		s.wish.had[m.ID] = true
	}
	return []screen.Effect{screen.Start{Args: args, Tag: tagStart}}
}

// awaited is the machine of the start that is under way; "" while it is not there.
func (s *Screen) awaited() machine.ID {
	if s.wish.args == nil {
		return ""
	}
	for _, m := range s.machines.List {
		if n := len(m.Argv) - len(s.wish.args); !s.wish.had[m.ID] && n > 0 && slices.Equal(m.Argv[n:], s.wish.args) {
			return m.ID
		}
	}
	return ""
}

// started sees what became of a start. Why one failed tui has said.
func (s *Screen) started(e screen.Started) []screen.Effect {
	if e.Tag != tagStart {
		return nil
	}
	args := s.wish.args
	s.wish = launch{}
	if e.Err != nil {
		if slices.Equal(args, e.Args) && len(s.machines.Live()) == 0 {
			s.list.Empty = []string{"The start failed:", firstLine(e.Err.Error())}
		}
		return nil
	}
	var effects []screen.Effect
	for line := range strings.Lines(e.Text) {
		var m machine.Info
		if json.Unmarshal([]byte(line), &m) == nil && m.ID != "" {
			effects = append(effects, s.came(m.ID)...)
		}
	}
	return append(effects, s.showWanted()...)
}

// quick runs a command that answers at once, or nearly, and says what came of it.
func (s *Screen) quick(done string, args ...string) screen.Effect {
	env := s.env
	return screen.Work{Do: func(ctx context.Context) screen.Event {
		_, err := env.Query(ctx, args...)
		if err == nil {
			return screen.Notice{Level: screen.Good, Text: done}
		}
		text := err.Error()
		if q, ok := errors.AsType[*screen.QueryError](err); ok && q.Hint != "" {
			text += ": " + q.Hint
		}
		return screen.Notice{Level: screen.Bad, Text: text}
	}}
}

// of gives a command about the machine that is shown.
func (s *Screen) of(words ...string) func() []string {
	return func() []string {
		if s.shown == "" {
			return nil
		}
		return append(slices.Clone(words), string(s.shown))
	}
}

// stop asks how to stop the machine.
func (s *Screen) stop() []screen.Effect {
	m, _ := s.machine()
	text := []string{fmt.Sprintf("%s runs %s for %s.", m.ID, runs(&m), widget.Stopwatch(m.Elapsed(s.env.Now())))}
	if m.Name == "" {
		text = append(text, "What it changed on its disk goes with it.")
	}
	return []screen.Effect{screen.Ask{
		Tag: askStop + " " + string(m.ID), Title: "Stop " + short(m.ID) + "?", Text: append(text, s.others(m)...), Danger: m.User != s.env.User,
		Choices: []screen.Choice{
			{ID: "stop", Title: "Power off", Key: "x"}, {ID: "force", Title: "Pull the plug", Key: "f"}, {ID: "cancel", Title: "Let it run", Key: "n"},
		},
	}}
}

// others says that machines are somebody else's.
func (s *Screen) others(list ...feed.Machine) []string {
	var out []string
	for _, m := range list {
		if m.User != s.env.User {
			out = append(out, short(m.ID)+" was started by "+m.User+".")
		}
	}
	return out
}

func (s *Screen) stopAll() []screen.Effect {
	live := s.machines.Live()
	ask := screen.Ask{
		Tag: askAll, Title: "Stop " + widget.Count(len(live), "machine", "machines") + "?", Danger: true,
		Choices: []screen.Choice{{ID: "stop", Title: "Power off all", Key: "x"}, {ID: "force", Title: "Pull all plugs", Key: "f"}, {ID: "cancel", Title: "Let them run", Key: "n"}},
	}
	for _, m := range live {
		ask.Tag += " " + string(m.ID)
		ask.Text = append(ask.Text, fmt.Sprintf("%s  %s  %s", short(m.ID), runs(&m), widget.Stopwatch(m.Elapsed(s.env.Now()))))
	}
	ask.Text = append(ask.Text, s.others(live...)...)
	return []screen.Effect{ask}
}

func (s *Screen) reset() []screen.Effect {
	m, _ := s.machine()
	return []screen.Effect{screen.Ask{
		Tag: askReset + " " + string(m.ID), Title: "Reset " + short(m.ID) + "?", Danger: true,
		Text:    append([]string{"It restarts at once; the guest is not asked, and what it has not written is lost."}, s.others(m)...),
		Choices: []screen.Choice{{ID: "reset", Title: "Reset", Key: "r"}, {ID: "cancel", Title: "Let it run", Key: "n"}},
	}}
}

// answered takes what the user chose in a dialog.
func (s *Screen) answered(a screen.Answer) []screen.Effect {
	words := strings.Fields(a.Tag)
	if len(words) == 0 || a.Choice == "cancel" {
		return nil
	}
	ids := words[1:]
	switch words[0] {
	case askStart:
		if a.Choice == "copy" {
			return []screen.Effect{screen.Copy{Text: s.env.CommandLine(runArgs(a.Values)), What: "the command"}}
		}
		return s.look(a.Values)
	case askReset:
		var effects []screen.Effect
		for _, id := range ids {
			effects = append(effects, s.quick(short(machine.ID(id))+" was reset", "reset", id))
		}
		return effects
	case askGone:
		done := widget.Count(len(ids), "machine was removed", "machines were removed")
		if len(ids) == 1 {
			done = short(machine.ID(ids[0])) + " was removed"
		}
		return []screen.Effect{s.quick(done, append([]string{"vms", "--remove"}, ids...)...)}
	case askStop, askAll:
		var effects []screen.Effect
		for _, id := range ids {
			args := []string{"stop", id}
			if a.Choice == "force" {
				args = append(args, "--force")
			}
			effects = append(effects, s.quick(short(machine.ID(id))+" is off", args...))
		}
		if len(effects) > 0 && a.Choice != "force" {
			effects = append(effects, screen.Notice{Text: "asked " + widget.Count(len(ids), "machine", "machines") + " to power off"})
		}
		return effects
	}
	return nil
}

func (s *Screen) shellArgs() []string { return s.of("ssh")() }

func (s *Screen) shell() []screen.Effect {
	return []screen.Effect{screen.Exec{Argv: s.env.Argv(s.shellArgs()...), Tag: "console.shell"}}
}

// pickCopy asks what to copy of a machine.
func (s *Screen) pickCopy() []screen.Effect {
	m, _ := s.machine()
	pick := screen.Pick{Tag: pickCopy, Title: "Copy"}
	add := func(what, text string) {
		if text != "" {
			pick.Items = append(pick.Items, screen.PickItem{ID: what + "\x00" + text, Title: what, Detail: text})
		}
	}
	if m.Live() && m.SSH != nil {
		add("ssh command", screen.CommandLine([]string{"nosa", "-C", s.env.WS.Dir, "ssh", string(m.ID)}))
		add("ssh command without nosa", plainSSH(&m))
	}
	add("path of the console's log", filepath.Join(m.Dir, "console.log"))
	if m.Live() {
		add("console command", screen.CommandLine([]string{"nosa", "-C", s.env.WS.Dir, "console", string(m.ID)}))
	}
	add("id", string(m.ID))
	add("build", m.Build)
	if len(m.Argv) > 1 {
		add("command that started it", screen.CommandLine(append([]string{"nosa"}, m.Argv[1:]...)))
	}
	return []screen.Effect{pick}
}

// plainSSH is how one gets in without nosa.
func plainSSH(m *feed.Machine) string {
	if m.SSH.Port == 0 {
		return ""
	}
	args := []string{"ssh", "-p", fmt.Sprint(m.SSH.Port)}
	if m.SSH.Key != "" {
		args = append(args, "-i", m.SSH.Key)
	}
	if m.SSH.KnownHosts != "" {
		args = append(args, "-o", "UserKnownHostsFile="+m.SSH.KnownHosts)
	}
	return screen.CommandLine(append(args, m.SSH.User+"@127.0.0.1"))
}

// jump shows the place of the console where the boot went wrong.
func (s *Screen) jump() []screen.Effect {
	m, _ := s.machine()
	s.focus = paneConsole
	return s.goTo(s.failureLine(&m))
}

// goTo goes to a line of the console that is shown.
func (s *Screen) goTo(line string) []screen.Effect {
	t := s.terminals.of(s.shown)
	if t == nil {
		return nil
	}
	t.view.Detach()
	return t.show(line)
}

// failureLine is the console's line of what went wrong: of the boot, else of the first unit that failed.
func (s *Screen) failureLine(m *feed.Machine) string {
	if m.Failure != nil {
		return m.Failure.Line
	}
	b, _ := m.Boot()
	for _, mark := range b.Marks {
		if mark.Kind.Trouble() {
			return mark.Line
		}
	}
	return ""
}

// place shows the console's line of the milestone under the cursor.
func (s *Screen) place() []screen.Effect {
	i, ok := s.boot.Current()
	if !ok || s.marks.list[i].line == "" {
		return []screen.Effect{screen.Notice{Level: screen.Note, Text: "it is not on the console yet"}}
	}
	s.focus = paneConsole
	return s.goTo(s.marks.list[i].line)
}
