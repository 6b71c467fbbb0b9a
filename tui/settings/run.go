package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
)

// Commands are the user's own commands, ready to be run.
type Commands struct {
	list  []Command
	now   func() Context
	asked map[string]asked // by tag: what a dialog is about
}

// asked is a command that waits for an answer. What was chosen when it was asked for counts.
type asked struct {
	command Command
	values  values
}

// NewCommands makes the commands of s. What is chosen when one is used is asked of now.
func NewCommands(s Settings, now func() Context) *Commands {
	return &Commands{list: s.Commands, now: now, asked: map[string]asked{}}
}

// Actions gives an action for each command, in the file's order.
func (c *Commands) Actions() []Placed {
	var list []Placed
	for _, cmd := range c.list {
		a := screen.Action{
			ID: cmd.ID(), Title: cmd.Title, Pane: cmd.Pane,
			Off: func() string { return cmd.off(c.now()) },
			Run: func() []screen.Effect { return c.begin(cmd) },
		}
		if cmd.Key.Name != "" {
			a.Keys = []string{cmd.Key.Name}
		}
		if !cmd.Terminal {
			a.Command = func() []string { return cmd.shown(c.now()) }
		}
		list = append(list, Placed{Screen: cmd.Screen, Action: a})
	}
	return list
}

// off says what must be chosen first.
func (c Command) off(ctx Context) string {
	templates := slices.Concat(c.Command, []Template{c.Confirm})
	for _, p := range c.Prompts {
		templates = append(templates, p.Default)
	}
	has := map[string]bool{"Build": ctx.Build != nil, "Job": ctx.Job != nil, "File": ctx.File != nil}
	for _, t := range templates {
		for _, need := range t.needs {
			if !has[need] {
				return "no " + strings.ToLower(need) + " is chosen"
			}
		}
	}
	return ""
}

// shown is the command as it would be with the defaults of its prompts; nil where it cannot be had.
func (c Command) shown(ctx Context) []string {
	if c.off(ctx) != "" {
		return nil
	}
	v, err := c.defaults(ctx)
	if err != nil {
		return nil
	}
	argv, err := c.argv(v)
	if err != nil {
		return nil
	}
	return c.exec(argv)
}

func (c Command) exec(argv []string) []string {
	return append([]string{"exec", "--title", c.Title, "--"}, argv...)
}

// defaults gives what the prompts begin with.
func (c Command) defaults(ctx Context) (values, error) {
	v := values{Context: ctx, Prompt: map[string]string{}}
	for _, p := range c.Prompts {
		text, _, err := p.Default.run(v)
		if err != nil {
			return v, err
		}
		if text == "" && len(p.Options) > 0 {
			text = p.Options[0]
		}
		v.Prompt[p.Name] = text
	}
	return v, nil
}

// argv gives the words of the command line.
func (c Command) argv(v values) ([]string, error) {
	var argv []string
	for _, t := range c.Command {
		word, ok, err := t.run(v)
		if err != nil {
			return nil, err
		}
		if ok {
			argv = append(argv, word)
		}
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, fmt.Errorf("%s: no program is left", c.Name)
	}
	return argv, nil
}

// begin asks what is to be asked first, else it runs the command.
func (c *Commands) begin(cmd Command) []screen.Effect {
	ctx := c.now()
	if cmd.off(ctx) != "" {
		return nil
	}
	v, err := cmd.defaults(ctx)
	if err != nil {
		return bad(err)
	}
	if len(cmd.Prompts) == 0 {
		return c.confirm(cmd, v)
	}
	ask := screen.Ask{Tag: cmd.ID(), Title: cmd.Title}
	for _, p := range cmd.Prompts {
		f := screen.Field{Name: p.Name, Title: p.Title, Help: p.Help, Kind: screen.FieldText, Value: v.Prompt[p.Name], Options: p.Options}
		if len(p.Options) > 0 {
			f.Kind = screen.FieldChoice
		}
		ask.Fields = append(ask.Fields, f)
	}
	c.asked[ask.Tag] = asked{cmd, v}
	return []screen.Effect{ask}
}

// The ends of the tag and the choices of the dialog that asks whether to go on.
const (
	confirmTag   = ".confirm"
	confirmRun   = "run"
	confirmLeave = "leave"
)

// confirm asks if it is to be, where the command wants that.
func (c *Commands) confirm(cmd Command, v values) []screen.Effect {
	argv, err := cmd.argv(v)
	if err != nil {
		return bad(err)
	}
	if cmd.Confirm.text == "" && !cmd.Dangerous {
		return cmd.start(argv)
	}
	question, _, err := cmd.Confirm.run(v)
	if err != nil {
		return bad(err)
	}
	ask := screen.Ask{
		Tag: cmd.ID() + confirmTag, Title: cmd.Title, Danger: cmd.Dangerous,
		Choices: []screen.Choice{{ID: confirmRun, Title: "Run"}, {ID: confirmLeave, Title: "Leave it"}},
	}
	if question != "" {
		ask.Text = append(ask.Text, question)
	}
	ask.Text = append(ask.Text, "$ "+CommandLine(argv))
	if cmd.Dangerous {
		ask.Typed = cmd.Name
		if v.Build != nil && cmd.about("Build") {
			ask.Typed = v.Build.ID
		}
	}
	c.asked[ask.Tag] = asked{cmd, v}
	return []screen.Effect{ask}
}

// about says if the command line names something.
func (c Command) about(need string) bool {
	return slices.ContainsFunc(c.Command, func(t Template) bool { return slices.Contains(t.needs, need) })
}

// Handle takes the answer of a dialog of these commands; others' are ignored.
func (c *Commands) Handle(a screen.Answer) []screen.Effect {
	about, ok := c.asked[a.Tag]
	if !ok {
		return nil
	}
	delete(c.asked, a.Tag)
	if strings.HasSuffix(a.Tag, confirmTag) {
		if a.Choice != confirmRun {
			return nil
		}
		argv, err := about.command.argv(about.values)
		if err != nil {
			return bad(err)
		}
		return about.command.start(argv)
	}
	for name := range about.values.Prompt {
		if v, ok := a.Values[name]; ok {
			about.values.Prompt[name] = v
		}
	}
	return c.confirm(about.command, about.values)
}

// start gives the effect that runs it.
func (c Command) start(argv []string) []screen.Effect {
	if c.Terminal {
		return []screen.Effect{screen.Exec{Argv: argv, Tag: c.ID()}}
	}
	return []screen.Effect{screen.Start{Args: c.exec(argv), Tag: c.ID()}}
}

func bad(err error) []screen.Effect {
	return []screen.Effect{screen.Notice{Level: screen.Bad, Text: err.Error()}}
}

// EditorArgv is the command line that opens a file at a line; 0 is no line. Env gives the
// environment's variables.
func (s Settings) EditorArgv(env func(string) string, path string, line int) []string {
	v := values{Context: Context{File: &FileContext{Path: path, Line: max(line, 1)}}}
	var argv []string
	named := false
	for _, t := range s.Editor {
		word, ok, err := t.run(v)
		if ok && err == nil {
			argv = append(argv, word)
		}
		named = named || strings.Contains(t.text, ".File.Path")
	}
	if named && len(argv) > 0 {
		return argv
	}
	for _, key := range []string{"VISUAL", "EDITOR"} {
		if len(argv) == 0 {
			argv = strings.Fields(env(key))
		}
	}
	if len(argv) == 0 {
		argv = []string{"vi"}
	}
	if len(s.Editor) == 0 && line > 0 && takesPlus(argv[0]) {
		argv = append(argv, fmt.Sprintf("+%d", line))
	}
	return append(argv, path)
}

// takesPlus says if an editor understands +LINE.
func takesPlus(program string) bool {
	name := program[strings.LastIndex(program, "/")+1:]
	return slices.Contains([]string{"vi", "vim", "nvim", "vimx", "view", "nano", "pico", "emacs", "emacsclient", "mg", "micro", "kak", "joe", "jed", "ne", "mcedit"}, name)
}

// CommandLine is a command line as a person would type it into a shell.
func CommandLine(argv []string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = w
		if w == "" || strings.Trim(w, plain) != "" {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
