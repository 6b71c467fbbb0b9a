package settings

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/doc"
)

// Command is a command of the user's own.
type Command struct {
	Name      string
	Title     string
	Key       Key         // Name "" is none
	Screen    screen.Name // "" is everywhere
	Pane      string      // "" is the whole screen
	Command   []Template  // the words of the command line
	Prompts   []Prompt
	Confirm   Template // asked before; no text is no question
	Terminal  bool     // it gets the terminal, else it is a job
	Dangerous bool     // it must be typed what it is done to

	at doc.Origin
}

// Prompt is a question whose answer is {{.Prompt.NAME}}.
type Prompt struct {
	Name    string
	Title   string
	Default Template
	Options []string // none: any text
	Help    string
}

// ID is the command's action.
func (c Command) ID() string { return "command." + c.Name }

// draft is a command while it is read: its templates need the names of the prompts.
type draft struct {
	Command
	words   []*doc.Node
	confirm *doc.Node
}

func (s *Settings) readCommands(l *loader, n *doc.Node) {
	items, _ := l.List(n, "commands")
	for _, item := range items {
		d := draft{Command: Command{at: item.Origin}}
		had := len(l.Diagnostics)
		l.mapping(item, "the command", d.fields())
		if item.Kind != doc.Map {
			continue
		}
		d.finish(l, s.Commands)
		if !slices.ContainsFunc(l.Diagnostics[had:], func(d doc.Diagnostic) bool { return d.Severity == doc.Error }) {
			s.Commands = append(s.Commands, d.Command)
		}
	}
}

// fields are the keys of a command. One with an error is left out as a whole.
func (d *draft) fields() []field {
	c := &d.Command
	return []field{
		{"name", "a word", "", "Its name: small letters, digits, dashes. As an action it is `command.NAME`.", readName(&c.Name, "name")},
		{"title", "a text", "the name", "What palette and help show.", readText(&c.Title, "title")},
		{"key", "a key", "", "Its key. Without one it is in the palette.", func(l *loader, n *doc.Node) {
			if k, ok := l.key(n, "key"); ok {
				c.Key = k
			}
		}},
		{"screen", "source, stages, builds or console", "everywhere", "Where it can be used.", readChoice(&c.Screen, "screen", screen.Source, screen.Stages, screen.Builds, screen.Console)},
		{"pane", "a word", "the whole screen", "The pane of that screen where the key counts.", readText(&c.Pane, "pane")},
		{"command", "a list of words", "", "The program and its arguments. Each word is a template of its own and stays one word whatever comes out: no shell reads it.", func(l *loader, n *doc.Node) {
			d.words, _ = l.words(n, "command")
		}},
		{"prompts", "a list of mappings", "", "What is asked first, see below.", func(l *loader, n *doc.Node) { d.readPrompts(l, n) }},
		{"confirm", "a text", "", "A question before it runs; templates may stand in it. The command line is shown below it.", func(l *loader, n *doc.Node) {
			if _, ok := l.Text(n, "confirm"); ok {
				d.confirm = n
			}
		}},
		{"terminal", "true or false", "false", "It gets the terminal until it ends. Else it runs as a job, with `nosa exec`, and its output is the job's log.", readBool(&c.Terminal, "terminal")},
		{"dangerous", "true or false", "false", "It only runs when the user has typed the ID of the build, or the name of the command where it is about none.", readBool(&c.Dangerous, "dangerous")},
	}
}

func (d *draft) readPrompts(l *loader, n *doc.Node) {
	items, _ := l.List(n, "prompts")
	for _, item := range items {
		var p Prompt
		l.mapping(item, "the prompt", p.fields())
		switch {
		case item.Kind != doc.Map:
			continue
		case p.Name == "":
			l.Report(item.Errorf(CodeValue, "the prompt has no name"))
			continue
		case slices.ContainsFunc(d.Prompts, func(q Prompt) bool { return q.Name == p.Name }):
			l.Report(item.Errorf(CodeValue, "there are two prompts called %s", p.Name))
			continue
		case len(p.Options) > 0 && p.Default.text != "" && len(p.Default.needs) == 0 && !slices.Contains(p.Options, p.Default.text):
			l.Report(item.Get("default").Errorf(CodeValue, "default: %s is none of the options", quote(p.Default.text)))
		}
		d.Prompts = append(d.Prompts, p)
	}
}

func (p *Prompt) fields() []field {
	return []field{
		{"name", "a word", "", "What it is called in templates: letters, digits, underscores.", readField(&p.Name, "name")},
		{"title", "a text", "the name", "What stands before the field.", readText(&p.Title, "title")},
		{"default", "a text", "", "What the field begins with; a template, too.", func(l *loader, n *doc.Node) {
			if n.Kind == doc.Scalar && !n.IsNull() {
				p.Default, _ = l.template(n, nil)
				return
			}
			_, _ = l.Text(n, "default")
		}},
		{"options", "a list of words", "any text", "What can be chosen.", readWords(&p.Options, "options")},
		{"help", "a text", "", "Said below the field.", readText(&p.Help, "help")},
	}
}

// finish parses the templates, whose prompts are known now, and checks the whole.
func (d *draft) finish(l *loader, before []Command) {
	var prompts []string
	for _, p := range d.Prompts {
		prompts = append(prompts, p.Name)
	}
	for _, n := range d.words {
		if n.Kind != doc.Scalar || n.IsNull() {
			continue // was reported
		}
		t, _ := l.template(n, prompts)
		d.Command.Command = append(d.Command.Command, t)
	}
	if d.confirm != nil {
		d.Confirm, _ = l.template(d.confirm, prompts)
	}
	if d.Title == "" {
		d.Title = d.Name
	}
	for i, p := range d.Prompts {
		if p.Title == "" {
			d.Prompts[i].Title = p.Name
		}
	}
	switch {
	case d.Name == "":
		l.Report(d.at.Errorf(CodeValue, "the command has no name"))
	case len(d.words) == 0:
		l.Report(d.at.Errorf(CodeValue, "%s has no command", d.Name).WithHint("command: [podman, images]"))
	case d.Pane != "" && d.Screen == "":
		l.Report(d.at.Errorf(CodeValue, "%s: the pane %s is of no screen", d.Name, d.Pane).WithHint("name its screen, too"))
	}
	for _, c := range before {
		if c.Name == d.Name {
			l.Report(d.at.Errorf(CodeValue, "there are two commands called %s", d.Name).WithHint(fmt.Sprintf("the other is on line %d", c.at.Line)))
		}
	}
}

// template parses a scalar as a template.
func (l *loader) template(n *doc.Node, prompts []string) (Template, bool) {
	t, err := newTemplate(n.Text, prompts)
	if err != nil {
		l.Report(n.Errorf(CodeTemplate, "%v", err))
	}
	return t, err == nil
}

func readName(into *string, key string) func(*loader, *doc.Node) {
	return readPattern(into, key, regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`), "small letters, digits and dashes")
}

func readField(into *string, key string) func(*loader, *doc.Node) {
	return readPattern(into, key, regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`), "letters, digits and underscores")
}

func readPattern(into *string, key string, form *regexp.Regexp, want string) func(*loader, *doc.Node) {
	return func(l *loader, n *doc.Node) {
		text, ok := l.Text(n, key)
		if ok && !form.MatchString(text) {
			l.Mismatch(n, key, want, "")
			return
		}
		*into = text
	}
}

// readEditor reads the words of the editor's command line.
func (s *Settings) readEditor(l *loader, n *doc.Node) {
	nodes, ok := l.words(n, "editor")
	if !ok {
		return
	}
	var list []Template
	for _, item := range nodes {
		t, fine := l.template(item, nil)
		if fine && slices.ContainsFunc(t.needs, func(need string) bool { return need != "File" }) {
			l.Report(item.Errorf(CodeTemplate, "an editor is given a file: .File.Path, .File.Line"))
			fine = false
		}
		ok = ok && fine
		list = append(list, t)
	}
	if ok {
		s.Editor = list
	}
}
