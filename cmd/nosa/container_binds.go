package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/backend"
)

// bindsOf is what a container sees of this machine, each at its own path: the workspace to write to, wherever its
// directories lie; this program, what src/ points to and what a command names only to be read.
func bindsOf(r containerRun) ([]backend.Mount, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding nosa's own executable: %w", err)
	}
	binds := append([]backend.Mount{{Source: r.root, Target: r.root}, {Source: self, Target: innerNosa, ReadOnly: true}}, r.binds...)
	if !below(r.dir, r.root) {
		binds = append(binds, backend.Mount{Source: r.dir, Target: r.dir})
	}
	binds = append(binds, elsewhere(r.root)...)
	outside, err := outsideOf(filepath.Join(r.root, "src"))
	if err != nil {
		return nil, err
	}
	for _, path := range outside {
		binds = append(binds, readOnly(path))
	}
	more, err := r.pass.binds()
	if err != nil {
		return nil, err
	}
	return tidyBinds(append(binds, more...)), nil
}

func readOnly(path string) backend.Mount {
	return backend.Mount{Source: path, Target: path, ReadOnly: true}
}

// below says if path is dir or in it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// tidyBinds adds to each path what a link in it stands for, since inside there are no links above a bind, and leaves out what another one shows
// already.
func tidyBinds(list []backend.Mount) []backend.Mount {
	var all []backend.Mount
	for _, m := range list {
		all = append(all, m)
		if to, err := filepath.EvalSymlinks(m.Source); err == nil && to != m.Source && m.Source == m.Target {
			all = append(all, backend.Mount{Source: to, Target: to, ReadOnly: m.ReadOnly})
		}
	}
	// The shorter first, so that what lies in another comes after it; what may be written to before what may not.
	slices.SortStableFunc(all, func(a, b backend.Mount) int {
		return cmp.Or(cmp.Compare(len(a.Target), len(b.Target)), cmp.Compare(a.Target, b.Target), lessWrites(a, b))
	})
	var tidy []backend.Mount
	for _, m := range all {
		shown := slices.ContainsFunc(tidy, func(t backend.Mount) bool {
			return below(m.Target, t.Target) && m.Source == filepath.Join(t.Source, strings.TrimPrefix(m.Target, t.Target)) && (m.ReadOnly || !t.ReadOnly)
		})
		if !shown {
			tidy = append(tidy, m)
		}
	}
	return tidy
}

func lessWrites(a, b backend.Mount) int {
	switch {
	case a.ReadOnly == b.ReadOnly:
		return 0
	case a.ReadOnly:
		return 1
	}
	return -1
}

// elsewhere gives what links in place of a workspace's own directories lead to outside of it, as to a larger disk.
func elsewhere(root string) []backend.Mount {
	top, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil // the engine says so
	}
	var binds []backend.Mount
	for _, name := range []string{"builds", "cache", "overrides", "pool", "tmp", "vms"} {
		path := filepath.Join(root, name)
		to, err := filepath.EvalSymlinks(path)
		if err != nil || below(to, top) {
			continue
		}
		binds = append(binds, backend.Mount{Source: to, Target: to})
		if link, err := os.Readlink(path); err == nil && filepath.IsAbs(link) { // there may be a link in it, too
			binds = append(binds, backend.Mount{Source: link, Target: link})
		}
	}
	return binds
}

// outsideOf gives what the links in a workspace's src/ lead to outside of it, and the git directory of a config that
// is a worktree of another.
func outsideOf(src string) ([]string, error) {
	entries, err := os.ReadDir(src)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking what src/ points to: %w", err)
	}
	var found []string
	root := filepath.Dir(src)
	for _, e := range entries {
		path, err := filepath.EvalSymlinks(filepath.Join(src, e.Name()))
		if err != nil {
			continue // a link to nothing; who needs it says so
		}
		if !below(path, root) {
			found = append(found, path)
			if top := checkoutTop(path); top != "" {
				found = append(found, top)
				path = top
			}
		}
		if dir := worktreeGit(path); dir != "" && !below(dir, root) {
			found = append(found, dir)
		}
	}
	return found, nil
}

// checkoutTop is the top of the git checkout that a directory is in; "" is none.
func checkoutTop(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == "/" {
			return ""
		}
	}
}

// worktreeGit is the git directory that the .git file of a worktree or submodule names, and the one that it shares
// with others above it (gitrepository-layout(5)); "" is none.
func worktreeGit(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, ".git"))
	if err != nil {
		return ""
	}
	path, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "gitdir: ")
	if !ok {
		return ""
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	common, err := os.ReadFile(filepath.Join(path, "commondir"))
	if err != nil {
		return path
	}
	shared := strings.TrimSpace(string(common))
	if !filepath.IsAbs(shared) {
		shared = filepath.Join(path, shared)
	}
	if below(path, shared) {
		return shared
	}
	return path
}
