package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// GitStatus is what differs between the config and its last commit.
type GitStatus struct {
	Branch string             // HEAD when detached
	Marks  map[string]GitMark // by path relative to the config; a directory that is ignored or unknown as a whole has no slash at its end
}

// GitMark is the state of one file.
type GitMark struct {
	Sign   string // M changed, A added, D deleted, R renamed, C copied, T another type, U in conflict, ? unknown to git, ! ignored
	Staged bool   // all of it is in the index
}

// GitStatus asks git for the state of the config. It takes no lock of the
// repository and runs nothing that is configured for it but filters of content.
// A config that is no checkout gives ErrNotGit, a system without git another error.
func (w *Workspace) GitStatus(ctx context.Context) (GitStatus, error) {
	dir, err := filepath.EvalSymlinks(w.Config())
	if err != nil {
		return GitStatus{}, fmt.Errorf("asking git for the state of the config: %w", err)
	}
	g := git{dir: dir, ceiling: w.Dir}
	prefix, err := g.output(ctx, "rev-parse", "--show-prefix")
	if err != nil {
		if exit, ok := errors.AsType[*proc.ExitError](err); ok && exit.Code == 128 {
			return GitStatus{}, fmt.Errorf("%s: %w", dir, ErrNotGit)
		}
		return GitStatus{}, err
	}
	out, err := proc.Output(ctx, g.cmd([]string{
		"status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--ignored=matching", "--ignore-submodules=all", "--", ".",
	}))
	if err != nil {
		return GitStatus{}, gitError("status", err)
	}
	return parseGitStatus(out, prefix), nil
}

// parseGitStatus reads what git status prints with --porcelain=v2 -z (git-status(1));
// what it does not understand it leaves out. Paths are made relative to prefix.
func parseGitStatus(out []byte, prefix string) GitStatus {
	s := GitStatus{Marks: map[string]GitMark{}}
	add := func(path, sign string, staged bool) {
		path, ok := strings.CutPrefix(path, prefix)
		if path = strings.TrimSuffix(path, "/"); ok && path != "" && filepath.IsLocal(path) {
			s.Marks[path] = GitMark{Sign: sign, Staged: staged}
		}
	}
	for len(out) > 0 {
		var entry []byte
		entry, out, _ = bytes.Cut(out, []byte{0})
		kind, rest, _ := strings.Cut(string(entry), " ")
		switch kind {
		case "#":
			if branch, ok := strings.CutPrefix(rest, "branch.head "); ok {
				s.Branch = strings.ReplaceAll(branch, "(detached)", "HEAD")
			}
		case "1", "2": // ordinary changes; renames and copies have a further field and the old path after them
			n := 8
			if kind == "2" {
				n = 9
				_, out, _ = bytes.Cut(out, []byte{0})
			}
			if f := strings.SplitN(rest, " ", n); len(f) == n && len(f[0]) == 2 {
				sign, staged := signOf(f[0])
				add(f[n-1], sign, staged)
			}
		case "u":
			if f := strings.SplitN(rest, " ", 10); len(f) == 10 {
				add(f[9], "U", false)
			}
		case "?", "!":
			add(rest, kind, false)
		}
	}
	return s
}

// signOf reads the two letters of a change: in the index, in the working tree.
func signOf(xy string) (sign string, staged bool) {
	if xy[1] != '.' {
		if xy[0] == 'A' && xy[1] == 'M' {
			return "A", false
		}
		return xy[1:], false
	}
	return xy[:1], true
}
