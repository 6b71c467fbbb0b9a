package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// diffWriter writes the text of a diff: headings, and lines in columns.
type diffWriter struct{ strings.Builder }

func (w *diffWriter) head(title, text string) {
	w.WriteString(strings.TrimRight(fmt.Sprintf("%-10s %s", title, text), " ") + "\n")
}

// line is a sign, a name and what there is to say of it.
func (w *diffWriter) line(sign, name, text string) {
	pad := strings.Repeat(" ", max(0, 28-ansi.StringWidth(name)))
	w.WriteString(strings.TrimRight("  "+sign+" "+name+pad+"  "+text, " ") + "\n")
}

// The signs of a diff's lines.
const (
	signAdded   = "+"
	signRemoved = "-"
	signChanged = "~"
)

func diffText(d wholeDiff, view diffView) string {
	w := &diffWriter{}
	w.head("Builds", d.From.Build+" -> "+d.To.Build+"  "+d.To.Arch)
	w.head("Commit", pair(short16(d.From.Commit), short16(d.To.Commit)))
	if d.From.Linux != "" || d.To.Linux != "" {
		w.head("Kernel", pair(d.From.Linux, d.To.Linux))
	}
	w.head("Config", pair(configText(d.From.Config), configText(d.To.Config)))
	if d.Packages != nil {
		w.packages(*d.Packages)
	}
	if d.Files != nil {
		w.files(*d.Files, view)
	}
	if d.Kargs != nil {
		w.kargs(*d.Kargs)
	}
	if d.Image != nil {
		w.image(*d.Image)
	}
	if d.Sizes != nil {
		w.sizes(*d.Sizes)
	}
	if d.SizeDetails != nil {
		w.details(*d.SizeDetails, view)
	}
	if d.ConfigFiles != nil {
		w.configFiles(*d.ConfigFiles)
	}
	if d.Boot != nil {
		w.boot(*d.Boot)
	}
	for _, note := range d.Notes {
		w.head("Note", note)
	}
	return w.String()
}

// pair is a value, or two with an arrow.
func pair(from, to string) string {
	if from == to {
		return from + "  (the same)"
	}
	return orNone(from) + " -> " + orNone(to)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func short16(sum string) string { return sum[:min(16, len(sum))] }

func configText(g *workspace.Git) string {
	if g == nil {
		return ""
	}
	text := event.Clean(g.Branch) + " " + g.Commit[:min(12, len(g.Commit))]
	if g.Dirty == "true" {
		text += " dirty"
	}
	return text
}

func (w *diffWriter) packages(list []builder.PackageChange) {
	w.head("Packages", builder.CountPackages(list))
	for _, c := range list {
		switch c.Change {
		case builder.PackageAdded:
			w.line(signAdded, c.Name, c.To)
		case builder.PackageRemoved:
			w.line(signRemoved, c.Name, c.From)
		case builder.PackageUpgraded:
			w.line(signChanged, c.Name, c.From+" -> "+c.To)
		case builder.PackageDowngraded:
			w.line(signChanged, c.Name, c.From+" -> "+c.To+"  (downgraded)")
		}
	}
}

func (w *diffWriter) files(list []builder.FileChange, view diffView) {
	count := map[string]int{}
	for _, c := range list {
		count[c.Change]++
	}
	w.head("Files", countText(count["added"], count["removed"], count["changed"]))
	limit := diffLines
	if view.all {
		limit = len(list)
	}
	groups := builder.GroupFiles(list, limit)
	for _, g := range groups {
		if g.Only != nil {
			w.file(*g.Only)
			continue
		}
		w.line(" ", event.Clean(g.Path)+"/", countText(g.Added, g.Removed, g.Changed))
	}
	if len(groups) < len(list) {
		w.WriteString("    (--all lists every file)\n")
	}
}

func countText(added, removed, changed int) string {
	var words []string
	for _, c := range []struct {
		n    int
		word string
	}{{added, "added"}, {removed, "removed"}, {changed, "changed"}} {
		if c.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if len(words) == 0 {
		return "the same"
	}
	return strings.Join(words, ", ")
}

func (w *diffWriter) file(c builder.FileChange) {
	path := event.Clean(c.Path)
	switch {
	case c.From == nil:
		w.line(signAdded, path, "")
	case c.To == nil:
		w.line(signRemoved, path, "")
	default:
		var what []string
		for _, aspect := range c.What {
			what = append(what, aspectText(aspect, c))
		}
		w.line(signChanged, path, strings.Join(what, ", "))
	}
}

// aspectText says in what a file changed, and from what to what where that is short.
func aspectText(aspect string, c builder.FileChange) string {
	switch aspect {
	case "content":
		if c.From.Size != c.To.Size {
			return fmt.Sprintf("content (%s -> %s)", event.Bytes(c.From.Size), event.Bytes(c.To.Size))
		}
	case "mode", "type":
		return fmt.Sprintf("%s (%s -> %s)", aspect, c.From.Mode, c.To.Mode)
	case "owner":
		return fmt.Sprintf("owner (%d:%d -> %d:%d)", c.From.UID, c.From.GID, c.To.UID, c.To.GID)
	case "target":
		return event.Clean(fmt.Sprintf("target (%s -> %s)", c.From.Target, c.To.Target))
	}
	return aspect
}

func (w *diffWriter) kargs(list []builder.KargChange) {
	if len(list) == 0 {
		w.head("Kargs", "the same")
		return
	}
	w.head("Kargs", "")
	for _, c := range list {
		where := ""
		if c.Platform != "" {
			where = "on " + c.Platform
		}
		for _, karg := range c.Added {
			w.line(signAdded, event.Clean(karg), where)
		}
		for _, karg := range c.Removed {
			w.line(signRemoved, event.Clean(karg), where)
		}
	}
}

func (w *diffWriter) image(list []builder.KeyChange) {
	if len(list) == 0 {
		w.head("Image", "the same")
		return
	}
	w.head("Image", "")
	for _, c := range list {
		w.line(signChanged, c.Key, valueText(c.From)+" -> "+valueText(c.To))
	}
}

// valueText is a value of image.json in a few words.
func valueText(v any) string {
	if v == nil {
		return "none"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if text := string(data); len(text) <= 40 {
		return event.Clean(text)
	}
	return fmt.Sprintf("(%s)", event.Bytes(len(data)))
}

func (w *diffWriter) sizes(list []builder.SizeChange) {
	w.head("Sizes", "")
	for _, c := range list {
		w.size(c)
	}
}

func (w *diffWriter) size(c builder.SizeChange) {
	switch {
	case c.From == 0:
		w.line(signAdded, c.Name, event.Bytes(c.To).String())
	case c.To == 0:
		w.line(signRemoved, c.Name, event.Bytes(c.From).String())
	case c.From == c.To:
		w.line(" ", c.Name, event.Bytes(c.From).String()+"  (the same)")
	default:
		growth := event.Bytes(c.To - c.From).String()
		if c.To > c.From {
			growth = "+" + growth
		}
		w.line(signChanged, c.Name, fmt.Sprintf("%s -> %s  (%s)", event.Bytes(c.From), event.Bytes(c.To), growth))
	}
}

// detailLines is how many packages and directories are listed without --all.
const detailLines = 20

// details shows which packages and directories have more or less of the commits.
func (w *diffWriter) details(d builder.SizeDetails, view diffView) {
	for _, part := range []struct {
		title string
		list  []builder.SizeChange
	}{{"By package", d.Packages}, {"By directory", d.Dirs}} {
		if part.list == nil {
			continue
		}
		moved, same := builder.Moved(part.list)
		w.head(part.title, fmt.Sprintf("%d differ, %d the same", len(moved), same))
		for i, c := range moved {
			if i == detailLines && !view.all {
				fmt.Fprintf(w, "    (%d more: --all lists them)\n", len(moved)-i)
				break
			}
			if c.Name == "" {
				c.Name = "(of no package)"
			}
			c.Name = event.Clean(c.Name)
			w.size(c)
		}
	}
}

// boot shows what booting costs, in guest instructions.
func (w *diffWriter) boot(d check.CostDiff) {
	text := "instructions on " + event.Clean(d.Machine[0])
	if d.Boots[0] > 1 || d.Boots[1] > 1 {
		text += fmt.Sprintf("; medians of %d and %d boots", d.Boots[0], d.Boots[1])
	}
	w.head("Boot", text)
	for _, c := range d.Phases {
		w.cost(c)
	}
	w.head("Units", "")
	for _, c := range d.Units {
		w.cost(c)
	}
	switch {
	case d.Hidden > 0:
		fmt.Fprintf(w, "    (left out as noise: %d)\n", d.Hidden)
	case len(d.Units) == 0:
		w.WriteString("    (none differs)\n")
	}
}

func (w *diffWriter) cost(c check.CostChange) {
	name := event.Clean(c.Name)
	switch c.Change {
	case "new":
		w.line(signAdded, name, instructions(c.To))
	case "gone":
		w.line(signRemoved, name, instructions(c.From))
	case "same":
		w.line(" ", name, instructions(c.To)+"  (the same)")
	default:
		plus := ""
		if c.To > c.From {
			plus = "+"
		}
		w.line(signChanged, name, fmt.Sprintf("%s -> %s  %s  (%s%s, %+.1f %%)", instructions(c.From), instructions(c.To), c.Change, plus, instructions(c.To-c.From), c.Percent()))
	}
}
