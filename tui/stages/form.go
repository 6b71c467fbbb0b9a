package stages

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

// form is the dialog of a stage's options while it is open.
type form struct {
	stage  workspace.Stage
	fields map[string]workspace.StageOption
}

// askOptions is the tag of the dialog; the stage's name follows.
const askOptions = "stages.options"

// newForm makes the dialog of a stage's options.
func newForm(st workspace.Stage) (*form, screen.Ask) {
	f := &form{stage: st, fields: map[string]workspace.StageOption{}}
	ask := screen.Ask{
		Tag: askOptions + " " + st.Name, Title: strings.Join(st.Argv, " "), Text: []string{st.Title},
		Choices: []screen.Choice{
			{ID: "run", Title: "Run", Key: "r"},
			{ID: "queue", Title: "Queue", Key: "q"},
			{ID: "copy", Title: "Copy command", Key: "y"},
			{ID: "cancel", Title: "Cancel"},
		},
	}
	for _, o := range st.Options {
		f.fields[o.Name] = o
		field := screen.Field{Name: o.Name, Title: o.Name, Help: o.Help, Kind: screen.FieldText, Value: beginsWith(st, o), Options: o.Choices}
		switch {
		case o.Kind == workspace.OptionBool:
			field.Kind = screen.FieldBool
		case o.Kind == workspace.OptionMany && len(o.Choices) > 0:
			field.Kind = screen.FieldMany
		case o.Kind == workspace.OptionChoice && len(o.Choices) > 0:
			field.Kind = screen.FieldChoice
			if o.Default == "" {
				field.Options = append([]string{""}, o.Choices...)
			}
		case o.Kind == workspace.OptionNumber:
			field.Check = checkNumber
		}
		ask.Fields = append(ask.Fields, field)
	}
	return f, ask
}

// beginsWith is an option's value as the stage's own command line has it, else the default.
func beginsWith(st workspace.Stage, o workspace.StageOption) string {
	for i, word := range st.Argv {
		if word == o.Flag && o.Flag != "" && i+1 < len(st.Argv) {
			return st.Argv[i+1]
		}
	}
	return o.Default
}

func checkNumber(value string) string {
	if _, err := strconv.Atoi(strings.TrimSpace(value)); err != nil && strings.TrimSpace(value) != "" {
		return "want a whole number"
	}
	return ""
}

// argv is the command line that the filled-in form stands for: what is as it would be anyway is not said.
func (f *form) argv(values map[string]string) []string {
	var argv, words []string
	for i := 0; i < len(f.stage.Argv); i++ { // options come from the form alone
		if _, isOption := f.option(f.stage.Argv[i]); isOption {
			i++
			continue
		}
		argv = append(argv, f.stage.Argv[i])
	}
	for _, o := range f.stage.Options {
		value, ok := values[o.Name]
		value = strings.TrimSpace(value)
		if !ok || value == o.Default || value == "" && o.Kind != workspace.OptionBool {
			continue
		}
		switch {
		case o.Flag == "":
			words = append(words, strings.Fields(value)...)
		case o.Kind == workspace.OptionBool && value == "true":
			argv = append(argv, o.Flag)
		case o.Kind == workspace.OptionBool:
			argv = append(argv, o.Flag+"=false")
		case o.Kind == workspace.OptionMany:
			for one := range strings.FieldsSeq(value) {
				argv = append(argv, o.Flag, one)
			}
		default:
			argv = append(argv, o.Flag, value)
		}
	}
	return append(argv, words...)
}

func (f *form) option(word string) (o workspace.StageOption, ok bool) {
	for _, o := range f.stage.Options {
		if o.Flag == word && word != "" {
			return o, true
		}
	}
	return workspace.StageOption{}, false
}

// plainArgs is a job's command line without the program and without what the workbench gives each command itself:
// where the workspace is, where programs run and how to print.
func plainArgs(argv []string) []string {
	return without(argv, "-C", "--directory", "--output", "--color", "--backend", "--image")
}

// shownArgs is that with where its programs were to run.
func shownArgs(argv []string) []string {
	return without(argv, "-C", "--directory", "--output", "--color")
}

// without is a command line without the program, these global flags that have a value, and those that have none.
func without(argv []string, valued ...string) []string {
	if len(argv) == 0 {
		return nil
	}
	var out []string
	for i := 1; i < len(argv); i++ {
		name, _, joined := strings.Cut(argv[i], "=")
		switch {
		case argv[i] == "--":
			return append(out, argv[i:]...)
		case slices.Contains(valued, argv[i]):
			i++
		case joined && slices.Contains(valued, name), strings.HasPrefix(argv[i], "-C"), isSwitch(argv[i]):
		default:
			out = append(out, argv[i])
		}
	}
	return out
}

func isSwitch(word string) bool {
	return slices.Contains([]string{"-q", "--quiet", "-v", "--verbose", "--no-wait"}, word)
}
