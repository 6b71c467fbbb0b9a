package source

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/rpmmd"
)

// repoIDs finds the sections of the .repo files.
func repoIDs(dirs []string) []string {
	var ids []string
	for _, dir := range dirs {
		names, err := filepath.Glob(filepath.Join(dir, "*.repo"))
		if err != nil {
			continue
		}
		for _, name := range names {
			data, err := readPlain(name)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(data)) {
				if id, ok := strings.CutPrefix(strings.TrimSpace(line), "["); ok && strings.HasSuffix(id, "]") {
					ids = append(ids, strings.TrimSuffix(id, "]"))
				}
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// named is a package of the metadata that was fetched.
type named struct {
	name, detail string
}

// packageNames reads the metadata that nosa fetch has left; nil without any.
func packageNames(cache string) []named {
	repos, err := filepath.Glob(filepath.Join(cache, "dnf", "*", "repodata", "repomd.xml"))
	if err != nil {
		return nil
	}
	newest := map[string]rpmmd.Package{}
	for _, repomd := range repos {
		packages, err := rpmmd.ReadRepo(filepath.Dir(filepath.Dir(repomd)))
		if err != nil {
			continue // what cannot be read offers nothing
		}
		for _, p := range packages {
			if have, ok := newest[p.Name]; !ok || have.Compare(p.NEVRA) < 0 {
				newest[p.Name] = p
			}
		}
	}
	list := make([]named, 0, len(newest))
	for name, p := range newest {
		list = append(list, named{name, p.EVR()})
	}
	slices.SortFunc(list, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	return list
}

// stamp tells if metadata has changed since it was read.
func stamp(cache string) string {
	repos, err := filepath.Glob(filepath.Join(cache, "dnf", "*", "repodata", "repomd.xml"))
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, name := range repos {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
