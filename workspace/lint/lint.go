// Package lint says what is wrong with a config repository beyond the schema of
// its files: scripts, overlays, modes, .repo files, kernel arguments, secrets,
// files that nothing reaches.
//
// It reads files and runs nothing but `bash -n`, which only parses. It does not
// know what packages bring: what needs metadata or a tree is not said here.
package lint

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// Config is what is looked at. All paths are absolute.
type Config struct {
	Dir       string             // the config directory
	Root      string             // the directory that names of files in diagnostics are relative to, the same as for manifest.Load
	Manifest  *manifest.Manifest // loaded
	RepoDirs  []string           // directories with .repo files
	Overlays  []string           // directories of overlay.d that are used, in their order
	Image     string             // path of image.yaml; may not exist
	Platforms string             // path of platforms.yaml; may not exist
	Texts     doc.Texts          // stand in for what is in files; nil: nothing does
}

// Check looks at everything and gives what it found, sorted by place. Nothing
// outside of the directories named in c is read, links that lead out of them
// are not followed. When ctx ends it returns early with what it has.
func Check(ctx context.Context, c Config) doc.Diagnostics {
	k := newChecker(c)
	k.read(ctx)
	k.secrets()
	k.removals()
	k.overlays()
	k.repos()
	k.kargs()
	k.unreached()
	k.scripts(ctx)
	return k.found.Sorted()
}

// checker is one look at a config.
type checker struct {
	Config
	found     doc.Diagnostics
	files     []*entry          // everything below Dir, the overlays and the directories of .repo files
	byPath    map[string]*entry // the same by absolute path
	layers    []*layer          // Overlays with what is in them
	treefiles []*treefile       // every treefile below Dir, used or not
	shipped   map[string]bool   // what is in the layers, directories aside, as it comes to lie
	extra     []script          // scripts among the overlays' files
	counts    map[string]int    // reports by file and code
}

// maxReports is how many reports of one code a file gets.
const maxReports = 100

func newChecker(c Config) *checker {
	c.Dir, c.Root = filepath.Clean(c.Dir), filepath.Clean(c.Root)
	return &checker{Config: c, byPath: map[string]*entry{}, shipped: map[string]bool{}, counts: map[string]int{}}
}

func (k *checker) report(d doc.Diagnostic) {
	kind := d.Code + " " + d.File
	switch k.counts[kind]++; {
	case k.counts[kind] <= maxReports:
		k.found = append(k.found, d)
	case k.counts[kind] == maxReports+1:
		k.found = append(k.found, doc.Origin{File: d.File}.Infof(d.Code, "there are more than %d of these, the others are not shown", maxReports))
	}
}

// name is path as diagnostics show it.
func (k *checker) name(path string) string {
	rel, err := filepath.Rel(k.Root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return path
	}
	return rel
}

// below tells whether path is dir or lies in it.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
