package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace/event"
)

// PullOptions are for ConfigPull.
type PullOptions struct {
	GitEnv []string // as InitOptions.GitEnv
	Report *event.Reporter
}

// Pulled is what ConfigPull brought.
type Pulled struct {
	Before  string   `json:"before"` // commit
	After   string   `json:"after"`  // commit; the same when there was nothing new
	Commits []string `json:"commits,omitempty"`
	Files   []string `json:"files,omitempty"` // "M manifest.yaml"
}

// ConfigPull brings the config's checkout to the newest commit of the branch
// that it follows. It only ever goes forward, and refuses when files were
// changed here, when the config is a link to a directory elsewhere, and when it
// was pinned to a commit.
func (w *Workspace) ConfigPull(ctx context.Context, o PullOptions) (Pulled, error) {
	var p Pulled
	dir, err := w.pullDir()
	if err != nil {
		return p, err
	}
	g := git{dir: dir, ceiling: w.Dir, env: o.GitEnv, report: o.Report}
	if err := g.checkPull(ctx); err != nil {
		return p, err
	}
	if p.Before, err = g.output(ctx, "rev-parse", "HEAD"); err != nil {
		return p, err
	}
	for _, args := range [][]string{
		{"fetch", "--quiet", "--no-tags", "--recurse-submodules=no", "--upload-pack=git -c safe.directory=* upload-pack"},
		{"merge", "--quiet", "--ff-only", "@{upstream}"},
		{"submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"},
	} {
		if err := g.run(ctx, args...); err != nil {
			return p, fmt.Errorf("updating the config: %w", err)
		}
	}
	if p.After, err = g.output(ctx, "rev-parse", "HEAD"); err != nil || p.After == p.Before {
		return p, err
	}
	if p.Commits, err = g.lines(ctx, "log", "--no-show-signature", "--format=%h %s", p.Before+".."+p.After, "--"); err != nil {
		return p, err
	}
	files, err := g.lines(ctx, "diff", "--no-ext-diff", "--name-status", "--no-renames", p.Before, p.After, "--")
	for _, line := range files {
		p.Files = append(p.Files, strings.Replace(line, "\t", " ", 1))
	}
	return p, err
}

// pullDir is the checkout that belongs to the workspace.
func (w *Workspace) pullDir() (string, error) {
	info, err := os.Lstat(w.Config())
	if err != nil {
		return "", fmt.Errorf("updating the config: %w", err)
	}
	dir := w.Config()
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(w.Config())
		if err != nil {
			return "", fmt.Errorf("updating the config: %w", err)
		}
		if first, _, _ := strings.Cut(filepath.Clean(target), "/"); first != "config-git" {
			return "", fmt.Errorf("src/config is a link to %s: update it there", target)
		}
		dir = w.ConfigGit()
	}
	if !exists(filepath.Join(dir, ".git")) {
		return "", fmt.Errorf("updating the config: %s: %w", dir, ErrNotGit)
	}
	return dir, nil
}

// checkPull says why the checkout cannot simply go forward.
func (g git) checkPull(ctx context.Context) error {
	changes, err := g.lines(ctx, "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return fmt.Errorf("updating the config: %w", err)
	}
	if len(changes) > 0 {
		const most = 5
		shown := strings.Join(changes[:min(most, len(changes))], ", ")
		if len(changes) > most {
			shown += fmt.Sprintf(" and %d more", len(changes)-most)
		}
		return fmt.Errorf("the config has changes that are not committed (%s)", shown)
	}
	branch, err := g.branch(ctx)
	if err != nil {
		return err
	}
	if branch == "HEAD" {
		return errors.New("the config is pinned to a commit, it follows no branch")
	}
	remote, err := g.setting(ctx, "branch."+branch+".remote")
	if err != nil {
		return err
	}
	if remote == "" {
		return fmt.Errorf("the config's branch %s follows no remote one", branch)
	}
	return nil
}

// lines is output without empty lines.
func (g git) lines(ctx context.Context, args ...string) ([]string, error) {
	out, err := g.output(ctx, args...)
	var all []string
	for line := range strings.Lines(out) {
		if line = event.Clean(line); line != "" {
			all = append(all, line)
		}
	}
	return all, err
}
