package settings

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
)

// CheatSheet is all actions as Markdown, by screen and pane: keys, what they do, and
// the command that does the same. Those of everywhere come first, the rest in the
// order of the actions.
func CheatSheet(actions []Placed) []byte {
	var b bytes.Buffer
	b.WriteString("# Keys of the workbench\n\nMade from the table of actions. Each is in the palette (`:`), too, and can be given other keys by\nits name, see [tui-settings.md](tui-settings.md).\n")
	var screens []screen.Name
	for _, a := range actions {
		if !slices.Contains(screens, a.Screen) {
			screens = append(screens, a.Screen)
		}
	}
	slices.SortStableFunc(screens, func(a, b screen.Name) int { // "" first
		return min(len(a), 1) - min(len(b), 1)
	})
	for _, s := range screens {
		title := "Everywhere"
		if s != "" {
			title = strings.ToUpper(string(s[:1])) + string(s[1:])
		}
		fmt.Fprintf(&b, "\n## %s\n", title)
		var panes []string
		for _, a := range actions {
			if a.Screen == s && !slices.Contains(panes, a.Pane) {
				panes = append(panes, a.Pane)
			}
		}
		slices.SortStableFunc(panes, func(a, b string) int { return min(len(a), 1) - min(len(b), 1) })
		for _, pane := range panes {
			if pane != "" {
				fmt.Fprintf(&b, "\n### In the pane %s\n", pane)
			}
			b.WriteString("\n| key | what | action | command |\n|---|---|---|---|\n")
			for _, a := range actions {
				if a.Screen == s && a.Pane == pane {
					b.WriteString(sheetRow(a))
				}
			}
		}
	}
	return b.Bytes()
}

func sheetRow(a Placed) string {
	var keys []string
	for _, k := range a.Keys {
		keys = append(keys, code(k))
	}
	command := ""
	if a.Command != nil {
		if argv := a.Command(); len(argv) > 0 {
			command = code("nosa " + CommandLine(argv))
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", strings.Join(keys, " "), cell(a.Title), code(a.ID), command)
}

// code is a text as it is, in a cell of a table.
func code(text string) string {
	if strings.Contains(text, "`") {
		return "`` " + cell(text) + " ``"
	}
	return "`" + cell(text) + "`"
}

func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", `\|`), "\n", " ")
}
