package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/rpmmd"
)

const overridesID = "nosa-overrides"

// OverridesID is the id of the repository of overrides.
const OverridesID = overridesID

// Overrides are local packages that win over those of the same name in every repository. They add
// to the repositories and disable none.
type Overrides struct {
	URL      string        // of the repository made for them
	Packages []rpmmd.NEVRA // the newest of each name, sorted
}

// ReadOverrides makes a repository in repo for the packages that are in dir, and gives nil when
// there are none. Both paths are absolute; repo is replaced.
func ReadOverrides(ctx context.Context, dir, repo string, report *event.Reporter) (*Overrides, error) {
	if err := os.RemoveAll(repo); err != nil {
		return nil, fmt.Errorf("reading overrides: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading overrides: %w", err)
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isBinaryRPM(e.Name()) }) {
		return nil, nil
	}
	if err := os.MkdirAll(repo, 0o755); err != nil {
		return nil, fmt.Errorf("reading overrides: %w", err)
	}
	if err := proc.Run(ctx, proc.Cmd{Args: createrepoArgs(dir, repo), Line: report.Line}); err != nil {
		return nil, fmt.Errorf("reading overrides in %s: %w", dir, err)
	}
	packages, err := rpmmd.ReadRepo(repo)
	if err != nil {
		return nil, fmt.Errorf("reading overrides: %w", err)
	}
	return &Overrides{URL: FileURL(repo), Packages: newest(packages)}, nil
}

func isBinaryRPM(name string) bool {
	return strings.HasSuffix(name, ".rpm") && !strings.HasSuffix(name, ".src.rpm")
}

// createrepoArgs puts the metadata of dir's own packages (not of directories below it) into repo.
func createrepoArgs(dir, repo string) []string {
	return []string{
		"createrepo_c", "--quiet", "--no-database", "--checksum", "sha256", "--excludes", "*.src.rpm", "--excludes", "*/*",
		"--baseurl", FileURL(dir) + "/", "--outputdir", repo, dir,
	}
}

// FileURL is the URL of an absolute path, as that of Overrides is.
func FileURL(path string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return u.String()
}

// newest picks one package of each name.
func newest(packages []rpmmd.Package) []rpmmd.NEVRA {
	list := make([]rpmmd.NEVRA, 0, len(packages))
	for _, p := range packages {
		list = append(list, p.NEVRA)
	}
	slices.SortFunc(list, rpmmd.NEVRA.Compare)
	slices.Reverse(list)
	list = slices.CompactFunc(list, func(a, b rpmmd.NEVRA) bool { return a.Name == b.Name })
	slices.Reverse(list)
	return list
}
