package ostree

import "bytes"

// Changes are the paths by which two commits differ, each in the order of a Tree.
type Changes struct {
	Added, Removed, Changed []string
}

// Diff compares two trees: content, type, owner, mode and attributes of files and directories. A
// directory whose names differ is not changed by that alone.
func Diff(from, to Tree) Changes {
	old := make(map[string]Entry, len(from.Entries))
	for _, e := range from.Entries {
		old[e.Path] = e
	}
	var c Changes
	for _, e := range to.Entries {
		before, ok := old[e.Path]
		delete(old, e.Path)
		switch {
		case !ok:
			c.Added = append(c.Added, e.Path)
		case !same(before, e):
			c.Changed = append(c.Changed, e.Path)
		}
	}
	for _, e := range from.Entries {
		if _, gone := old[e.Path]; gone {
			c.Removed = append(c.Removed, e.Path)
		}
	}
	return c
}

func same(a, b Entry) bool {
	if a.IsDir() && b.IsDir() {
		return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && bytes.Equal(a.Xattrs, b.Xattrs)
	}
	return a.Mode == b.Mode && a.Checksum == b.Checksum
}
