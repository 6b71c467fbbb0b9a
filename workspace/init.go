package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/share"
)

// ErrNotEmpty is a directory that has files in it already.
var ErrNotEmpty = errors.New("the directory is not empty")

// InitOptions say what a new workspace is of: Source or Sample, and the rest.
type InitOptions struct {
	Source         string // URL of a git repository, or the absolute path of a directory
	Subdir         string // the config's directory in Source
	Sample         *Sample
	Branch         string // of Source; empty is its default
	Commit         string // of Source, the full id
	Variant        string // empty or "default" is none
	YumRepos       string // URL or absolute path of further .repo files
	YumReposBranch string
	Force          bool // go on in a directory that is not empty; what is there stays
	Transient      bool // nothing here needs to survive a power cut
	// GitEnv is added to git's environment, which otherwise has nothing of the
	// user's: SSH_AUTH_SOCK=… where an agent is wanted.
	GitEnv []string
	Report *event.Reporter
}

// MissingConfig is a directory that is not the config it should be.
type MissingConfig struct {
	Dir      string   // what was looked at, as the user gave it
	Missing  []string // files that are not there
	Subdirs  []string // directories below it that have both files
	Variants []string // variants that it has, when the missing files are a variant's
	Branches []string // other branches of the repository, when nothing was found in this one
}

// Error says what was looked for and where it may be.
func (e *MissingConfig) Error() string {
	text := fmt.Sprintf("%s has no %s", e.Dir, strings.Join(e.Missing, " and no "))
	switch {
	case len(e.Subdirs) > 0:
		text += fmt.Sprintf("; a config lies in its directory %s: give that as SUBDIR", strings.Join(e.Subdirs, " and in "))
	case len(e.Variants) > 0:
		text += "; its variants are " + strings.Join(e.Variants, ", ")
	case len(e.Branches) > 0:
		text += "; its other branches are " + strings.Join(e.Branches, ", ")
	}
	return text
}

// initializer is one run of Init. All that can fail happens in stage, below
// tmp/; then everything is moved into place.
type initializer struct {
	InitOptions
	w     *Workspace
	stage string
}

var fullCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Init makes dir a workspace. The directory must be empty, tmp/ aside, unless
// Force is set or Source is a path. A config that is there already is kept.
// When it fails, dir has nothing new but tmp/.
func Init(ctx context.Context, dir string, o InitOptions) (err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("making a workspace of %s: %w", dir, err)
	}
	if o.Variant == DefaultVariant {
		o.Variant = ""
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := checkEmpty(abs, o); err != nil {
		return err
	}
	in := &initializer{InitOptions: o, w: &Workspace{Dir: abs, Variant: o.Variant}}
	if err := share.MkdirAll(in.w.Tmp()); err != nil {
		return fmt.Errorf("making a workspace: %w", err)
	}
	if in.stage, err = os.MkdirTemp(in.w.Tmp(), "init-"); err != nil {
		return fmt.Errorf("making a workspace: %w", err)
	}
	defer func() { err = errors.Join(err, removeTree(in.stage)) }()
	moves, err := in.prepare(ctx)
	if err != nil {
		return err
	}
	return in.finish(moves)
}

func (o InitOptions) check() error {
	local := filepath.IsAbs(o.Source)
	switch {
	case (o.Source == "") == (o.Sample == nil):
		return errors.New("init: want either the sample or a git URL or path")
	case o.Subdir != "" && !filepath.IsLocal(o.Subdir):
		return fmt.Errorf("SUBDIR %q: want a relative path that stays inside", o.Subdir)
	case (local || o.Sample != nil) && (o.Branch != "" || o.Commit != ""):
		return errors.New("init: a branch or commit can be chosen only of a git URL")
	case o.Commit != "" && !fullCommit.MatchString(o.Commit):
		return fmt.Errorf("commit %q: want the full id, 40 hexadecimal digits", o.Commit)
	case o.YumReposBranch != "" && (o.YumRepos == "" || filepath.IsAbs(o.YumRepos)):
		return errors.New("init: a branch of yumrepos can be chosen only of a git URL")
	case o.Variant != "":
		return checkVariant(o.Variant)
	}
	return nil
}

func checkEmpty(dir string, o InitOptions) error {
	if o.Force || filepath.IsAbs(o.Source) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making a workspace: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "tmp" {
			return fmt.Errorf("%s: %w (it has %s)", dir, ErrNotEmpty, e.Name())
		}
	}
	return nil
}

// move is a rename that Init does when nothing can fail any more.
type move struct{ from, to string }

func (in *initializer) prepare(ctx context.Context) ([]move, error) {
	moves, err := in.config(ctx)
	if err != nil {
		return nil, err
	}
	if in.YumRepos == "" {
		return moves, nil
	}
	if exists(in.w.YumRepos()) {
		in.Report.Info("src/yumrepos is there already and stays as it is")
		return moves, nil
	}
	staged := filepath.Join(in.stage, "yumrepos")
	if filepath.IsAbs(in.YumRepos) {
		if err := checkDir(in.YumRepos); err != nil {
			return nil, err
		}
		err = os.Symlink(in.YumRepos, staged)
	} else {
		err = in.clone(ctx, in.YumRepos, staged, in.YumReposBranch)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the further repositories: %w", err)
	}
	return append(moves, move{staged, in.w.YumRepos()}), nil
}

// config prepares src/config in the stage and checks it.
func (in *initializer) config(ctx context.Context) ([]move, error) {
	staged := filepath.Join(in.stage, "config")
	to := move{staged, in.w.Config()}
	switch {
	case exists(in.w.Config()):
		in.Report.Info("src/config is there already and stays as it is")
		return nil, in.checkConfig(in.w.Config(), "src/config")
	case in.Sample != nil:
		if err := in.Sample.write(ctx, staged); err != nil {
			return nil, err
		}
		return []move{to}, in.checkConfig(staged, "the sample")
	case filepath.IsAbs(in.Source):
		if err := checkDir(in.Source); err != nil {
			return nil, err
		}
		if err := in.checkConfig(in.Source, in.Source); err != nil {
			return nil, err
		}
		return []move{to}, os.Symlink(filepath.Join(in.Source, in.Subdir), staged)
	}
	if err := in.clone(ctx, in.Source, staged, in.Branch); err != nil {
		return nil, err
	}
	if in.Commit != "" {
		if err := in.checkout(ctx, staged); err != nil {
			return nil, err
		}
	}
	if err := in.checkConfig(staged, in.Source); err != nil {
		return nil, in.addBranches(ctx, staged, err)
	}
	if in.Subdir == "" {
		return []move{to}, nil
	}
	link := filepath.Join(in.stage, "link")
	if err := os.Symlink(filepath.Join("config-git", in.Subdir), link); err != nil {
		return nil, fmt.Errorf("making a workspace: %w", err)
	}
	return []move{{staged, in.w.ConfigGit()}, {link, in.w.Config()}}, nil
}

func (in *initializer) git(dir string) git {
	return git{dir: dir, ceiling: in.stage, env: in.GitEnv, report: in.Report}
}

// cloneArgs is the command line of a shallow clone. The program that serves a
// local repository gets its own safe.directory: git does not hand it down.
func cloneArgs(address, dir, branch string) []string {
	args := []string{
		"clone", "--depth=1", "--recurse-submodules", "--shallow-submodules", "--template=",
		"--upload-pack=git -c safe.directory=* upload-pack",
	}
	if branch != "" {
		args = append(args, "--branch="+branch)
	}
	return append(args, "--", address, dir)
}

func (in *initializer) clone(ctx context.Context, address, dir, branch string) error {
	if err := in.git("").run(ctx, cloneArgs(address, dir, branch)...); err != nil {
		return fmt.Errorf("cloning %s: %w", publicURL(address), err)
	}
	return nil
}

// checkout puts the clone in dir on the commit that was asked for.
func (in *initializer) checkout(ctx context.Context, dir string) error {
	g := in.git(dir)
	for _, args := range [][]string{
		{"fetch", "--depth=1", "--no-tags", "origin", in.Commit},
		{"checkout", "--quiet", "--detach", "--force", in.Commit, "--"},
		{"submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"},
	} {
		if err := g.run(ctx, args...); err != nil {
			return fmt.Errorf("fetching commit %s of %s: %w", in.Commit, publicURL(in.Source), err)
		}
	}
	return nil
}

// checkConfig looks for the manifest and image.yaml of the variant below root;
// shown is what the user knows root as.
func (in *initializer) checkConfig(root, shown string) error {
	dir := root
	if in.Subdir != "" && root != in.w.Config() {
		dir, shown = filepath.Join(root, in.Subdir), strings.TrimSuffix(shown, "/")+"/"+in.Subdir
	}
	missing := missingFiles(dir, in.Variant)
	if len(missing) == 0 {
		return nil
	}
	e := &MissingConfig{Dir: publicURL(shown), Missing: missing}
	if in.Variant != "" && len(missingFiles(dir, "")) == 0 {
		e.Variants = variantsIn(dir)
		return e
	}
	subdirs, err := configsBelow(root, in.Variant)
	e.Subdirs = subdirs
	return errors.Join(e, err)
}

func missingFiles(dir, variant string) []string {
	var missing []string
	for _, stem := range []string{"manifest", "image"} {
		name := variantName(stem, variant)
		if !exists(filepath.Join(dir, name)) { // a link may lead nowhere yet
			missing = append(missing, name)
		}
	}
	return missing
}

// variantsIn lists the variants that the config in dir has, sorted.
func variantsIn(dir string) []string {
	manifests, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "manifest-*.yaml"))
	variants := []string{DefaultVariant}
	for _, path := range manifests {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "manifest-"), ".yaml")
		if len(missingFiles(dir, name)) == 0 {
			variants = append(variants, name)
		}
	}
	return variants
}

// subdirDepth is how deep below a repository's root a config is looked for.
const subdirDepth = 3

// configsBelow lists the directories below root that have a config, sorted.
func configsBelow(root, variant string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || !d.IsDir() || rel == "." {
			return err
		}
		if d.Name() == ".git" {
			return fs.SkipDir
		}
		if len(missingFiles(path, variant)) == 0 {
			found = append(found, rel)
		}
		if strings.Count(rel, string(filepath.Separator)) >= subdirDepth-1 {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for a config: %w", err)
	}
	return found, nil
}

// addBranches adds to a MissingConfig without a better hint the branches of the
// repository: released configs may have one of their own each.
func (in *initializer) addBranches(ctx context.Context, dir string, err error) error {
	var missing *MissingConfig
	if !errors.As(err, &missing) || len(missing.Subdirs) > 0 || len(missing.Variants) > 0 {
		return err
	}
	g := in.git(dir)
	current, branchErr := g.branch(ctx)
	heads, listErr := g.output(ctx, "ls-remote", "--heads", "origin")
	if branchErr != nil || listErr != nil {
		return err // the first error is the one to tell
	}
	const most = 20
	for line := range strings.Lines(heads) {
		_, ref, _ := strings.Cut(strings.TrimSpace(line), "\trefs/heads/")
		if ref != "" && ref != current && len(missing.Branches) < most {
			missing.Branches = append(missing.Branches, event.Clean(ref))
		}
	}
	slices.Sort(missing.Branches)
	return err
}

func (in *initializer) finish(moves []move) error {
	for _, dir := range []string{"cache", "builds", "src", "tmp", "overrides/rpm", "overrides/rootfs"} {
		if err := share.MkdirAll(in.w.path(dir)); err != nil {
			return fmt.Errorf("making a workspace: %w", err)
		}
	}
	for _, m := range moves {
		if err := os.Rename(m.from, m.to); err != nil {
			return fmt.Errorf("making a workspace: %w", err)
		}
	}
	if in.Transient {
		if err := os.WriteFile(in.w.transientMarker(), nil, 0o644); err != nil {
			return fmt.Errorf("making a workspace: %w", err)
		}
	}
	if in.Variant == "" {
		return nil
	}
	return WriteJSON(in.w.path("src", "config.json"), map[string]string{variantKey: in.Variant})
}

func checkDir(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w (a path must be visible where nosa runs)", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: not a directory", path)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
