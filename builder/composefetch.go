package builder

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// composeDigest is what fetched.json is the answer to, where rpm-ostree was asked.
func composeDigest(r compose.ResolveRequest) string {
	return digest([]byte(rpmostree.Program), []byte(inputDigest(r)))
}

// composeFetch is a fetch by rpm-ostree, which spans the steps.
type composeFetch struct {
	files composeFiles
	drive drive
	state *fetchState // what the lockfile is written from
}

// fetchWithRPMOSTree puts rpm-ostree in the place of dnf and our own downloads.
func (p Plan) fetchWithRPMOSTree(env *Env, config *Config, state *fetchState) (Plan, error) {
	b := &build{config: config}
	if err := b.makeLayers(env); err != nil {
		return nil, err
	}
	f := &composeFetch{
		files: composeFiles{config: config, resolve: state.request, layers: b.layers}, state: state,
		drive: drive{
			steps: []string{"resolve", "download"}, epoch: config.Epoch,
			of: map[rpmostree.Phase]string{rpmostree.Resolve: "resolve", rpmostree.Download: "download", rpmostree.Install: "download"},
		},
	}
	req := f.files.request(env)
	req.Download, req.Offline = true, state.request.Offline
	for i := range p {
		switch p[i].Name {
		case "resolve":
			p[i].Op = &StartFetch{Args: req.Args(), fetch: f}
		case "download":
			p[i].Op = &FinishFetch{Input: composeDigest(state.request), fetch: f}
		}
	}
	return p, nil
}

// StartFetch has rpm-ostree choose and fetch the packages; it is done when they are chosen.
type StartFetch struct {
	Args []string

	fetch *composeFetch
}

// Run implements Op.
func (o *StartFetch) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	f := o.fetch
	if err := env.commitLayers(ctx, r, f.files.config, f.files.layers); err != nil { // rpm-ostree wants them, whatever it is asked
		return err
	}
	if err := f.files.write(ctx, env); err != nil {
		return err
	}
	f.drive.start(ctx, env, o.Args)
	if err := f.drive.through("resolve"); err != nil {
		return f.explain(env, err)
	}
	seen := f.drive.seen()
	env.Came("resolve", "%s, from %s", count(seen.Packages, "package", "packages"), count(len(seen.Repos), "repository", "repositories"))
	return nil
}

// FinishFetch waits for the packages and records them.
type FinishFetch struct {
	Input string

	fetch *composeFetch
}

// Run implements Op.
func (o *FinishFetch) Run(_ context.Context, env *Env, _ *event.Reporter) error {
	f := o.fetch
	if err := f.drive.through("download"); err != nil {
		return f.explain(env, err)
	}
	fetched, err := rpmostree.ReadResolved(composeDir(env, "resolved.json"), o.Input)
	if err != nil {
		return err
	}
	changed, err := fetched.Write(fetchedFile(env.WS))
	if err != nil {
		return err
	}
	f.state.solution = solutionOf(fetched)
	news := f.drive.seen().Downloads
	switch {
	case news != "":
		env.Came("download", "%s", news)
	case changed:
		env.Came("download", "nothing to download")
	default:
		env.Came("download", "nothing new")
	}
	return touch(env.WS.FetchedStamp())
}

func solutionOf(f rpmmd.Fetched) compose.Solution {
	var s compose.Solution
	for _, p := range f.Packages {
		s.Packages = append(s.Packages, compose.Package{FetchedPackage: p})
	}
	for _, r := range f.Repos {
		s.Repos = append(s.Repos, compose.Repo{FetchedRepo: r})
	}
	return s
}

func (f *composeFetch) explain(env *Env, err error) error {
	e := composeFailure{env: env, files: &f.files, seen: f.drive.seen()}
	return e.explain(err)
}

// PickComposed takes what rpm-ostree fetched as what the build is made of.
type PickComposed struct {
	Input string // digest of what was asked for

	build *build
}

// Run implements Op.
func (o *PickComposed) Run(_ context.Context, env *Env, _ *event.Reporter) error {
	b := o.build
	f, err := rpmmd.ReadFetched(fetchedFile(env.WS))
	if errors.Is(err, fs.ErrNotExist) {
		return notFetched("nothing was fetched yet")
	}
	if err != nil {
		return notFetched("the record of the last fetch cannot be used: " + err.Error())
	}
	if f.Input != o.Input {
		return notFetched("what was fetched last is not what this build asks rpm-ostree for: packages, repositories or the engine are others")
	}
	b.fetched = f
	b.epoch = b.config.Epoch
	for _, r := range f.Repos { // of packages themselves the program tells no times
		if at := time.Unix(r.Timestamp, 0).UTC(); at.After(b.epoch) {
			b.epoch = at
		}
	}
	if env.Epoch != nil {
		b.epoch = *env.Epoch
	}
	env.Came("packages", "%s", count(len(f.Packages), "package", "packages"))
	return nil
}

// notFetched is a build that a fetch with the same engine helps.
func notFetched(reason string) error {
	return hint(&NotFetchedError{Reason: reason}, "nosa fetch --engine "+rpmostree.Program)
}

// fetchedAs joins the packages that a commit names with what the fetch knows of them. The commit
// has several of a name where they are for several architectures, a lockfile only one.
func fetchedAs(f rpmmd.Fetched, names []rpmmd.NEVRA) rpmmd.Fetched {
	known := map[rpmmd.NEVRA]rpmmd.FetchedPackage{}
	for _, p := range f.Packages {
		known[p.NEVRA] = p
	}
	all := map[rpmmd.NEVRA]rpmmd.FetchedPackage{}
	for _, n := range names {
		all[n] = rpmmd.FetchedPackage{NEVRA: n}
		if p, ok := known[n]; ok {
			all[n] = p
		}
	}
	f.Packages = slices.SortedFunc(maps.Values(all), func(a, b rpmmd.FetchedPackage) int { return a.Compare(b.NEVRA) })
	return f
}
