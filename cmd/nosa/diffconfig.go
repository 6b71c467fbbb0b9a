package main

import (
	"strings"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace/event"
)

// configFiles lists the files of the config that differ, each with its lines.
func (w *diffWriter) configFiles(list []builder.ConfigChange) {
	count := map[string]int{}
	for _, c := range list {
		count[c.Change]++
	}
	w.head("src/config", countText(count["added"], count["removed"], count["changed"]))
	for _, c := range list {
		sign := signChanged
		switch c.Change {
		case "added":
			sign = signAdded
		case "removed":
			sign = signRemoved
		}
		w.line(sign, event.Clean(c.Path), "")
		for text := range strings.Lines(c.Diff) {
			if strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "+++ ") {
				continue
			}
			w.WriteString("      " + strings.TrimRight(event.Clean(text), " ") + "\n")
		}
	}
}
