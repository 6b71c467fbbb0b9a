package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// outline is the effective manifest: what includes and variables come to.
type outline struct {
	rows     []outlineRow
	files    int // treefiles and what they name
	packages int
	broken   bool // it has errors, so this is only what could be read
}

// outlineRow is a key or a part of one.
type outlineRow struct {
	id    string
	depth int
	name  string
	note  string
	fork  bool
	role  theme.Role
	at    doc.Origin // where it was written
	pkg   string     // the package that it asks for
}

func outlineOf(m *manifest.Manifest, found doc.Diagnostics) outline {
	o := outline{files: len(m.Files), packages: len(m.Packages), broken: found.HasErrors()}
	for _, key := range manifest.KeyTable() {
		if key.Name != "variables" && !m.Has(key.Name) || key.Rule == manifest.RuleConsumed {
			continue
		}
		o.key(m, key)
	}
	return o
}

// key adds what became of one key.
func (o *outline) key(m *manifest.Manifest, key manifest.Key) {
	elements := m.Elements(key.Name)
	row := outlineRow{id: key.Name, name: key.Name, role: theme.CodeKey, at: m.Origins[key.Name]}
	losers := m.Settings(key.Name)
	switch {
	case len(elements) > 0:
		row.fork = true
		row.note = fmt.Sprint(len(elements))
	default:
		row.name += ": " + value(m, key.Name)
	}
	var below []outlineRow
	for i, e := range elements {
		r := outlineRow{id: fmt.Sprintf("%s/%d", key.Name, i), depth: 1, name: firstLine(e.Text), at: e.Origin}
		if key.Name == "packages" || key.Name == "exclude-packages" {
			r.pkg = e.Text
		}
		below = append(below, r)
	}
	for i, s := range losers {
		if s.Fate != manifest.FateLoses && s.Fate != manifest.FateIdle {
			continue
		}
		below = append(below, outlineRow{
			id: fmt.Sprintf("%s/lost%d", key.Name, i), depth: 1, name: string(s.Fate) + ": " + s.Why, at: s.Origin, role: theme.Muted,
		})
	}
	row.fork = len(below) > 0
	o.rows = append(append(o.rows, row), below...)
}

func value(m *manifest.Manifest, key string) string {
	raw, err := m.Value(key)
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return strings.Trim(b.String(), `"`)
}

func firstLine(text string) string {
	line, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if strings.HasPrefix(line, "#!") && rest != "" {
		line = strings.TrimSpace(rest)
		line, rest, _ = strings.Cut(line, "\n")
	}
	if rest != "" {
		line += " ..."
	}
	return line
}

// from is where something stands, as short as it is clear.
func from(o doc.Origin) string {
	if o.File == "" {
		return ""
	}
	return strings.TrimPrefix(o.Short(), "src/config/")
}

// setOutline shows the outline in its tree.
func (s *Screen) setOutline() {
	items := make([]widget.TreeItem, len(s.outline.rows))
	for i, r := range s.outline.rows {
		items[i] = widget.TreeItem{ID: r.id, Depth: r.depth, Name: r.name, Note: r.note, Fork: r.fork, Role: r.role}
		if at := from(r.at); at != "" {
			items[i].Marks = []widget.Cell{{Text: at, Role: theme.Muted}}
		}
	}
	s.effective.SetItems(items)
}

// outlineAt is the row of the outline that has the cursor.
func (s *Screen) outlineAt() (outlineRow, bool) {
	item, ok := s.effective.Current()
	if !ok {
		return outlineRow{}, false
	}
	for _, r := range s.outline.rows {
		if r.id == item.ID {
			return r, true
		}
	}
	return outlineRow{}, false
}

// planStep is a step of what a build would do.
type planStep struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	State  string `json:"state"` // run, skip, unknown
	Reason string `json:"reason"`
}

// planned is the answer of nosa build --plan.
type planned struct {
	steps []planStep
	err   string
	hint  string
}

const workPlan = "source.plan"

// preview asks what a build would do.
func (s *Screen) preview() []screen.Effect {
	env := s.env
	s.plan.asked = true
	return []screen.Effect{screen.Work{Key: workPlan, Do: func(ctx context.Context) screen.Event {
		out, err := env.Query(ctx, "build", "--plan")
		if err != nil {
			p := planned{}
			p.err, p.hint = why(err)
			return p
		}
		return planned{steps: readPlan(out)}
	}}}
}

// readPlan reads the steps that nosa build --plan prints, a line each.
func readPlan(out []byte) []planStep {
	var steps []planStep
	for line := range bytes.Lines(out) {
		var step planStep
		if json.Unmarshal(line, &step) == nil && step.Name != "" {
			steps = append(steps, step)
		}
	}
	return steps
}

// explained is the answer of nosa manifest explain for a package.
type explained struct {
	pkg   string
	lines []sideLine
}

// sideLine is a line of text beside the editor.
type sideLine struct {
	text string
	role theme.Role
	at   doc.Origin // where enter leads
}

const workExplain = "source.explain"

// explain asks who asks for a package.
func (s *Screen) explain(pkg string) []screen.Effect {
	env := s.env
	s.side, s.sideRow = sidePackage, 0
	s.SetFocus(paneSide)
	s.pkg = explained{pkg: pkg}
	return []screen.Effect{screen.Work{Key: workExplain, Do: func(ctx context.Context) screen.Event {
		out, err := env.Query(ctx, "manifest", "explain", "--", pkg)
		if err != nil {
			text, hint := why(err)
			return explained{pkg, []sideLine{{text: text, role: theme.Failure}, {text: hint, role: theme.Muted}}}
		}
		return explained{pkg, readExplanation(out)}
	}}}
}

// explanation is what nosa manifest explain prints of a package.
type explanation struct {
	State   string
	Package *struct{ NEVRA, Repo, Summary string }
	Chain   []struct {
		Kind, Text, Name, Package string
		Origin                    doc.Origin
	}
	Requests []struct {
		Text string
		doc.Origin
	}
	RequiredBy      []struct{ Kind, Text, Package string } `json:"required_by"`
	RequiredByCount int                                    `json:"required_by_count"`
	Needs           []struct{ Text, Package string }
	NeedsCount      int `json:"needs_count"`
	Near            []string
}

func readExplanation(out []byte) []sideLine {
	var e explanation
	if err := json.Unmarshal(out, &e); err != nil {
		return []sideLine{{text: "nosa said what this workbench does not understand: " + err.Error(), role: theme.Failure}}
	}
	var lines []sideLine
	add := func(role theme.Role, format string, args ...any) {
		lines = append(lines, sideLine{text: fmt.Sprintf(format, args...), role: role})
	}
	if e.Package == nil {
		add(theme.Warning, "not in the tree (%s)", e.State)
	} else {
		add(theme.Text, "%s", e.Package.NEVRA)
		add(theme.Muted, "%s, from %s", e.Package.Summary, e.Package.Repo)
	}
	if len(e.Near) > 0 {
		add(theme.Text, "written alike: %s", strings.Join(e.Near, ", "))
	}
	for _, r := range e.Requests {
		lines = append(lines, sideLine{text: "asked for at " + from(r.Origin), role: theme.Link, at: r.Origin})
	}
	if len(e.Chain) > 1 {
		add(theme.Title, "How it comes in")
		for i, l := range e.Chain {
			line := sideLine{text: strings.Repeat("  ", min(i, 8)) + l.Kind + " " + l.Text + " by " + l.Package, at: l.Origin}
			if l.Origin.File != "" {
				line.text, line.role = strings.Repeat("  ", min(i, 8))+l.Text+" at "+from(l.Origin), theme.Link
			}
			lines = append(lines, line)
		}
	}
	if len(e.RequiredBy) > 0 {
		add(theme.Title, "Required by %d", e.RequiredByCount)
		for _, l := range e.RequiredBy {
			add(theme.Text, "  %s (%s)", l.Package, l.Text)
		}
	}
	if len(e.Needs) > 0 {
		add(theme.Title, "Needs %d", e.NeedsCount)
		for _, l := range e.Needs {
			add(theme.Text, "  %s (%s)", l.Package, l.Text)
		}
	}
	return lines
}
