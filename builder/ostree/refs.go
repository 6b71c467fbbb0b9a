package ostree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Resolve gives the checksum of a ref, REMOTE:REF, or checksum.
func (r Repo) Resolve(ctx context.Context, rev string) (string, error) {
	return r.output(ctx, resolveArgs(rev))
}

func resolveArgs(rev string) []string { return []string{"rev-parse", "--", rev} }

// Refs gives the checksum of each ref; a remote's is named REMOTE:REF.
func (r Repo) Refs() (map[string]string, error) {
	refs := map[string]string{}
	base := filepath.Join(r.Path, "refs")
	err := filepath.WalkDir(base, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel := strings.TrimPrefix(name, base+"/")
		space, ref, _ := strings.Cut(rel, "/")
		if space == "remotes" {
			ref = strings.Replace(ref, "/", ":", 1)
		} else if space != "heads" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		refs[ref] = strings.TrimSpace(string(text))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing refs: %w", err)
	}
	return refs, nil
}

// SetRef makes ref, which may be REMOTE:REF, point to a commit. It does not ask ostree, which takes a
// ref of a few hexadecimal digits, such as 7 or 22, for the beginning of a checksum.
func (r Repo) SetRef(ref, commit string) error {
	name, err := refFile(ref)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(filepath.Join(r.Path, name)); err == nil && strings.TrimSpace(string(have)) == commit {
		return nil
	}
	if _, err := r.readObject(commit, extCommit); err != nil {
		return fmt.Errorf("setting ref %s: %w", ref, err)
	}
	return r.writeObject(name, []byte(commit+"\n"))
}

// refFile gives where a repository has a ref, by libostree's rules for their names
// (OSTREE_REF_REGEXP in ostree-core-private.h).
func refFile(ref string) (string, error) {
	dir, name := "refs/heads", ref
	if remote, rest, ok := strings.Cut(ref, ":"); ok {
		dir, name = filepath.Join("refs/remotes", remote), rest
	}
	fragment := regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)
	for part := range strings.SplitSeq(strings.TrimPrefix(dir, "refs/")+"/"+name, "/") {
		if !fragment.MatchString(part) || part == "." || part == ".." {
			return "", fmt.Errorf("%q is no ref: want letters, digits and ._- between slashes", ref)
		}
	}
	return filepath.Join(dir, name), nil
}

// DeleteRef removes a ref and nothing else, unlike `ostree refs --delete`, which takes a prefix.
// One that does not exist is no error.
func (r Repo) DeleteRef(ref string) error {
	name, err := refFile(ref)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(r.Path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting ref %s: %w", ref, err)
	}
	return nil
}

// Pruned is what Prune found.
type Pruned struct {
	Total   int // objects before
	Deleted int
	Freed   int64 // bytes, to the three digits or so that ostree prints
}

// Prune deletes what no ref reaches; depth is how many parents of each ref's commit are kept.
func (r Repo) Prune(ctx context.Context, depth int) (Pruned, error) {
	out, err := r.output(ctx, pruneArgs(depth))
	if err != nil {
		return Pruned{}, err
	}
	return parsePrune(out), nil
}

func pruneArgs(depth int) []string {
	return []string{"prune", "--refs-only", "--depth=" + strconv.Itoa(depth)}
}

func parsePrune(text string) Pruned {
	var p Pruned
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "Total":
			p.Total, _ = strconv.Atoi(words[2])
		case len(words) > 2 && words[0] == "Deleted":
			p.Deleted, _ = strconv.Atoi(words[1])
			if len(words) == 6 {
				p.Freed = parseSize(words[3], words[4])
			}
		}
	}
	return p
}

// parseSize reads a size as g_format_size gives it, in decimal units.
func parseSize(number, unit string) int64 {
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	for _, u := range []struct {
		name   string
		factor float64
	}{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}} {
		if strings.HasPrefix(unit, u.name) {
			return int64(v * u.factor)
		}
	}
	return int64(v)
}

// PullLocal copies revs and all that they hold from another repository, as hard links where the
// modes are the same. A ref keeps its name; remote, if not empty, makes it one of that remote.
func (r Repo) PullLocal(ctx context.Context, from Repo, remote string, revs ...string) error {
	return r.run(ctx, pullLocalArgs(from.Path, remote, revs))
}

func pullLocalArgs(from, remote string, revs []string) []string {
	args := []string{"pull-local", "--disable-verify-bindings"}
	if remote != "" {
		args = append(args, "--remote="+remote)
	}
	return append(append(args, from), revs...)
}

// CheckoutMode is how files of a checkout come to be.
type CheckoutMode int

// The modes of a checkout.
const (
	// CheckoutLinks makes hard links to a bare-user repository's objects, without owners and
	// attributes: whoever writes to such a file damages the repository.
	CheckoutLinks CheckoutMode = iota
	// CheckoutCopies is the same with copies.
	CheckoutCopies
	// CheckoutFull makes copies with owners, modes and attributes. It needs root; a commit with
	// SELinux labels needs it outside of user namespaces.
	CheckoutFull
)

// CheckoutRequest asks for a commit as files.
type CheckoutRequest struct {
	Commit  string // ref or checksum
	Subpath string // absolute; empty is everything
	Dest    string // must not exist
	Mode    CheckoutMode
}

// Checkout writes a commit's files to a directory.
func (r Repo) Checkout(ctx context.Context, req CheckoutRequest) error {
	return r.run(ctx, checkoutArgs(req))
}

func checkoutArgs(req CheckoutRequest) []string {
	args := []string{"checkout"}
	switch req.Mode {
	case CheckoutLinks:
		args = append(args, "--user-mode", "--require-hardlinks")
	case CheckoutCopies:
		args = append(args, "--user-mode", "--force-copy")
	default:
		args = append(args, "--force-copy")
	}
	if req.Subpath != "" {
		args = append(args, "--subpath="+req.Subpath)
	}
	return append(args, req.Commit, req.Dest)
}
