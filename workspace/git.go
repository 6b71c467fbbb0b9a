package workspace

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// ErrNotGit is a directory that is no checkout of a git repository.
var ErrNotGit = errors.New("not a git checkout")

// git runs git in one directory.
type git struct {
	dir     string
	ceiling string   // no repository is looked for in this directory or above it
	env     []string // beyond gitEnv
	report  *event.Reporter
}

// gitArgs is the command line for git in dir: nothing of the user's or the
// host's configuration applies, no hook and no file watcher runs, and the owner
// of the repository does not matter (in a container it is often another one).
func gitArgs(dir string, args ...string) []string {
	base := []string{
		"git", "--no-optional-locks",
		"-c", "core.hooksPath=/dev/null",
		"-c", "core.fsmonitor=false",
		"-c", "safe.directory=*",
		"-c", "core.autocrlf=false",
		"-c", "gc.auto=0",
		"-c", "maintenance.auto=false",
		"-c", "advice.detachedHead=false",
	}
	if dir != "" {
		base = append(base, "-C", dir)
	}
	return append(base, args...)
}

func (g git) cmd(args []string) proc.Cmd {
	env := []string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND=ssh -oBatchMode=yes",
	}
	if g.ceiling != "" {
		env = append(env, "GIT_CEILING_DIRECTORIES="+g.ceiling)
	}
	return proc.Cmd{Args: gitArgs(g.dir, args...), Env: append(env, g.env...), Line: g.report.Line}
}

func (g git) run(ctx context.Context, args ...string) error {
	return gitError(args[0], proc.Run(ctx, g.cmd(args)))
}

// output gives standard output without the last newline.
func (g git) output(ctx context.Context, args ...string) (string, error) {
	out, err := proc.Output(ctx, g.cmd(args))
	return strings.TrimSuffix(string(out), "\n"), gitError(args[0], err)
}

// gitError puts what stopped git into words: its first line that says fatal or
// error (advice may follow it), else its last.
func gitError(verb string, err error) error {
	var exit *proc.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	last := ""
	for _, line := range exit.Tail {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
		if strings.HasPrefix(line, "fatal: ") || strings.HasPrefix(line, "error: ") {
			break
		}
	}
	if last == "" {
		return fmt.Errorf("git %s: %w", verb, err)
	}
	return &gitFailure{verb: verb, last: event.Clean(last), err: err}
}

type gitFailure struct {
	verb, last string
	err        error
}

func (e *gitFailure) Error() string { return "git " + e.verb + ": " + e.last }
func (e *gitFailure) Unwrap() error { return e.err }

// Checkout is the state of a git checkout.
type Checkout struct {
	Git      Git
	Describe string    // git describe --tags --always with 42 digits: what config-gitrev holds
	Epoch    time.Time // committer date of HEAD
}

// state reads the state of the checkout; ErrNotGit when there is none. Only
// what lies below g.dir counts for dirty, files that git does not know included.
func (g git) state(ctx context.Context) (Checkout, error) {
	var c Checkout
	if _, err := g.output(ctx, "rev-parse", "--show-toplevel"); err != nil {
		var exit *proc.ExitError
		if errors.As(err, &exit) && exit.Code == 128 {
			return c, fmt.Errorf("%s: %w", g.dir, ErrNotGit)
		}
		return c, err
	}
	head, err := g.output(ctx, "log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD", "--")
	if err != nil {
		return c, fmt.Errorf("reading the last commit of %s: %w", g.dir, err)
	}
	commit, seconds, _ := strings.Cut(head, " ")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return c, fmt.Errorf("reading the last commit of %s: %w", g.dir, err)
	}
	c.Epoch, c.Git.Commit = time.Unix(sec, 0).UTC(), commit
	if c.Describe, err = g.output(ctx, "describe", "--tags", "--always", "--abbrev=42"); err != nil {
		return c, fmt.Errorf("describing %s: %w", g.dir, err)
	}
	changes, err := g.output(ctx, "status", "--porcelain", "--untracked-files=normal", "--", ".")
	if err != nil {
		return c, fmt.Errorf("looking for changes in %s: %w", g.dir, err)
	}
	c.Git.Dirty = strconv.FormatBool(changes != "")
	branch, err := g.branch(ctx)
	if err != nil {
		return c, err
	}
	c.Git.Branch = branch
	if len(branch) < 3 { // the schema wants three characters
		c.Git.Branch = "heads/" + branch
	}
	c.Git.Origin, err = g.origin(ctx, branch)
	return c, err
}

// branch is the branch's name, HEAD when detached.
func (g git) branch(ctx context.Context) (string, error) {
	name, err := g.output(ctx, "rev-parse", "--abbrev-ref", "HEAD")
	if err != nil {
		return "", fmt.Errorf("reading the branch of %s: %w", g.dir, err)
	}
	return name, nil
}

// origin is the URL of the remote that the branch follows, of the remote origin
// when there is no branch or no history to tell, else "unknown".
func (g git) origin(ctx context.Context, branch string) (string, error) {
	remote, err := g.setting(ctx, "branch."+branch+".remote")
	if err != nil {
		return "", err
	}
	if remote == "" {
		shallow, err := g.output(ctx, "rev-parse", "--is-shallow-repository")
		if err != nil {
			return "", fmt.Errorf("reading the origin of %s: %w", g.dir, err)
		}
		if branch == "HEAD" || shallow == "true" {
			remote = "origin"
		}
	}
	address := ""
	if remote != "" {
		if address, err = g.setting(ctx, "remote."+remote+".url"); err != nil {
			return "", err
		}
	}
	if address == "" {
		return "unknown", nil
	}
	return publicURL(address), nil
}

// setting reads a key of the repository's configuration; "" when it is not set.
func (g git) setting(ctx context.Context, key string) (string, error) {
	value, err := g.output(ctx, "config", "--local", "--get", key)
	var exit *proc.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading %s of %s: %w", key, g.dir, err)
	}
	return value, nil
}

// publicURL is address without the user and password of a web address: it goes
// into records that are published.
func publicURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil || u.Scheme != "http" && u.Scheme != "https" {
		return address
	}
	u.User = nil
	return u.String()
}
