// Package ostree makes, reads and lays out OSTree commits: the ostree program for what changes a
// repository, our own reader of its objects for what only looks.
//
// It knows no workspace and no treefile; repositories, trees and values come from the caller.
package ostree

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// Mode is how a repository keeps owners and attributes of files.
type Mode string

// The modes in use. BareUser keeps them in an attribute of the object, so it needs no privilege
// and no file of the host carries a target's label; it is the mode of every repository that this
// package reads itself.
const (
	Bare     Mode = "bare"
	BareUser Mode = "bare-user"
	Archive  Mode = "archive"
)

// Repo is an OSTree repository. It does not lock: writers are the caller's to keep apart.
type Repo struct {
	Path string
	Line func(text string) // gets the output lines of ostree; nil drops them
}

// Init makes an empty repository unless there is one.
func (r Repo) Init(ctx context.Context, mode Mode) error {
	if r.complete(mode) {
		return nil
	}
	return r.run(ctx, initArgs(mode))
}

// complete reports whether there is nothing for ostree init to do, also after one that was killed.
func (r Repo) complete(mode Mode) bool {
	for _, dir := range []string{"objects", "tmp", "refs/heads", "refs/mirrors", "refs/remotes", "extensions", "state"} {
		if info, err := os.Stat(filepath.Join(r.Path, dir)); err != nil || !info.IsDir() {
			return false
		}
	}
	config, err := os.ReadFile(filepath.Join(r.Path, "config"))
	return err == nil && strings.Contains(string(config), "mode="+string(mode)+"\n")
}

func initArgs(mode Mode) []string { return []string{"init", "--mode=" + string(mode)} }

// Fsck checks the whole repository.
func (r Repo) Fsck(ctx context.Context) error { return r.run(ctx, fsckArgs()) }

func fsckArgs() []string { return []string{"fsck", "--quiet"} }

// command gives the whole command line of an ostree subcommand on a repository.
func command(repo string, args []string) []string {
	return append([]string{"ostree", args[0], "--repo=" + filepath.Clean(repo)}, args[1:]...)
}

func (r Repo) run(ctx context.Context, args []string) error {
	err := proc.Run(ctx, proc.Cmd{Args: command(r.Path, args), Line: r.Line})
	if err != nil {
		return fmt.Errorf("ostree %s in %s: %w", args[0], r.Path, err)
	}
	return nil
}

func (r Repo) output(ctx context.Context, args []string) (string, error) {
	out, err := proc.Output(ctx, proc.Cmd{Args: command(r.Path, args), Line: r.Line})
	if err != nil {
		return "", fmt.Errorf("ostree %s in %s: %w", args[0], r.Path, err)
	}
	return strings.TrimSpace(string(out)), nil
}
