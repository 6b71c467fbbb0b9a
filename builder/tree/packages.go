package tree

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// dbPath is where the rpm database of a committed tree is.
const dbPath = "usr/share/rpm"

// dbPlaces are where an installed root may have it.
func dbPlaces() []string {
	return []string{dbPath, "usr/lib/sysimage/rpm", "var/lib/rpm"}
}

// dbFiles are the main files of rpm's database backends.
func dbFiles() []string {
	return []string{"rpmdb.sqlite", "Packages.db", "Packages"}
}

// findDB gives the directory of the rpm database, or nothing if there is none.
func (r root) findDB() string {
	for _, dir := range dbPlaces() {
		for _, file := range dbFiles() {
			if r.isDir(dir) && r.exists(path.Join(dir, file)) {
				return dir
			}
		}
	}
	return ""
}

// packages tells for each path of the tree, without a leading slash, which packages own it.
type packages map[string][]string

// packages asks the rpm database, whose paths may go through links that the tree has.
func (t Tree) packages(ctx context.Context, r root) (packages, error) {
	owners := packages{}
	db := r.findDB()
	if db == "" {
		return owners, nil
	}
	out, err := proc.Output(ctx, proc.Cmd{
		Args: rpmArgs(filepath.Join(t.Root, db), "-qa", "--qf", `[%{=NAME}\t%{FILENAMES}\n]`),
		Env:  []string{"HOME=" + os.DevNull},
	})
	if err != nil {
		return nil, fmt.Errorf("asking the rpm database for its files: %w", err)
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, file, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			continue
		}
		dir, base := path.Split(path.Clean(file))
		target, known := dirs[dir]
		if !known {
			if target, err = r.resolve(dir); err != nil {
				return nil, err
			}
			dirs[dir] = target
		}
		p := path.Join(target, base)
		if !slices.Contains(owners[p], name) {
			owners[p] = append(owners[p], name)
		}
	}
	return owners, nil
}

// Owners gives for each path of the finished tree, with a leading slash, the first package that owns
// it, if one does.
func (t Tree) Owners(ctx context.Context) (map[string]string, error) {
	r, err := t.open()
	if err != nil {
		return nil, err
	}
	defer r.close()
	owners, err := t.packages(ctx, r)
	if err != nil {
		return nil, err
	}
	by := make(map[string]string, len(owners))
	for name, list := range owners {
		if rest, ok := strings.CutPrefix(name, "etc/"); ok {
			name = "usr/etc/" + rest
		}
		by["/"+name] = slices.Min(list)
	}
	return by, nil
}

// rpmArgs is the command line of a query that reads no configuration of the user.
func rpmArgs(db string, args ...string) []string {
	return append([]string{"rpm", "--dbpath", db}, args...)
}

// of gives the owners of a path for people.
func (p packages) of(name string) string {
	owners := p[name]
	if len(owners) == 0 {
		return "no package"
	}
	return "package " + strings.Join(owners, ", ")
}

// tally counts things by package, for a report of one line.
type tally struct {
	counts map[string]int
	first  string
	total  int
}

func (c *tally) add(by, name string) {
	if c.counts == nil {
		c.counts, c.first = map[string]int{}, name
	}
	c.counts[by]++
	c.total++
}

// String gives "a (12), b (3)", most first.
func (c *tally) String() string {
	names := make([]string, 0, len(c.counts))
	for name := range c.counts {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := names[i], names[j]
		if c.counts[a] != c.counts[b] {
			return c.counts[a] > c.counts[b]
		}
		return a < b
	})
	const most = 8
	rest := 0
	if len(names) > most {
		rest, names = len(names)-most, names[:most]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%d)", name, c.counts[name])
	}
	text := strings.Join(names, ", ")
	if rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}
