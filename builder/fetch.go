package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
	"github.com/nestos/nosa/workspace/share"
)

// FetchRequest asks for the packages.
type FetchRequest struct {
	UpdateLockfile  bool   `json:"update_lockfile,omitempty"`
	WriteLockfileTo string `json:"write_lockfile_to,omitempty"` // relative to the workspace, or absolute
	Strict          bool   `json:"strict,omitempty"`
	// Engine resolves the packages: one of Engines, "" is the first.
	Engine  manifest.Engine `json:"engine,omitempty"`
	Offline bool            `json:"offline,omitempty"`
	NoWait  bool            `json:"no_wait,omitempty"`
}

// NotFetchedError is a build whose packages are not all in the cache.
type NotFetchedError struct {
	Packages []string // NEVRA; empty when nothing was ever fetched
	Reason   string
}

// Error names the first few.
func (e *NotFetchedError) Error() string {
	if len(e.Packages) == 0 {
		return e.Reason
	}
	names := e.Packages
	more := ""
	if len(names) > 8 {
		more = fmt.Sprintf(" and %d more", len(names)-8)
		names = names[:8]
	}
	return fmt.Sprintf("%s: %s%s", e.Reason, strings.Join(names, ", "), more)
}

// Fetch resolves the packages, downloads them and writes cache/fetched.json.
func Fetch(ctx context.Context, env *Env, req FetchRequest) error {
	env.Offline, env.NoWait = req.Offline, req.NoWait
	if err := env.useEngine(ctx, req.Engine, "fetch"); err != nil {
		return err
	}
	release, err := env.Open(ctx, UseBuilds, writeCache)
	if err != nil {
		return err
	}
	err = fetch(ctx, env, req)
	if err == nil {
		err = env.writeHistory("fetch")
	}
	return errors.Join(err, release())
}

func fetch(ctx context.Context, env *Env, req FetchRequest) error {
	config, err := LoadConfig(ctx, env)
	if err != nil {
		return err
	}
	if err := env.checkEngine(config); err != nil {
		return err
	}
	plan, err := planFetch(ctx, env, config, req)
	if err != nil {
		return err
	}
	return plan.Run(ctx, env)
}

func planFetch(ctx context.Context, env *Env, config *Config, req FetchRequest) (Plan, error) {
	r, err := resolveRequest(ctx, env, config)
	if err != nil {
		return nil, err
	}
	r.Strict, r.Offline = req.Strict, req.Offline
	if req.UpdateLockfile || req.WriteLockfileTo != "" {
		r.Lock, err = overrideLocks(env.WS, env.Arch.Name)
		if err != nil {
			return nil, err
		}
	}
	state := &fetchState{request: r}
	resolve := &ResolvePackages{Input: inputDigest(r), state: state}
	plan := Plan{
		{Name: "resolve", Title: "resolve packages", Op: resolve, Weight: 2},
		{Name: "download", Title: "download packages", Needs: []string{"resolve"}, Op: &DownloadPackages{Input: resolve.Input, state: state}, Weight: 8},
	}
	if env.usesRPMOSTree() {
		if plan, err = plan.fetchWithRPMOSTree(env, config, state); err != nil {
			return nil, err
		}
	}
	lockfile := req.WriteLockfileTo
	switch {
	case req.UpdateLockfile:
		lockfile = env.WS.BaseLockfile(env.Arch.Name)
	case lockfile != "" && !filepath.IsAbs(lockfile):
		lockfile = filepath.Join(env.WS.Dir, lockfile)
	}
	if lockfile != "" {
		plan = append(plan, Step{
			Name: "lockfile", Title: "write lockfile", Needs: []string{"download"}, Weight: 1,
			Op: &WriteLockfile{Path: lockfile, state: state},
		})
	}
	return plan, nil
}

// fetchState travels between the steps of a fetch.
type fetchState struct {
	request  compose.ResolveRequest
	solution compose.Solution
}

// resolveRequest says what dnf is to choose from and what for.
func resolveRequest(ctx context.Context, env *Env, c *Config) (compose.ResolveRequest, error) {
	r := packageRequest(env, c)
	if len(r.Install) == 0 {
		at := manifest.Origin{File: c.Manifest.File, Line: 1, Column: 1}
		return r, doc.Diagnostics{at.Errorf(CodePackages, "the manifest asks for no packages").WithHint("name some under packages: or in an include")}
	}
	repo := overridesRepo(env.WS)
	if env.Scratch != "" { // the cache is not ours to write
		repo = env.Work("overrides")
	}
	var err error
	if r.Overrides, err = compose.ReadOverrides(ctx, env.WS.OverrideRPMs(), repo, env.Reporter("overrides")); r.Overrides != nil {
		r.Overrides.URL = compose.FileURL(overridesRepo(env.WS))
	}
	return r, err
}

// inputDigest is of everything that a resolution depends on but the
// repositories' content: the request and the .repo files.
func inputDigest(r compose.ResolveRequest) string {
	for _, list := range []*[]compose.Item{&r.Install, &r.Exclude} {
		*list = slices.Clone(*list) // the caller keeps its origins
		for i := range *list {
			(*list)[i].Origin = manifest.Origin{}
		}
	}
	r.Offline, r.Report, r.CacheDir = false, nil, ""
	data, err := json.Marshal(r)
	if err != nil {
		panic("builder: a resolve request is data: " + err.Error())
	}
	parts := [][]byte{data}
	for _, dir := range r.RepoDirs {
		names, _ := filepath.Glob(filepath.Join(dir, "*.repo"))
		for _, name := range names {
			text, _ := os.ReadFile(name) // unreadable: dnf will say so
			parts = append(parts, []byte(filepath.Base(name)), text)
		}
	}
	return digest(parts...)
}

// overrideLocks are the lockfiles that hold even when the base is made anew.
func overrideLocks(ws *workspace.Workspace, arch string) (rpmmd.Lockfile, error) {
	names, err := ws.Lockfiles(arch)
	if err != nil {
		return rpmmd.Lockfile{}, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(filepath.Base(n), "manifest-lock.overrides") })
	var locks []rpmmd.Lockfile
	for _, n := range names {
		l, err := readLockfile(n)
		if err != nil {
			return rpmmd.Lockfile{}, err
		}
		locks = append(locks, l)
	}
	return rpmmd.MergeLockfiles(locks...), nil
}

// ResolvePackages has dnf choose the packages.
type ResolvePackages struct {
	Input string // digest of the request

	state *fetchState
}

// Run implements Op.
func (o *ResolvePackages) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	req := o.state.request
	req.Report = r
	solution, err := compose.Resolve(ctx, req)
	if err != nil {
		return err
	}
	o.state.solution = solution
	var size int64
	for _, p := range solution.Packages {
		size += p.Size
	}
	env.Came("resolve", "%s, %s, from %s", count(len(solution.Packages), "package", "packages"), event.Bytes(size), count(len(solution.Repos), "repository", "repositories"))
	return nil
}

// DownloadPackages fetches what is not in the cache and records it.
type DownloadPackages struct {
	Input string

	state *fetchState
}

// rpmCache is where packages lie, by checksum.
func rpmCache(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "rpms") }

// fetchedFile is the hand-over from fetch to build.
func fetchedFile(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "fetched.json") }

// Run implements Op.
func (o *DownloadPackages) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	s := o.state.solution
	missing := compose.Missing(rpmCache(env.WS), s.Packages)
	if env.Offline && len(missing) > 0 {
		names := make([]string, len(missing))
		for i, p := range missing {
			names[i] = p.NEVRA.String()
		}
		return &NotFetchedError{Packages: names, Reason: "not fetched, and --offline forbids it"}
	}
	err := compose.Download(ctx, compose.DownloadRequest{Packages: s.Packages, Repos: s.Repos, Dir: rpmCache(env.WS), Report: r})
	if err != nil {
		return err
	}
	changed, err := s.Fetched(o.Input).Write(fetchedFile(env.WS))
	if err != nil {
		return err
	}
	if err := touch(env.WS.FetchedStamp()); err != nil {
		return err
	}
	var size int64
	for _, p := range missing {
		size += p.Size
	}
	env.Came("download", "%d new, %s", len(missing), event.Bytes(size))
	switch {
	case len(missing) == 0 && !changed:
		env.Came("download", "nothing new")
	case len(missing) == 0:
		env.Came("download", "nothing to download")
	}
	return nil
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func touch(path string) error {
	f, err := share.Open(path, os.O_CREATE|os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("touching %s: %w", path, err)
	}
	return f.Close()
}

// WriteLockfile writes what was resolved.
type WriteLockfile struct {
	Path string

	state *fetchState
}

// Run implements Op.
func (o *WriteLockfile) Run(_ context.Context, env *Env, r *event.Reporter) error {
	l := o.state.solution.Fetched("").Lockfile(env.Now())
	data, err := l.JSON()
	if err != nil {
		return err
	}
	if err := share.Replace(o.Path, data); err != nil {
		return fmt.Errorf("writing lockfile: %w", err)
	}
	env.Came("lockfile", "%s", o.Path)
	r.Artifact(o.Path)
	return nil
}

// fetchedPackages gives the packages of a build from the cache alone: those of
// the last fetch when it was asked the same, else those that dnf chooses from
// the metadata that was fetched. What is not in the cache is a *NotFetchedError.
func fetchedPackages(ctx context.Context, env *Env, req compose.ResolveRequest) (rpmmd.Fetched, error) {
	f, err := rpmmd.ReadFetched(fetchedFile(env.WS))
	if errors.Is(err, fs.ErrNotExist) {
		return f, &NotFetchedError{Reason: "nothing was fetched yet"}
	}
	if err != nil { // half-written by something else, or of another version: a fetch writes it anew
		return f, &NotFetchedError{Reason: "the record of the last fetch cannot be used: " + err.Error()}
	}
	input := inputDigest(req)
	if f.Input != input {
		req.Offline = true
		s, err := compose.Resolve(ctx, req)
		if err != nil {
			return f, fmt.Errorf("resolving from the fetched metadata: %w", err)
		}
		f = s.Fetched(input)
	}
	var missing []string
	for _, p := range f.Packages {
		if st, err := os.Stat(filepath.Join(rpmCache(env.WS), p.File)); err != nil || st.Size() != p.Size {
			missing = append(missing, p.NEVRA.String())
		}
	}
	if len(missing) > 0 {
		return f, &NotFetchedError{Packages: missing, Reason: "not fetched"}
	}
	return f, nil
}
