package settings

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
)

// The documentation is made from the tables that the file is read by.
func TestSettingsAreDocumented(t *testing.T) {
	const name = "../../docs/tui-settings.md"
	want := settingsPage(t)
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("go test ./tui/settings -run Documented -update rewrites it:\n%s", diff)
	}
}

// The example of the documentation is right.
func TestExample(t *testing.T) {
	s, ds := Load("testdata/tui.yaml")
	if ds != nil {
		t.Error(said(ds))
	}
	c := NewCommands(s, chosen)
	actions := c.Actions()
	if len(actions) != 3 || len(s.Keys) != 3 {
		t.Fatalf("%d commands, %d keys", len(actions), len(s.Keys))
	}
	want := []screen.Effect{screen.Exec{Argv: []string{"nosa", "shell", "1.0", "--", "sh", "-c", "rpm -qa | sort | less"}, Tag: "command.packages"}}
	if diff := cmp.Diff(want, actions[1].Run()); diff != "" {
		t.Error(diff)
	}
}

// comments gives the comments behind the constants of a type, or the fields of structs, by their values or names.
func comments(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if len(n.Values) == 1 {
				if lit, ok := n.Values[0].(*ast.BasicLit); ok {
					if text, err := strconv.Unquote(lit.Value); err == nil {
						found[text] = strings.TrimSpace(n.Comment.Text())
					}
				}
			}
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						found[n.Name.Name+"."+name.Name] = strings.TrimSpace(field.Comment.Text())
					}
				}
			}
		}
		return true
	})
	return found
}

func settingsPage(t *testing.T) string {
	example, err := os.ReadFile(filepath.Join("testdata", "tui.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# Settings of the workbench

Made from the tables in ` + "`tui/settings`" + `. The file is ` + "`~/.config/nosa/tui.yaml`" + ` (below ` + "`$XDG_CONFIG_HOME`" + `
where that is set, or ` + "`$" + PathKey + "`" + `). It need not exist. A change counts at once. What is wrong with it is
said with its line, and does not count; the rest does.

` + "```yaml\n" + string(example) + "```\n\n")
	s := Default()
	writeFields(&b, s.fields())
	writeKeys(&b)
	b.WriteString("\n## theme\n\n")
	writeFields(&b, s.themeFields())
	b.WriteString("\nA role is a mapping of these:\n\n")
	writeFields(&b, styleFields(new(canvas.Style)))
	fmt.Fprintf(&b, "\nA colour is one of the terminal's sixteen (%s), a number to 255 of its palette,\n`\"#rrggbb\"` in quotes, or `default`, the terminal's own. The roles:\n\n| role | what has it |\n|---|---|\n", strings.Join(colorNames(), ", "))
	about := comments(t, "../theme/role.go")
	for _, r := range theme.Roles() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r, about[string(r)])
	}
	b.WriteString("\n## notify\n\n")
	writeFields(&b, s.Notify.fields())
	b.WriteString("\n## commands\n\nEach command is an action: in the palette, in the help, with a key if it has one.\n\n")
	writeFields(&b, new(draft).fields())
	b.WriteString("\nA prompt:\n\n")
	writeFields(&b, new(Prompt).fields())
	writeTemplates(&b, t)
	b.WriteString("\n## What can be wrong\n\n| code | about |\n|---|---|\n")
	for i := range 6 {
		code := fmt.Sprintf("UI%03d", i+1)
		text := comments(t, "settings.go")[code]
		if text == "" {
			t.Errorf("nothing is said of %s", code)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", code, text)
	}
	return b.String()
}

func writeFields(b *strings.Builder, fields []field) {
	docs := false
	for _, f := range fields {
		docs = docs || f.doc != ""
	}
	head := "| key | value | default | what it does |\n|---|---|---|---|\n"
	if !docs {
		head = "| key | value | default |\n|---|---|---|\n"
	}
	b.WriteString(head)
	for _, f := range fields {
		fmt.Fprintf(b, "| `%s` | %s | %s |", f.name, f.takes, f.def)
		if docs {
			b.WriteString(" " + cell(f.doc) + " |")
		}
		b.WriteString("\n")
	}
}

func writeKeys(b *strings.Builder) {
	b.WriteString(`
## keys

The names of the actions are in [keys.md](keys.md). A key is the character that it types (` + "`d`, `D`, `\"#\"`" + `) or
one of the names below; two with a space between are pressed one after the other (` + "`g g`" + `). Two actions
that count at the same place cannot have the same key, and no key can be the beginning of another's
sequence: both are said with their lines, and the action keeps its own keys.

| key | also with |
|---|---|
`)
	for _, group := range []struct {
		names string
		of    string
	}{
		{"`up` `down` `left` `right` `home` `end`", "up"},
		{"`pgup` `pgdown`", "pgup"},
		{"`enter` `esc` `backspace` `delete` `insert` `f1` to `f20`", "enter"},
		{"`tab`", "tab"},
		{"`space`", "space"},
	} {
		var mods []string
		for _, m := range special()[group.of] {
			if m != "" {
				mods = append(mods, "`"+m+"`")
			}
		}
		fmt.Fprintf(b, "| %s | %s |\n", group.names, strings.Join(mods, " "))
	}
	b.WriteString("| a character | `alt+` |\n| `a` to `z`, `\\` `]` `^` `_` | `ctrl+` `ctrl+alt+` |\n\nTerminals send the same for these, so that they cannot be told apart: ")
	var same []string
	for _, k := range []string{"ctrl+i", "ctrl+m", "ctrl+j", "ctrl+h", "ctrl+["} {
		same = append(same, fmt.Sprintf("`%s` and `%s`", k, sameAs()[k]))
	}
	b.WriteString(strings.Join(same, ", ") + ".\n")
}

func writeTemplates(b *strings.Builder, t *testing.T) {
	b.WriteString("\nIn the words of `command`, in `confirm` and in `default` these stand for what is chosen where the user is. A\ncommand that needs what is not chosen is off, and says so.\n\n| field | what it is |\n|---|---|\n")
	about := comments(t, "template.go")
	for _, top := range reflect.VisibleFields(reflect.TypeFor[Context]()) {
		if top.Type.Kind() != reflect.Pointer {
			fmt.Fprintf(b, "| `{{.%s}}` | %s |\n", top.Name, about["Context."+top.Name])
			continue
		}
		for _, f := range reflect.VisibleFields(top.Type.Elem()) {
			fmt.Fprintf(b, "| `{{.%s.%s}}` | of the %s: %s |\n", top.Name, f.Name, strings.ToLower(top.Name), about[top.Type.Elem().Name()+"."+f.Name])
		}
	}
	b.WriteString("| `{{.Prompt.NAME}}` | the answer to the prompt |\n\n" +
		"`{{if .Build}}…{{else}}…{{end}}` chooses; a word that is one `{{if}}` as a whole is left out when nothing comes of\nit. `base` and `dir` take a path apart (`{{base .File.Path}}`); Go's own functions (`eq`, `printf`, …) are there, too.\n")
}

func TestCheatSheet(t *testing.T) {
	list := table()
	list[1].Command = func() []string { return []string{"delete", "A B"} }
	list = append(list, Placed{"", screen.Action{ID: "or", Title: "a | b", Keys: []string{"|", "`"}}})
	want := `# Keys of the workbench

Made from the table of actions. Each is in the palette (` + "`:`" + `), too, and can be given other keys by
its name, see [tui-settings.md](tui-settings.md).

## Everywhere

| key | what | action | command |
|---|---|---|---|
| ` + "`?`" + ` | T:help | ` + "`help`" + ` |  |
| ` + "`\\|` `` ` ``" + ` | a \| b | ` + "`or`" + ` |  |

## Builds

| key | what | action | command |
|---|---|---|---|
| ` + "`d` `delete`" + ` | T:builds.delete | ` + "`builds.delete`" + ` | ` + "`nosa delete 'A B'`" + ` |
| ` + "`g g`" + ` | T:builds.top | ` + "`builds.top`" + ` |  |

### In the pane list

| key | what | action | command |
|---|---|---|---|
| ` + "`space` `m`" + ` | T:builds.mark | ` + "`builds.mark`" + ` |  |

### In the pane detail

| key | what | action | command |
|---|---|---|---|
| ` + "`v`" + ` | T:builds.verify | ` + "`builds.verify`" + ` |  |

## Stages

| key | what | action | command |
|---|---|---|---|
| ` + "`d`" + ` | T:stages.drop | ` + "`stages.drop`" + ` |  |
`
	if diff := cmp.Diff(want, string(CheatSheet(list))); diff != "" {
		t.Error(diff)
	}
}
