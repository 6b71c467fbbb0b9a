package builds

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// diffLines is a difference in sections.
func diffLines(d difference) []line {
	lines := slices.Concat(diffHead(d), diffPackages(d.Packages), configFiles(d.ConfigFiles), diffConfig(d), sizeLines("Artifacts", d.Sizes))
	if more := d.SizeDetails; more != nil {
		lines = append(lines, sizeLines("Sizes by package", more.Packages)...)
		lines = append(lines, sizeLines("Sizes by directory", more.Dirs)...)
	}
	lines = append(lines, diffFiles(d.Files)...)
	for _, note := range d.Notes {
		lines = append(lines, line{name: note, sign: signWarn, role: theme.Warning})
	}
	return lines
}

func diffHead(d difference) []line {
	same := func(a, b string) string {
		if a == b {
			return a + "  the same"
		}
		return cmp.Or(a, "none") + " -> " + cmp.Or(b, "none")
	}
	lines := []line{field("Commit", same(shortSum(d.From.Commit), shortSum(d.To.Commit)))}
	if d.From.Linux != "" || d.To.Linux != "" {
		lines = append(lines, field("Kernel", same(d.From.Linux, d.To.Linux)))
	}
	return append(lines, field("Config", same(configText(d.From.Config), configText(d.To.Config))))
}

func configText(g *workspace.Git) string {
	if g == nil {
		return ""
	}
	text := shortSum(g.Commit)
	if g.Dirty == "true" {
		text += " dirty"
	}
	return text
}

func diffPackages(list []packageChange) []line {
	count := map[string]int{}
	for _, p := range list {
		count[p.Change]++
	}
	lines := []line{{heading: true, name: "Packages", text: counted(count, changeAdded, changeRemoved, "upgraded", "downgraded")}}
	for _, p := range list {
		switch p.Change {
		case changeAdded:
			lines = append(lines, line{name: p.Name, text: p.To, sign: signAdded, role: theme.Added})
		case changeRemoved:
			lines = append(lines, line{name: p.Name, text: p.From, sign: signRemoved, role: theme.Removed})
		default:
			l := line{name: p.Name, text: p.From + " -> " + p.To, sign: signChanged, role: theme.Changed}
			if p.Change == "downgraded" {
				l.number = "down"
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// diffConfig is what differs in kernel arguments and image.json.
func diffConfig(d difference) []line {
	var lines []line
	for _, k := range d.Kargs {
		where := "of every image"
		if k.Platform != "" {
			where = "on " + k.Platform
		}
		for _, arg := range k.Added {
			lines = append(lines, line{name: arg, text: "kernel argument " + where, sign: signAdded, role: theme.Added})
		}
		for _, arg := range k.Removed {
			lines = append(lines, line{name: arg, text: "kernel argument " + where, sign: signRemoved, role: theme.Removed})
		}
	}
	for _, k := range d.Image {
		lines = append(lines, line{name: k.Key, text: string(k.From) + " -> " + string(k.To), sign: signChanged, role: theme.Changed})
	}
	text := widget.Count(len(lines), "difference", "differences")
	if len(lines) == 0 {
		text = "the same"
	}
	return append([]line{{heading: true, name: "Kernel arguments and image.json", text: text}}, lines...)
}

// sizeLines lists sizes that differ, the greatest difference first, and says how many do not.
func sizeLines(title string, list []sizeChange) []line {
	moved := slices.DeleteFunc(slices.Clone(list), func(c sizeChange) bool { return c.From == c.To })
	slices.SortStableFunc(moved, func(a, b sizeChange) int { return cmp.Compare(abs(b.To-b.From), abs(a.To-a.From)) })
	head := line{heading: true, name: title, text: widget.Count(len(moved), "differs", "differ")}
	if same := len(list) - len(moved); same > 0 {
		head.text += fmt.Sprintf(", %d the same", same)
	}
	lines := []line{head}
	for _, c := range moved {
		l := line{name: cmp.Or(c.Name, "(of no package)"), text: short(c.From) + " -> " + short(c.To), number: growth(c.To - c.From), sign: signChanged, role: theme.Changed}
		l.bar = share(abs(c.To-c.From), abs(moved[0].To-moved[0].From))
		switch {
		case c.From == 0:
			l.text, l.sign, l.role = "", signAdded, theme.Added
		case c.To == 0:
			l.text, l.sign, l.role = "", signRemoved, theme.Removed
		}
		lines = append(lines, l)
	}
	return lines
}

func abs(n int64) int64 { return max(n, -n) }

func diffFiles(list []fileChange) []line {
	count := map[string]int{}
	for _, f := range list {
		count[f.Change]++
	}
	lines := []line{{heading: true, name: "Files", text: counted(count, changeAdded, changeRemoved, changeChanged)}}
	for _, f := range list {
		l := line{name: f.Path, text: strings.Join(f.What, ", ")}
		switch f.Change {
		case changeAdded:
			l.sign, l.role, l.number = signAdded, theme.Added, sizeOf(f.To)
		case changeRemoved:
			l.sign, l.role, l.number = signRemoved, theme.Removed, sizeOf(f.From)
		default:
			l.sign, l.role = signChanged, theme.Changed
			if f.From != nil && f.To != nil && f.From.Size != f.To.Size {
				l.number = growth(f.To.Size - f.From.Size)
			}
		}
		lines = append(lines, l)
	}
	return lines
}

func sizeOf(f *fileState) string {
	if f == nil || f.Size == 0 {
		return ""
	}
	return short(f.Size)
}

// hintOf is what a failed nosa command says could be done.
func hintOf(err error) string {
	if q, ok := errors.AsType[*screen.QueryError](err); ok {
		return q.Hint
	}
	return ""
}
