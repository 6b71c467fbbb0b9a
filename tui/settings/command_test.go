package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
)

func chosen() Context {
	return Context{
		Build: &BuildContext{ID: "1.0", Dir: "/ws/builds/1.0/x86_64", Arch: "x86_64"}, Job: &JobContext{ID: "j1", Dir: "/ws/tmp/jobs/j1"},
		File: &FileContext{Path: "/ws/src/a b.yaml", Line: 3}, Workspace: "/ws",
	}
}

// with makes the commands of a file whose one command is text.
func with(t *testing.T, text string, ctx Context) (*Commands, Placed) {
	t.Helper()
	s, ds := load(t, "commands:\n- "+strings.ReplaceAll(text, "\n", "\n  "))
	if ds != "" {
		t.Fatal(ds)
	}
	c := NewCommands(s, func() Context { return ctx })
	return c, c.Actions()[0]
}

func TestCommandActions(t *testing.T) {
	c, a := with(t, `name: scan
title: Scan it
key: S
screen: builds
pane: list
command: [scan, '{{.Build.ID}}', "a  b", '{{base .File.Path}}:{{.File.Line}}', '{{.Workspace}}/{{.Job.ID}}', 5, '{{if .Job}}--job={{.Job.Dir}}{{end}}', '{{if eq .Build.Arch "s390x"}}--slow{{end}}', '']`, chosen())
	if a.ID != "command.scan" || a.Title != "Scan it" || a.Screen != screen.Builds || a.Pane != "list" || a.Off() != "" {
		t.Errorf("the action: %+v, off %q", a, a.Off())
	}
	argv := []string{"exec", "--title", "Scan it", "--", "scan", "1.0", "a  b", "a b.yaml:3", "/ws/j1", "5", "--job=/ws/tmp/jobs/j1", ""}
	if diff := cmp.Diff([]screen.Effect{screen.Start{Args: argv, Tag: "command.scan"}}, a.Run()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(argv, a.Command()); diff != "" {
		t.Error(diff)
	}
	if got := c.Handle(screen.Answer{Tag: "builds.delete", Choice: "ok"}); got != nil {
		t.Errorf("the answer of another dialog: %v", got)
	}
}

func TestCommandOff(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{name: a, command: [x, '{{.Build.ID}}']}", "no build is chosen"},
		{"{name: a, command: [x], confirm: 'Really {{.Job.ID}}?'}", "no job is chosen"},
		{"{name: a, command: [x], prompts: [{name: p, default: '{{.File.Path}}'}]}", "no file is chosen"},
		{"{name: a, command: [x, '{{if .Build}}{{.Build.ID}}{{else}}none{{end}}']}", ""},
	} {
		_, a := with(t, c.text, Context{})
		if got := a.Off(); got != c.want {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
		if c.want != "" && (a.Run() != nil || a.Command() != nil) {
			t.Errorf("%s: it runs", c.text)
		}
	}
}

func TestCommandAsks(t *testing.T) {
	ctx := chosen()
	s, ds := load(t, `
commands:
- name: push
  command: [push, '{{.Build.ID}}', '{{.Prompt.to}}', '-m{{.Prompt.note}}']
  prompts:
  - {name: to, title: Where to, options: [here, there], default: there}
  - {name: note, default: 'build {{.Build.ID}}', help: said to others}
  confirm: Push {{.Build.ID}} to {{.Prompt.to}}?
  dangerous: true
`)
	if ds != "" {
		t.Fatal(ds)
	}
	c := NewCommands(s, func() Context { return ctx })
	a := c.Actions()[0]
	want := []screen.Effect{screen.Ask{Tag: "command.push", Title: "push", Fields: []screen.Field{
		{Name: "to", Title: "Where to", Kind: screen.FieldChoice, Value: "there", Options: []string{"here", "there"}},
		{Name: "note", Title: "note", Kind: screen.FieldText, Value: "build 1.0", Help: "said to others"},
	}}}
	if diff := cmp.Diff(want, a.Run(), cmp.Comparer(func(f, g func(string) string) bool { return f == nil && g == nil })); diff != "" {
		t.Error(diff)
	}
	ctx.Build = &BuildContext{ID: "2.0"} // the user goes on to another: what was asked about is 1.0
	want = []screen.Effect{screen.Ask{
		Tag: "command.push.confirm", Title: "push", Danger: true, Typed: "1.0",
		Text:    []string{"Push 1.0 to here?", "$ push 1.0 here '-mit'\\''s; rm -rf'"},
		Choices: []screen.Choice{{ID: "run", Title: "Run"}, {ID: "leave", Title: "Leave it"}},
	}}
	if diff := cmp.Diff(want, c.Handle(screen.Answer{Tag: "command.push", Choice: "ok", Values: map[string]string{"to": "here", "note": "it's; rm -rf"}})); diff != "" {
		t.Error(diff)
	}
	answer := screen.Answer{Tag: "command.push.confirm", Choice: "run"}
	want = []screen.Effect{screen.Start{Args: []string{"exec", "--title", "push", "--", "push", "1.0", "here", "-mit's; rm -rf"}, Tag: "command.push"}}
	if diff := cmp.Diff(want, c.Handle(answer)); diff != "" {
		t.Error(diff)
	}
	if got := c.Handle(answer); got != nil {
		t.Errorf("an answer counts twice: %v", got)
	}
}

func TestCommandWithTerminalLeftAlone(t *testing.T) {
	c, a := with(t, "{name: top, command: [htop], terminal: true, confirm: Now}", Context{})
	if a.Command != nil {
		t.Error("there is no command of nosa for it")
	}
	_ = a.Run()
	if got := c.Handle(screen.Answer{Tag: "command.top.confirm", Choice: "leave"}); got != nil {
		t.Errorf("left: %v", got)
	}
	_ = a.Run()
	want := []screen.Effect{screen.Exec{Argv: []string{"htop"}, Tag: "command.top"}}
	if diff := cmp.Diff(want, c.Handle(screen.Answer{Tag: "command.top.confirm", Choice: "run"})); diff != "" {
		t.Error(diff)
	}
}

// A command with an error is left out; the others stay.
func TestWrongCommands(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"no name", "{command: [x]}", `3:3: error[UI002]: the command has no name`},
		{"wrong name", "{name: A b, command: [x]}", `3:10: error[UI002]: name: want small letters, digits and dashes, got text "A b"
3:3: error[UI002]: the command has no name`},
		{"no command", "{name: a}", `3:3: error[UI002]: a has no command; command: [podman, images]`},
		{"one text", "{name: a, command: podman images}", `3:22: error[UI002]: command: want a list of words, got text "podman images"; one item a word, for no shell takes it apart: [podman, images]
3:3: error[UI002]: a has no command; command: [podman, images]`},
		{"not words", "{name: a, command: [x, [y], null]}", `3:26: error[UI002]: command item: want a word, got a list; put it in quotes
3:31: error[UI002]: command item: want a word, got nothing; put it in quotes`},
		{"two of a name", "{name: fine, command: [x]}", `3:3: error[UI002]: there are two commands called fine; the other is on line 2`},
		{"key", "{name: a, key: ctrl+i, command: [x]}", `3:18: error[UI003]: key: ctrl+i cannot be told from tab: terminals send the same for both; choose another key`},
		{"screen", "{name: a, screen: build, command: [x]}", `3:21: error[UI002]: screen: want source, stages, builds or console, got "build"; did you mean builds?`},
		{"pane", "{name: a, pane: list, command: [x]}", `3:3: error[UI002]: a: the pane list is of no screen; name its screen, too`},
		{"unknown", "{name: a, commnd: [x], command: [x]}", `3:13: warning[UI001]: the command has no key "commnd"; did you mean command?`},
		{"field", "{name: a, command: [x, '{{.Build.Id}}']}", `3:26: error[UI006]: .Build.Id: there is no such field; did you mean ID?`},
		{"root", "{name: a, command: [x, '{{.Machine.ID}}']}", `3:26: error[UI006]: .Machine: there is no such field; there are Build, Job, File, Workspace, Prompt`},
		{"too deep", "{name: a, command: [x, '{{.Workspace.Dir}}']}", `3:26: error[UI006]: .Workspace.Dir: .Workspace has no fields`},
		{"not deep enough", "{name: a, command: [x, '{{.Build}}']}", `3:26: error[UI006]: .Build: want a field of it: ID, Dir or Arch`},
		{"embedded", "{name: a, command: [x, '{{.Context.Workspace}}']}", `3:26: error[UI006]: .Context: there is no such field; there are Build, Job, File, Workspace, Prompt`},
		{"prompt", "{name: a, command: [x, '{{.Prompt.too}}'], prompts: [{name: to}]}", `3:26: error[UI006]: .Prompt.too: there is no such prompt; did you mean to?`},
		{"prompt of a default", "{name: a, command: [x], prompts: [{name: to}, {name: b, default: '{{.Prompt.to}}'}]}", `3:68: error[UI006]: .Prompt.to: there is no such prompt`},
		{"syntax", "{name: a, command: [x, '{{.Build.ID']}", `3:26: error[UI006]: unclosed action`},
		{"function", "{name: a, command: [x, '{{env .Build.ID}}']}", `3:26: error[UI006]: function "env" not defined`},
		{"range", "{name: a, command: [x, '{{range .Prompt}}{{.}}{{end}}']}", `3:26: error[UI006]: {{range .Prompt}}{{.}}{{end}}: only fields, functions and if may stand in a template`},
		{"variable", "{name: a, command: [x, '{{$x := .Build.ID}}']}", `3:26: error[UI006]: $x := .Build.ID: there are no variables here`},
		{"definition", "{name: a, command: [x, '{{define \"x\"}}y{{end}}']}", `3:26: error[UI006]: define has no place here`},
		{"confirm", "{name: a, command: [x], confirm: '{{.Jb.ID}}?'}", `3:36: error[UI006]: .Jb: there is no such field; did you mean Job?`},
		{"default", "{name: a, command: [x], prompts: [{name: p, options: [y, n], default: z}]}", `3:73: error[UI002]: default: "z" is none of the options`},
		{"prompts", "{name: a, command: [x], prompts: [{name: p}, {name: p}, {title: q}]}", `3:48: error[UI002]: there are two prompts called p
3:59: error[UI002]: the prompt has no name`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := load(t, "commands:\n- {name: fine, command: [x]}\n- "+c.in+"\n")
			var lines []string
			for line := range strings.SplitSeq(got, "\n") {
				lines = append(lines, strings.TrimPrefix(line, "tui.yaml:"))
			}
			want := strings.Split(c.want, "\n")
			slices.Sort(want)
			slices.Sort(lines)
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "error") != (len(s.Commands) == 1) {
				t.Errorf("%d commands count", len(s.Commands))
			}
		})
	}
}

// The key of a command is bound like all others.
func TestCommandKeys(t *testing.T) {
	s, ds := load(t, "commands:\n- {name: a, key: d, screen: builds, command: [x]}\n- {name: b, key: x, command: [x]}\nkeys: {command.b: y}\n")
	if ds != "" {
		t.Fatal(ds)
	}
	bound, diags := Bind(append(table(), NewCommands(s, func() Context { return Context{} }).Actions()...), s)
	want := `tui.yaml:2:18: error[UI004]: d is to be a key of command.a (a) and is one of builds.delete (T:builds.delete) on the same screen; choose another, or give builds.delete another (builds.delete: [] takes it away)`
	if diff := cmp.Diff(want, said(diags)); diff != "" {
		t.Error(diff)
	}
	if n := len(bound); bound[n-2].Keys != nil || bound[n-1].Keys[0] != "y" {
		t.Errorf("bound: %v %v", bound[n-2].Keys, bound[n-1].Keys)
	}
}

func TestCommandLine(t *testing.T) {
	if got, want := CommandLine([]string{"nosa", "-C", "/a b", "", "it's", "x=1", "$HOME"}), `nosa -C '/a b' '' 'it'\''s' x=1 '$HOME'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
