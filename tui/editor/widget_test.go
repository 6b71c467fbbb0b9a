package editor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

const sample = `# What is in it
releasever: 42
include:
  - manifests/system.yaml
packages:
  - kernel kernel-core
  - systemd
  - systemd
  - 日本語 	x
postprocess:
  - |
    #!/bin/bash
    echo "done"
`

// show gives the rows of the screen, the cursor as a line below them.
func (r *rig) show() string {
	r.draw()
	var b strings.Builder
	_, h := r.c.Size()
	for y := range h {
		b.WriteString(r.c.Text(y) + "\n")
	}
	x, y, ok := r.c.Cursor()
	fmt.Fprintf(&b, "cursor %d,%d %v\n", x, y, ok)
	return b.String()
}

// styles gives the attributes of each cell as a letter.
func (r *rig) styles() string {
	r.draw()
	var b strings.Builder
	_, h := r.c.Size()
	for y := range h {
		var row strings.Builder
		for _, c := range r.c.Row(y) {
			row.WriteByte(letter(c.Style.Attr))
		}
		b.WriteString(strings.TrimRight(row.String(), ".") + "\n")
	}
	return b.String()
}

func letter(a canvas.Attr) byte {
	switch {
	case a&canvas.Reverse != 0 && a&canvas.Bold != 0:
		return 'B'
	case a&canvas.Reverse != 0:
		return 'R'
	case a&canvas.Underline != 0 && a&canvas.Bold != 0:
		return 'U'
	case a&canvas.Underline != 0:
		return 'u'
	case a&canvas.Bold != 0:
		return 'b'
	case a&canvas.Dim != 0:
		return 'd'
	}
	return '.'
}

func TestGoldens(t *testing.T) {
	marks := []Mark{
		{Line: 6, Column: 12, Severity: Error, Text: "two packages in one entry"},
		{Line: 8, Column: 5, Length: 7, Severity: Warning, Text: "named twice"},
		{Line: 8, Column: 5, Length: 7, Severity: Info, Text: "see line 7"},
	}
	completions := []Completion{
		{Label: "kernel", Detail: "6.15.3", Kind: "package"},
		{Label: "kernel-core", Detail: "6.15.3, the part that boots", Kind: "package"},
		{Label: "kernel-modules", Detail: "6.15.3", Kind: "package"},
	}
	scenes := map[string]func(r *rig){
		"plain": func(*rig) {},
		"marks": func(r *rig) {
			r.e.SetMarks(marks)
			r.e.SetChanges(map[int]Change{2: Changed, 7: Added, 10: Removed})
			r.e.GoTo(8, 5)
		},
		"selection": func(r *rig) { r.e.GoTo(6, 5); r.keys("shift+down", "shift+down", "shift+down", "shift+end") },
		"search":    func(r *rig) { _ = r.e.Find("system", FindOptions{}); r.e.Next() },
		"complete":  func(r *rig) { r.e.GoTo(6, 6); r.e.SetCompletions(completions); r.keys("down") },
		"complete above": func(r *rig) {
			r.e.GoTo(14, 1)
			r.keys("k")
			r.e.SetCompletions(completions)
		},
		"scrolled": func(r *rig) { r.e.GoTo(9, 5); r.keys("end", "a", "b"); r.e.Insert(strings.Repeat("語", 60)) },
	}
	for name, scene := range scenes {
		for _, size := range [][2]int{{80, 24}, {40, 10}, {20, 5}} {
			file := fmt.Sprintf("%s-%dx%d", strings.ReplaceAll(name, " ", "-"), size[0], size[1])
			t.Run(file, func(t *testing.T) {
				r := newRig("manifest.yaml", []byte(sample), size[0], size[1])
				scene(r)
				golden(t, file, r.show()+r.styles())
			})
		}
	}
	t.Run("ascii", func(t *testing.T) {
		r := newRig("manifest.yaml", []byte("a:\tb\n"), 30, 3)
		r.t = theme.New(theme.Options{Mono: true, ASCII: true})
		r.e.SetMarks(marks[:1])
		golden(t, "ascii", r.show())
	})
}
