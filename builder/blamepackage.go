package builder

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
)

// owner asks the package database of the commit.
func (s *blamer) owner(ctx context.Context, name string) (*BlamedPackage, error) {
	owners, err := s.owners(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range packagePaths(name) {
		if owner, ok := owners[n]; ok {
			return &BlamedPackage{Name: owner, NEVRA: s.nevra(owner)}, nil
		}
	}
	return nil, nil
}

// owners gives the package of each path that packages have.
func (s *blamer) owners(ctx context.Context) (map[string]string, error) {
	root, err := os.MkdirTemp("", "nosa-blame-")
	if err != nil {
		return nil, fmt.Errorf("reading the package database: %w", err)
	}
	defer os.RemoveAll(root)
	if err := s.skeleton(root); err != nil {
		return nil, fmt.Errorf("reading the package database: %w", err)
	}
	return tree.Tree{Root: root}.Owners(ctx)
}

// skeleton makes of the commit what its package database needs to be asked for paths: itself, and the
// links of directories.
func (s *blamer) skeleton(root string) error {
	for _, e := range s.tree.Entries {
		name := filepath.Join(root, e.Path)
		isDB := path.Dir(e.Path) == "/usr/share/rpm" && e.IsRegular()
		isLink := e.IsSymlink() && strings.Count(e.Path, "/") <= 2 && e.Path != "/opt" // packages have files in it
		if !isDB && !isLink {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if isLink {
			if err := os.Symlink(e.Target, name); err != nil {
				return err
			}
			continue
		}
		data, err := s.repo.ReadFile(s.tree, e.Path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// packagePaths are the paths that packages can have for one of the commit: some files are moved.
func packagePaths(name string) []string {
	list := []string{name}
	if rest, ok := below(name, "/usr/lib/opt"); ok {
		list = append(list, "/opt"+rest)
	}
	if rest, ok := below(name, "/usr/lib/ostree-boot"); ok {
		list = append(list, "/boot"+rest)
	}
	if dir, base := path.Split(name); path.Dir(path.Clean(dir)) == "/usr/lib/modules" {
		list = append(list, "/boot/"+base+"-"+path.Base(dir))
	}
	return list
}

// nevra is the full name of a package of the build, or "".
func (s *blamer) nevra(name string) string {
	l, err := readLockfile(filepath.Join(s.dir, workspace.GeneratedLockfile(s.meta.Arch)))
	if err != nil {
		return "" // of another tool; the name will do
	}
	p, ok := l.Packages[name]
	if !ok {
		return ""
	}
	evr, arch := p.Version()
	return name + "-" + evr + "." + arch
}
