package settings

import (
	"os"
	"path/filepath"
	"testing"
)

// Whatever a file says: each complaint has its place, no key that the user gave is
// also another action's, and no command runs that needs what is not chosen.
func FuzzSettings(f *testing.F) {
	example, err := os.ReadFile(filepath.Join("testdata", "tui.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		string(example), "keys: {builds.delete: [g, v, d, '?', g g], help: d, builds.top: g}\n",
		"commands:\n- {name: a, key: d, command: ['{{if .Build}}x{{end}}', '{{.Job.ID}}'], confirm: '{{printf \"%d\" .File.Line}}'}\n",
		"theme: {roles: {text: {fg: 300}}}\nnotify: {after: -1s}\n", "keys: []\n", "a: &a [*a]\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, diags := parseFile("tui.yaml", []byte(text))
		for _, d := range diags {
			if d.File != "tui.yaml" || d.Line == 0 || d.Message == "" {
				t.Errorf("no place: %s", d)
			}
		}
		c := NewCommands(s, func() Context { return Context{} })
		bound, _ := Bind(append(table(), c.Actions()...), s)
		given := map[string]bool{}
		for id := range s.Keys {
			given[id] = true
		}
		for i, a := range bound {
			for _, b := range bound[i+1:] {
				if !a.meets(b) || a.ID == b.ID || !given[a.ID] && !given[b.ID] {
					continue
				}
				for _, k := range a.Keys {
					for _, l := range b.Keys {
						if clash(k, l) {
							t.Errorf("%s of %s and %s of %s", k, a.ID, l, b.ID)
						}
					}
				}
			}
		}
		for _, a := range c.Actions() {
			if effects := a.Run(); a.Off() != "" && effects != nil {
				t.Errorf("%s is off and runs", a.ID)
			}
		}
	})
}
