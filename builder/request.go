package builder

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/manifest"
)

// packageRequest is what a config asks dnf for, without the workspace's own
// overrides.
func packageRequest(env *Env, c *Config) compose.ResolveRequest {
	m, ws := c.Manifest, env.WS
	r := compose.ResolveRequest{
		Arch: env.Arch.Name, ReleaseVer: m.ReleaseVer, Vars: map[string]string{}, Lock: c.Lock, NoWeak: !m.Recommends,
		CacheDir: metadataCache(ws), RepoDirs: []string{ws.Config()},
		Repos: texts(m.Repos), LockfileRepos: texts(m.LockfileRepos),
	}
	if _, err := os.Stat(ws.YumRepos()); err == nil {
		r.RepoDirs = append(r.RepoDirs, ws.YumRepos())
	}
	for _, v := range m.RepoVars {
		r.Vars[v.Key] = fmt.Sprint(v.Value)
	}
	for _, p := range m.Packages {
		r.Install = append(r.Install, composeItem(p, ""))
	}
	for _, group := range m.RepoPackages {
		for _, p := range group.Packages {
			r.Install = append(r.Install, composeItem(p, group.Repo.Text))
		}
	}
	for _, p := range m.ExcludePackages {
		r.Exclude = append(r.Exclude, composeItem(p, ""))
	}
	return r
}

func composeItem(i manifest.Item, repo string) compose.Item {
	return compose.Item{Text: i.Text, Repo: repo, Origin: i.Origin}
}

func texts(list []manifest.Item) []string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = item.Text
	}
	return out
}

// metadataCache is where dnf keeps the metadata of the repositories.
func metadataCache(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "dnf") }

// overridesRepo is the repository that is made of overrides/rpm.
func overridesRepo(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "overrides") }
