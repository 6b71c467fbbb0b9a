package builder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// cacheRefs is the prefix of the refs under which a build keeps its own
// intermediate results in the repository.
const cacheRefs = "nosa/"

// recentRefs is how long before the newest use of a ref others count as used
// by the same build.
const recentRefs = time.Hour

// PruneRepo removes the refs of builds that are gone, and the objects that no
// ref reaches any more.
type PruneRepo struct {
	Always bool // even when all refs are needed

	state *pruning
}

// Skip implements Skipper.
func (o *PruneRepo) Skip(_ context.Context, env *Env) (string, error) {
	if !haveRepo(env) {
		return "no repository", nil
	}
	stale, err := staleRefs(env, nil)
	if err != nil || len(stale) > 0 || o.Always {
		return "", err
	}
	return "every ref is that of a build", nil
}

// Run implements Op.
func (o *PruneRepo) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	stale, err := staleRefs(env, nil)
	if err != nil {
		return err
	}
	freed, err := dropRefs(ctx, env, r, stale)
	if err != nil {
		return err
	}
	victims := make([]workspace.Victim, len(stale))
	for i, ref := range stale {
		victims[i] = refVictim(ref)
	}
	o.state.say("repo", victims)
	o.state.freed += freed
	env.Came("repo", "%s, %s", count(len(stale), "ref", "refs"), event.Bytes(freed))
	return nil
}

// TrimCache is workspace.TrimCache, and where that is not enough it drops from
// the repository what can be had again: first the builder's own results, then
// the commits of all builds but the newest, whose archives hold them. It needs
// the lock on the cache, exclusive, and one on builds.
func TrimCache(ctx context.Context, env *Env, o workspace.TrimOptions, r *event.Reporter) (workspace.Trimmed, error) {
	t, err := env.WS.TrimCache(ctx, o)
	if err != nil || !t.Needed || !t.Measured || o.DryRun || !haveRepo(env) {
		return t, err
	}
	refs, err := oldRefs(env)
	if err != nil {
		return t, err
	}
	for _, isOwn := range []bool{true, false} {
		group := slices.DeleteFunc(slices.Clone(refs), func(ref string) bool { return strings.HasPrefix(ref, cacheRefs) != isOwn })
		if len(group) == 0 || !t.Needed {
			continue
		}
		freed, err := dropRefs(ctx, env, r, group)
		if err != nil {
			return t, err
		}
		for _, ref := range group {
			t.Victims = append(t.Victims, refVictim(ref))
		}
		t.Freed += event.Bytes(freed)
		t.Needed = t.Bytes-t.Freed > t.Limit
	}
	return t, nil
}

func haveRepo(env *Env) bool {
	_, err := os.Stat(filepath.Join(env.Repo(nil).Path, "config"))
	return err == nil
}

// staleRefs gives the refs of builds that are neither here nor in the trash;
// those in gone count as gone already. Refs with a slash are no builds'.
func staleRefs(env *Env, gone []string) ([]string, error) {
	refs, err := buildRefs(env)
	if err != nil || len(refs) == 0 {
		return nil, err
	}
	deleted, err := env.WS.DeletedBuilds()
	if err != nil {
		return nil, err
	}
	keep := newestRefs(env)
	for _, d := range deleted {
		keep = append(keep, d.ID)
	}
	return slices.DeleteFunc(refs, func(ref string) bool {
		if slices.Contains(gone, ref) {
			return false
		}
		_, err := os.Stat(filepath.Join(env.WS.Builds(), ref))
		return err == nil || slices.Contains(keep, ref)
	}), nil
}

// newestRefs gives the refs of the newest build: its id and, which may look like
// one, the ref of the configuration.
func newestRefs(env *Env) []string {
	id, err := env.WS.Resolve("", env.Arch.Name)
	if err != nil {
		return nil
	}
	m, err := workspace.ReadMeta(env.WS.BuildDir(id, env.Arch.Name))
	if err != nil {
		return []string{id}
	}
	return []string{id, m.Ref}
}

// buildRefs gives the refs that could be those of builds, sorted.
func buildRefs(env *Env) ([]string, error) {
	if !haveRepo(env) {
		return nil, nil
	}
	all, err := env.Repo(nil).Refs()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var refs []string
	for ref := range all {
		if workspace.CheckID(ref) == nil {
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	return refs, nil
}

// oldRefs gives the refs that are only a convenience and were not written
// lately: the builder's own and those of builds other than the newest.
func oldRefs(env *Env) ([]string, error) {
	all, err := env.Repo(nil).Refs()
	if err != nil {
		return nil, err
	}
	newest := newestRefs(env)
	used := map[string]time.Time{}
	var last time.Time
	for ref := range all {
		if !strings.HasPrefix(ref, cacheRefs) && (workspace.CheckID(ref) != nil || slices.Contains(newest, ref)) {
			continue
		}
		info, err := os.Stat(filepath.Join(env.Repo(nil).Path, "refs", "heads", ref))
		if err != nil {
			continue
		}
		used[ref] = info.ModTime()
		if info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	var old []string
	for ref, at := range used {
		if !strings.HasPrefix(ref, cacheRefs) || at.Before(last.Add(-recentRefs)) {
			old = append(old, ref)
		}
	}
	slices.Sort(old)
	return old, nil
}

// dropRefs removes refs and every object that none reaches then; it gives what
// that freed, in bytes.
func dropRefs(ctx context.Context, env *Env, r *event.Reporter, refs []string) (int64, error) {
	if err := tool.Require("ostree"); err != nil {
		return 0, err
	}
	repo := env.Repo(r)
	for _, ref := range refs {
		if err := repo.DeleteRef(ref); err != nil {
			return 0, err
		}
	}
	pruned, err := repo.Prune(ctx, 0)
	return pruned.Freed, err
}
