package rpmostree

import (
	"strings"
	"testing"
)

// FuzzOutput reads output that nobody has seen: nothing panics, and what is kept is bounded.
func FuzzOutput(f *testing.F) {
	f.Add(strings.Join(recorded(f, "compose-2023.log"), "\n"))
	f.Add("error: Packages not found: a, b\n  what(): x\nthread 'main' panicked at x:\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		var r Reader
		for _, line := range lines {
			r.Read(line)
		}
		if len(r.Said) > kept {
			t.Errorf("%d lines are kept", len(r.Said))
		}
		if got := ReadFailure(lines); got.Kind == "" {
			t.Error("a failure of no kind")
		}
		ReadRepos("x", []byte(text))
		ScriptLine(lines)
	})
}
