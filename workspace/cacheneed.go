package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/rpmmd"
)

// evictable gives the entries that nothing needs, least used first.
func (w *Workspace) evictable(all []*cacheEntry, since time.Time) ([]*cacheEntry, error) {
	if len(all) == 0 {
		return nil, nil
	}
	newest := all[len(all)-1].used
	if since.IsZero() || newest.Before(since) {
		since = newest.Add(-recentUse)
	}
	needed, err := w.neededRPMs()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(e *cacheEntry) bool {
		if e.kind == VictimRPM {
			return needed[e.key] || needed[e.file]
		}
		return !e.used.Before(since)
	}), nil
}

// neededRPMs are the packages that must stay, by checksum and by file name:
// those of the last fetch and those from which a build that is here was made.
func (w *Workspace) neededRPMs() (map[string]bool, error) {
	needed := map[string]bool{}
	fetched, err := rpmmd.ReadFetched(w.path("cache", "fetched.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("asking what the last fetch needs: %w", err)
	}
	for _, p := range fetched.Packages {
		needed[p.SHA256] = true
	}
	locks, err := filepath.Glob(filepath.Join(escapeGlob(w.Builds()), "*", "*", GeneratedLockfile("*")))
	if err != nil {
		return nil, fmt.Errorf("asking what the builds need: %w", err)
	}
	for _, name := range locks {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a link to nowhere, a directory: one odd build is in nobody's way
		}
		l, err := rpmmd.ParseLockfile(data)
		if err != nil {
			continue // of another tool, or damaged: it names nothing that could be kept
		}
		for pkg, p := range l.Packages {
			evr, arch := p.Version()
			if _, after, ok := strings.Cut(evr, ":"); ok { // no epoch in names of files
				evr = after
			}
			needed[pkg+"-"+evr+"."+arch+".rpm"] = true
		}
	}
	return needed, nil
}
