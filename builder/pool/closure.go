package pool

import (
	"fmt"
	"slices"
	"strings"
)

// closure gives the roots and everything that they need, sorted by name. Of a
// list of alternatives the first one that the archive has is taken, unless
// another one is a root; a virtual package stands for its first provider by name.
func (x *index) closure(roots []string, drop dropList) ([]*archivePackage, error) {
	chosen := map[string]*archivePackage{}
	isRoot := map[string]bool{}
	for _, name := range roots {
		isRoot[name] = true
	}
	queue := slices.Clone(roots)
	neededBy := map[string]string{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if chosen[name] != nil {
			continue
		}
		p := x.packages[name]
		if p == nil {
			return nil, fmt.Errorf("package %s is not in the archive%s", name, neededText(neededBy[name]))
		}
		chosen[name] = p
		clauses, err := p.clauses()
		if err != nil {
			return nil, err
		}
		for _, c := range clauses {
			next, err := x.choose(c, p.name, choice{roots: isRoot, drop: drop})
			if err != nil {
				return nil, err
			}
			if next != "" && chosen[next] == nil {
				queue = append(queue, next)
				neededBy[next] = p.name
			}
		}
	}
	out := make([]*archivePackage, 0, len(chosen))
	for _, p := range chosen {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *archivePackage) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

type choice struct {
	roots map[string]bool
	drop  dropList
}

// choose gives the package that satisfies c, or "" where the dependency is dropped.
func (x *index) choose(c clause, of string, ch choice) (string, error) {
	if ch.drop.drops(of, c[0].name) {
		return "", nil
	}
	for _, r := range c {
		if ch.roots[r.name] {
			return r.name, nil
		}
		for _, provider := range x.provides[r.name] {
			if ch.roots[provider] {
				return provider, nil
			}
		}
	}
	for _, r := range c {
		if x.packages[r.name] != nil {
			return r.name, nil
		}
		if providers := x.provides[r.name]; len(providers) > 0 {
			return providers[0], nil
		}
	}
	return "", fmt.Errorf("package %s needs %s, which the archive does not have", of, c[0].name)
}

func neededText(by string) string {
	if by == "" {
		return ""
	}
	return " (needed by " + by + ")"
}
