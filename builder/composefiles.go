package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/rpmmd"
	"github.com/nestos/nosa/workspace/share"
)

// composeFiles are the files that one run of rpm-ostree gets and writes, in the job's scratch
// directory: everything is made anew each time.
type composeFiles struct {
	config  *Config
	resolve compose.ResolveRequest
	layers  []tree.Layer

	repos []rpmostree.Repo // that there are, once written
}

// composeDir is where they lie. rpm-ostree looks for .repo files beside its manifest.
func composeDir(env *Env, elem ...string) string {
	return env.Work(append([]string{"rpm-ostree"}, elem...)...)
}

// composeCache is rpm-ostree's own cache: packages as commits, metadata, its work directory.
func composeCache(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "rpm-ostree") }

// request is what a fetch and a build have in common of the command line.
func (f *composeFiles) request(env *Env) rpmostree.Request {
	r := rpmostree.Request{
		Treefile: composeDir(env, "manifest.yaml"), Repo: filepath.Join(env.WS.Cache(), "repo"), CacheDir: composeCache(env.WS),
		Strict: f.resolve.Strict, WriteLock: composeDir(env, "resolved.json"),
	}
	if f.locked() {
		r.Lock = composeDir(env, "lock.json")
	}
	return r
}

// lock is what is pinned: by the config's lockfiles, and the packages of overrides/rpm.
func (f *composeFiles) lock() rpmmd.Lockfile {
	local := rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{}}
	if f.resolve.Overrides != nil {
		for _, n := range f.resolve.Overrides.Packages {
			local.Packages[n.Name] = rpmmd.Locked{EVRA: n.EVRA()}
		}
	}
	return rpmmd.MergeLockfiles(f.resolve.Lock, local)
}

// write writes what the program reads, and clears what a killed one has left.
func (f *composeFiles) write(ctx context.Context, env *Env) error {
	if err := os.MkdirAll(composeDir(env), 0o755); err != nil {
		return fmt.Errorf("preparing rpm-ostree: %w", err)
	}
	if err := share.MkdirPlain(composeCache(env.WS)); err != nil {
		return fmt.Errorf("preparing rpm-ostree: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(composeCache(env.WS), "rpm-ostree-compose.*"))
	if err != nil {
		return fmt.Errorf("preparing rpm-ostree: %w", err)
	}
	for _, dir := range left {
		if err := removeTree(dir); err != nil {
			return fmt.Errorf("preparing rpm-ostree: %w", err)
		}
	}
	if err := f.copyRepos(ctx, env); err != nil {
		return err
	}
	lock, err := f.lock().JSON()
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"lock.json": lock, "manifest.yaml": f.override(env).YAML()} {
		if err := os.WriteFile(composeDir(env, name), data, 0o644); err != nil {
			return fmt.Errorf("preparing rpm-ostree: %w", err)
		}
	}
	return nil
}

// copyRepos copies the .repo files and adds one of nosa's own.
func (f *composeFiles) copyRepos(ctx context.Context, env *Env) error {
	f.repos = nil
	for i, dir := range f.resolve.RepoDirs {
		names, err := filepath.Glob(filepath.Join(dir, "*.repo"))
		if err != nil {
			return fmt.Errorf("copying .repo files: %w", err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("copying .repo files: %w", err)
			}
			copied := composeDir(env, fmt.Sprintf("%d-%s", i, filepath.Base(name))) // the same name may be in both
			if err := os.WriteFile(copied, text, 0o600); err != nil {
				return fmt.Errorf("copying .repo files: %w", err)
			}
			f.repos = append(f.repos, rpmostree.ReadRepos(name, text)...)
		}
	}
	if len(f.repos) == 0 {
		return &compose.UnknownRepoError{Dirs: f.resolve.RepoDirs}
	}
	var ours []byte
	if f.resolve.Overrides != nil {
		ours = rpmostree.LocalRepo(compose.OverridesID, f.resolve.Overrides.URL)
	}
	for _, id := range f.strangers() {
		env.Reporter("resolve").Warn("lockfile-repos has " + id + ", which no .repo file defines: locked packages come from the other repositories")
		ours = append(ours, rpmostree.LocalRepo(id, "file://"+emptyRepo(env.WS))...)
	}
	if len(f.strangers()) > 0 {
		if err := makeEmptyRepo(ctx, emptyRepo(env.WS)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(composeDir(env, "nosa.repo"), ours, 0o600); err != nil {
		return fmt.Errorf("writing nosa's own .repo file: %w", err)
	}
	return nil
}

// emptyRepo is a repository without packages. Its place is always the same: rpm-ostree keeps
// metadata by it.
func emptyRepo(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "empty-repo") }

func makeEmptyRepo(ctx context.Context, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "repodata", "repomd.xml")); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making an empty repository: %w", err)
	}
	args := []string{"createrepo_c", "--quiet", "--no-database", "--checksum", "sha256", "--revision", "0", "--set-timestamp-to-revision", dir}
	if err := proc.Run(ctx, proc.Cmd{Args: args}); err != nil {
		return fmt.Errorf("making an empty repository: %w", err)
	}
	return nil
}

// strangers are the ids of lockfile-repos that nothing defines, where a lock makes them count.
// Released configs have such.
func (f *composeFiles) strangers() []string {
	if !f.locked() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(f.resolve.LockfileRepos), func(id string) bool {
		return slices.ContainsFunc(f.repos, func(r rpmostree.Repo) bool { return r.ID == id })
	})
}

// locked says if rpm-ostree is given a lockfile.
func (f *composeFiles) locked() bool { return len(f.lock().Packages) > 0 || f.resolve.Strict }

// override is the manifest that the program is given.
func (f *composeFiles) override(env *Env) rpmostree.Override {
	m := f.config.Manifest
	o := rpmostree.Override{Manifest: env.WS.Manifest(), Repos: f.additions()}
	for _, l := range f.layers {
		switch {
		case slices.Contains(texts(m.Layers), l.Name), slices.Contains(texts(m.OverrideLayers), l.Name):
		case l.Override:
			o.OverrideLayers = append(o.OverrideLayers, l.Name)
		default:
			o.Layers = append(o.Layers, l.Name)
		}
	}
	if f.resolve.Overrides == nil {
		return o
	}
	// A package that the manifest wants from one repository must come from ours now.
	pinned := rpmostree.RepoPackages{Repo: compose.OverridesID}
	for _, n := range f.resolve.Overrides.Packages {
		if slices.ContainsFunc(f.resolve.Install, func(i compose.Item) bool { return i.Repo != "" && i.Text == n.Name }) {
			pinned.Packages = append(pinned.Packages, n.Name)
		}
	}
	if len(pinned.Packages) > 0 {
		o.RepoPackages = []rpmostree.RepoPackages{pinned}
	}
	return o
}

// additions are the repositories to enable besides those of the manifest. Where that names none all
// enabled ones count, until somebody names one: ours for overrides/rpm would do that, and so do the
// lockfile-repos with a lock. Both must only add, so all are named then.
func (f *composeFiles) additions() []string {
	var list []string
	if f.resolve.Overrides != nil {
		list = []string{compose.OverridesID}
	}
	byLock := f.locked() && len(f.resolve.LockfileRepos) > 0
	if len(f.resolve.Repos) > 0 || len(list) == 0 && !byLock {
		return list
	}
	for _, r := range f.repos {
		if r.Enabled {
			list = append(list, r.ID)
		}
	}
	return list
}
