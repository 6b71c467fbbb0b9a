package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
)

// explainPackage says why a package of the workspace is there.
func (a *app) explainPackage(cmd *cobra.Command, o manifestOptions, name string) error {
	if o.config != "" {
		return usageError{fmt.Errorf("%q is no key of a manifest, and packages are only known in a workspace, after nosa fetch", name)}
	}
	options, err := o.check(cmd)
	if err != nil {
		return err
	}
	c, err := a.workspaceConfig(options)
	if err != nil {
		return err
	}
	config, found, err := builder.Review(cmd.Context(), c.files, c.options)
	if err != nil {
		return err
	}
	if found.HasErrors() {
		found = slices.DeleteFunc(found, func(d doc.Diagnostic) bool { return d.Severity != doc.Error })
		return a.refuse(found, c)
	}
	why, err := builder.ExplainPackage(cmd.Context(), c.env, config, name)
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		return a.answer(why, "")
	}
	_, err = fmt.Fprint(a.stdout, packageText(why))
	return err
}

// most is how many names of a list are shown.
const most = 12

// packageText is the answer for people.
func packageText(p builder.PackageWhy) string {
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", label, event.Clean(text))
		}
	}
	if p.Package == nil {
		absentText(&b, p, line)
		return b.String()
	}
	fmt.Fprintf(&b, "%s  from %s, %s, installed %s\n", event.Clean(p.Package.ID), event.Clean(p.Package.Repo),
		event.Bytes(p.Package.Size), event.Bytes(p.Package.InstalledSize))
	line("is", p.Package.Summary)
	if !p.Fetched {
		line("note", "as it would be chosen now: the last fetch was asked something else")
	}
	b.WriteString("\nwhy it is there\n")
	for i, l := range p.Chain {
		indent := strings.Repeat("  ", i+1)
		switch {
		case i == 0:
			fmt.Fprintf(&b, "%s%s  (%s)\n", indent, event.Clean(l.Text), event.Clean(l.Origin.String()))
		case l.Text == l.Name:
			fmt.Fprintf(&b, "%s%s %s\n", indent, l.Kind, event.Clean(l.Name))
		default:
			fmt.Fprintf(&b, "%s%s %s  (%s)\n", indent, l.Kind, event.Clean(l.Name), event.Clean(l.Text))
		}
	}
	b.WriteString("\n")
	for i, r := range p.Requests {
		line(map[bool]string{true: "asked for"}[i == 0], requestText(r))
	}
	var by, needs []string
	for _, l := range p.RequiredBy {
		by = append(by, l.Name)
	}
	for _, l := range p.Needs {
		needs = append(needs, l.Name)
	}
	line("needed by", names(by, p.RequiredByCount))
	line("needs", names(needs, p.NeedsCount))
	line("also", strings.Join(p.Others, ", "))
	return b.String()
}

// absentText is the answer for a package that is not in the tree.
func absentText(b *strings.Builder, p builder.PackageWhy, line func(label, text string)) {
	fmt.Fprintf(b, "%s is not in the tree", event.Clean(p.Asked))
	if p.State == builder.PackageUnknown {
		b.WriteString(", and in no repository that is used")
	}
	b.WriteString("\n")
	for i, r := range p.Excluded {
		line(map[bool]string{true: "excluded"}[i == 0], requestText(r))
	}
	for i, f := range p.Available {
		text := f.Package + " from " + f.Repo
		line(map[bool]string{true: "there is"}[i == 0], strings.Join(append([]string{text}, hiddenBy(f.Hidden)...), ", "))
	}
	for i, f := range p.Versions {
		line(map[bool]string{true: "versions"}[i == 0], f.Package+" from "+f.Repo)
	}
	var weak []string
	for _, l := range p.RecommendedBy {
		weak = append(weak, l.Name)
	}
	line("wanted by", names(weak, len(weak)))
	line("unused", strings.Join(p.Unused, ", "))
	line("alike", strings.Join(p.Near, ", "))
}

// hiddenBy says why a package that is there was not chosen; of excludes their
// place is said.
func hiddenBy(reasons []string) []string {
	words := map[string]string{
		"strict": "not in the lock", "lock": "another version is locked",
		"lockfile-repos": "not locked, and lockfile-repos gives only what is",
	}
	var list []string
	for _, r := range reasons {
		if text, ok := words[r]; ok {
			list = append(list, text)
		}
	}
	return list
}

func requestText(r builder.PackageRequest) string {
	text := r.Text
	if r.Repo != "" {
		text += " from " + r.Repo
	}
	return text + "  (" + r.Origin.String() + ")"
}

// names is a list of which not all need be shown; total is how many there are.
func names(list []string, total int) string {
	slices.Sort(list)
	list = slices.Compact(list)
	shown := list[:min(len(list), most)]
	text := strings.Join(shown, ", ")
	if more := total - len(shown); more > 0 && len(shown) > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
