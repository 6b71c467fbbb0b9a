package manifest

import (
	"regexp"
	"slices"
	"strings"
)

// reference is a use of a variable.
var reference = regexp.MustCompile(`\$\{[^${}\s]+\}`)

// substitute replaces ${name} in text and reports names that are not defined.
func (l *loader) substitute(text string, at Origin, key string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			l.Report(at.Errorf(codeSubstitution, "%s: ${ is never closed", key))
			b.WriteString("${" + rest)
			return b.String()
		}
		if v, known := l.variables[name]; known {
			if !l.affordsText(at, len(v.text)) {
				return b.String()
			}
			b.WriteString(v.text)
		} else {
			l.Report(l.undefined(at, codeSubstitution, name,
				"part files get their variables from the treefile that includes them"))
			b.WriteString("${" + name + "}")
		}
		text = after
	}
}

// substituteAll substitutes in the keys in which that is done at all, and
// warns of references in the others.
func (l *loader) substituteAll(top *layer) {
	for _, key := range []string{"ref", "automatic-version-prefix", "mutate-os-release", "platform-module"} {
		if v := top.values[key]; v != nil {
			v.text = l.substitute(v.text, v.at, key)
		}
	}
	if parts := data[map[string]Item](top, "rojig"); parts != nil {
		for _, name := range []string{"name", "summary", "description"} {
			if p, ok := parts[name]; ok {
				p.Text = l.substitute(p.Text, p.Origin, "rojig "+name)
				parts[name] = p
			}
		}
	}
	for _, key := range []string{"metadata", "add-commit-metadata"} {
		meta := data[Metadata](top, key)
		for i, m := range meta {
			if text, ok := m.Value.(string); ok {
				meta[i].Value = l.substitute(text, m.Origin, key+" "+m.Key)
			}
		}
	}
	l.warnUnsubstituted(top)
}

// warnUnsubstituted finds ${} in lists and texts that keep it as it is.
// Scripts use the same spelling for their own variables.
func (l *loader) warnUnsubstituted(top *layer) {
	substituted := []string{"ref", "automatic-version-prefix", "mutate-os-release", "platform-module", "postprocess"}
	for _, key := range l.keys {
		v := top.values[key.Name]
		if v == nil || slices.Contains(substituted, key.Name) {
			continue
		}
		found := slices.Clone(v.list)
		if v.text != "" {
			found = append(found, Item{Text: v.text, Origin: v.at})
		}
		for _, rp := range data[[]RepoPackages](top, key.Name) {
			found = append(append(found, rp.Repo), rp.Packages...)
		}
		for _, item := range found {
			if reference.MatchString(item.Text) {
				l.Report(item.Warnf(codeSubstitution, "%s is not substituted, %s stays as it is", key.Name, reference.FindString(item.Text)).
					WithHint("to choose by a variable, use conditional-include"))
			}
		}
	}
}

// variableTexts returns the variables as they are substituted, and where they
// are defined.
func (l *loader) variableTexts() (texts map[string]string, places map[string]Origin) {
	texts, places = make(map[string]string, len(l.variables)), make(map[string]Origin, len(l.variables))
	for name, v := range l.variables {
		texts[name], places[name] = v.text, v.at
	}
	return texts, places
}
