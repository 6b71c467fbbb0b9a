package builder

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// FileGroup is changed paths below one directory; a group of one path is that.
type FileGroup struct {
	Path                    string
	Added, Removed, Changed int
	Only                    *FileChange // of a group of one
}

// GroupFiles folds changes, sorted by path, into at most about limit groups by
// as deep a directory as that allows; fewer changes stay as they are.
func GroupFiles(changes []FileChange, limit int) []FileGroup {
	depth := 0
	for _, c := range changes {
		depth = max(depth, strings.Count(c.Path, "/"))
	}
	for ; ; depth-- {
		groups := groupAt(changes, depth)
		if len(groups) <= limit || depth <= 1 {
			return groups
		}
	}
}

// groupAt groups by the first depth words of the paths.
func groupAt(changes []FileChange, depth int) []FileGroup {
	groups := map[string]*FileGroup{}
	for _, c := range changes {
		name := prefix(c.Path, depth)
		g := groups[name]
		if g == nil {
			only := c
			g = &FileGroup{Path: c.Path, Only: &only}
			groups[name] = g
		} else {
			g.Path, g.Only = name, nil
		}
		switch c.Change {
		case "added":
			g.Added++
		case "removed":
			g.Removed++
		default:
			g.Changed++
		}
	}
	list := make([]FileGroup, 0, len(groups))
	for _, g := range slices.SortedFunc(maps.Values(groups), func(a, b *FileGroup) int { return cmp.Compare(a.Path, b.Path) }) {
		list = append(list, *g)
	}
	return list
}

// prefix is the first words of an absolute path.
func prefix(path string, words int) string {
	at := 0
	for range words {
		i := strings.IndexByte(path[at+1:], '/')
		if i < 0 {
			return path
		}
		at += 1 + i
	}
	return path[:at]
}
