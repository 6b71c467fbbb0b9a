package tree

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"sort"
	"strings"
)

// Removal is an item of remove-from-packages: the files of a package whose path matches one of the
// patterns go.
type Removal struct {
	Package  string
	Patterns []string // searched anywhere in the path as OSTree stores it: /usr/etc/x, /usr/lib/opt/x
	Origin   string   // for messages, as in manifest.yaml:12:5
}

// CompilePattern compiles a pattern of remove-from-packages. rpm-ostree uses PCRE; what RE2 has
// not is refused by name.
func CompilePattern(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err == nil {
		return re, nil
	}
	if bad, ok := errors.AsType[*syntax.Error](err); ok {
		switch bad.Code {
		case syntax.ErrInvalidPerlOp, syntax.ErrInvalidNamedCapture: // (?= (?! (?> and (?<= (?<!
			return nil, fmt.Errorf("pattern %q: look-around and atomic groups (%s) are not supported, write the paths out", pattern, bad.Expr)
		case syntax.ErrInvalidEscape:
			if backReference(bad.Expr) {
				return nil, fmt.Errorf("pattern %q: the back-reference %s is not supported", pattern, bad.Expr)
			}
		case syntax.ErrInvalidRepeatOp:
			return nil, fmt.Errorf("pattern %q: possessive or doubled quantifier %s is not supported", pattern, bad.Expr)
		}
		return nil, fmt.Errorf("pattern %q: %s: %s", pattern, bad.Code, bad.Expr)
	}
	return nil, fmt.Errorf("pattern %q: %w", pattern, err)
}

func backReference(expr string) bool {
	return len(expr) > 1 && expr[0] == '\\' && (expr[1] >= '1' && expr[1] <= '9' || expr[1] == 'k' || expr[1] == 'g')
}

// storedPath is where OSTree has a path of an installed root.
func storedPath(name string) string {
	for _, move := range [][2]string{{"etc", "usr/etc"}, {"opt", "usr/lib/opt"}, {"boot", "usr/lib/ostree-boot"}} {
		if rest, ok := strings.CutPrefix(name+"/", move[0]+"/"); ok {
			return "/" + path.Join(move[1], rest)
		}
	}
	return "/" + name
}

// RemoveFromPackages removes files of packages. Files that another package has too stay, and so do
// the entries of the rpm database.
func (t Tree) RemoveFromPackages(ctx context.Context, removals []Removal) error {
	if len(removals) == 0 {
		return nil
	}
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	owners, err := t.packages(ctx, r)
	if err != nil {
		return err
	}
	byPackage := map[string][]string{}
	for name, by := range owners {
		for _, p := range by {
			byPackage[p] = append(byPackage[p], name)
		}
	}
	for _, item := range removals {
		patterns := make([]*regexp.Regexp, 0, len(item.Patterns))
		for _, p := range item.Patterns {
			re, err := CompilePattern(p)
			if err != nil {
				return fmt.Errorf("%s: %w", item.Origin, err)
			}
			patterns = append(patterns, re)
		}
		files, installed := byPackage[item.Package]
		if !installed {
			t.Report.Warn(fmt.Sprintf("%s: remove-from-packages: package %s is not installed", item.Origin, item.Package))
			continue
		}
		n, err := r.removeMatching(files, owners, patterns)
		if err != nil {
			return fmt.Errorf("%s: %w", item.Origin, err)
		}
		if n == 0 {
			t.Report.Warn(fmt.Sprintf("%s: remove-from-packages: nothing of package %s matches", item.Origin, item.Package))
		}
	}
	return nil
}

// removeMatching removes from files, which belong to one package, what only that package has and a
// pattern matches. Directories go when they are empty.
func (r root) removeMatching(files []string, owners packages, patterns []*regexp.Regexp) (int, error) {
	files = slices.Clone(files)
	sort.Sort(sort.Reverse(sort.StringSlice(files))) // what is in a directory before the directory
	n := 0
	for _, name := range files {
		stored := storedPath(name)
		matches := func(re *regexp.Regexp) bool { return re.MatchString(stored) }
		if len(owners[name]) > 1 || !slices.ContainsFunc(patterns, matches) || !r.exists(name) {
			continue
		}
		if r.isDir(name) {
			if err := r.Remove(name); err == nil {
				n++
			}
			continue // not empty: others have files in it
		}
		if err := r.removeAll(name); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
