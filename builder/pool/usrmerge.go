package pool

import (
	"archive/tar"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// mergedDirs are links into /usr in every composed system.
var mergedDirs = []string{"/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"}

func merged(p string) string {
	for _, d := range mergedDirs {
		if p == d || strings.HasPrefix(p, d+"/") {
			return "/usr" + p
		}
	}
	return p
}

// mergeUsr moves what lies in /bin, /lib, /sbin … below /usr, as Debian's
// usrmerge does on an installed system. Relative links keep their meaning.
// Two entries that fall together become one: a file wins over a link.
func mergeUsr(files []debFile) ([]debFile, error) {
	at := map[string]int{}
	var out []debFile
	for _, f := range files {
		old := f.path
		f.path = merged(old)
		if f.kind == tar.TypeSymlink && f.path != old {
			f.target = retarget(old, f.path, f.target)
		}
		i, twice := at[f.path]
		if !twice {
			at[f.path] = len(out)
			out = append(out, f)
			continue
		}
		switch have := out[i]; {
		case have.kind == tar.TypeDir && f.kind == tar.TypeDir, f.kind == tar.TypeSymlink:
		case have.kind == tar.TypeSymlink:
			out[i] = f
		case string(have.body) != string(f.body):
			return nil, fmt.Errorf("%s and its twin below /usr differ", old)
		}
	}
	slices.SortFunc(out, func(a, b debFile) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// retarget gives a relative link's target after the link moved from one path to another.
func retarget(from, to, target string) string {
	if path.IsAbs(target) {
		return target
	}
	goal := merged(path.Join(path.Dir(from), target))
	rel, err := filepath.Rel(path.Dir(to), goal)
	if err != nil {
		return target
	}
	return rel
}
