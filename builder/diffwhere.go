package builder

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tool"
)

// SizeDetails is where two commits grew and shrank. Content that a commit has at several paths counts at
// the first of them.
type SizeDetails struct {
	Packages []SizeChange `json:"packages"` // by name; "" is files of none. nil where that is not known
	Dirs     []SizeChange `json:"dirs"`     // all below each directory, down to three names deep
}

// dirDepth is how deep directories are told apart.
const dirDepth = 3

// sizeDetails finds out which package and which directory has how much of the two commits.
func (e *Env) sizeDetails(ctx context.Context, d *BuildDiff, sides [2]diffSide) error {
	d.SizeDetails = &SizeDetails{}
	var dirs, packages [2]map[string]int64
	for i, s := range sides {
		dirs[i] = dirSizes(s.tree)
	}
	d.SizeDetails.Dirs = sizeChanges(dirs[0], dirs[1])
	if err := tool.Require("rpm"); err != nil {
		d.Notes = append(d.Notes, "sizes by package: "+err.Error())
		return nil
	}
	for i, s := range sides {
		owners, err := (&blamer{env: e, dir: s.dir, meta: s.meta, tree: s.tree, repo: s.repo}).owners(ctx)
		if err != nil {
			return fmt.Errorf("packages of build %s: %w", s.meta.BuildID, err)
		}
		if len(owners) == 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("sizes by package: the commit of build %s has no package database", s.meta.BuildID))
			return nil
		}
		packages[i] = packageSizes(s.tree, owners)
	}
	d.SizeDetails.Packages = sizeChanges(packages[0], packages[1])
	return nil
}

// contents calls use for each content of a commit, at its first path.
func contents(t ostree.Tree, use func(path string, size int64)) {
	seen := map[string]bool{}
	for _, e := range t.Entries {
		if e.IsRegular() && !seen[e.Checksum] {
			seen[e.Checksum] = true
			use(e.Path, e.Size)
		}
	}
}

func dirSizes(t ostree.Tree) map[string]int64 {
	sizes := map[string]int64{}
	contents(t, func(path string, size int64) {
		at := 0
		for range dirDepth {
			i := strings.IndexByte(path[at+1:], '/')
			if i < 0 {
				return
			}
			at += 1 + i
			sizes[path[:at]] += size
		}
	})
	return sizes
}

func packageSizes(t ostree.Tree, owners map[string]string) map[string]int64 {
	sizes := map[string]int64{}
	contents(t, func(path string, size int64) {
		owner := ""
		for _, p := range packagePaths(path) {
			if by, ok := owners[p]; ok {
				owner = by
				break
			}
		}
		sizes[owner] += size
	})
	return sizes
}

func sizeChanges(from, to map[string]int64) []SizeChange {
	list := []SizeChange{}
	for _, name := range sortedKeys(from, to) {
		list = append(list, SizeChange{name, from[name], to[name]})
	}
	return list
}

// Moved gives the sizes that differ, the greatest difference first, and how many do not.
func Moved(list []SizeChange) (moved []SizeChange, same int) {
	moved = slices.DeleteFunc(slices.Clone(list), func(c SizeChange) bool { return c.From == c.To })
	slices.SortStableFunc(moved, func(a, b SizeChange) int { return cmp.Compare(b.grown(), a.grown()) })
	return moved, len(list) - len(moved)
}

// grown is by how much a size differs.
func (c SizeChange) grown() int64 { return max(c.To-c.From, c.From-c.To) }
