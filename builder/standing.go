package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// Standing is how what was made last stands to what would be made now: found out
// without a lock, without the network and without running a program of the target.
type Standing struct {
	Fetch, Build Outdated
	Previous     workspace.Meta // the newest build; zero when there is none
	Container    bool           // what the manifest describes has no images
}

// Outdated says if a result would come out differently now.
type Outdated struct {
	Never   bool     // there is none
	Reasons []string // what has changed since; none: the result is as it would be now
	Unknown string   // why it cannot be known cheaply; "" when it is known
}

// FindStanding compares the config with the last fetch and the last build. A config that cannot be
// used is doc.Diagnostics.
func FindStanding(ctx context.Context, env *Env) (Standing, error) {
	config, err := LoadConfig(ctx, env)
	if err != nil {
		return Standing{}, err
	}
	b := &build{config: config, resolve: packageRequest(env, config)}
	if err := b.findPrevious(env); err != nil {
		return Standing{}, err
	}
	s := Standing{Previous: b.previous, Container: config.Manifest.Container}
	if s.Fetch, err = b.fetchStanding(env); err != nil {
		return s, err
	}
	s.Build, err = b.buildStanding(env, s.Fetch)
	return s, err
}

// fetchStanding compares what is asked for with what was fetched. Packages of overrides/rpm are a part
// of the question whose digest takes a program; of them only the times are looked at.
func (b *build) fetchStanding(env *Env) (Outdated, error) {
	name := fetchedFile(env.WS)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Outdated{Never: true}, nil
	}
	if err != nil {
		return Outdated{}, fmt.Errorf("reading what was fetched: %w", err)
	}
	if b.fetched, err = rpmmd.ReadFetched(name); err != nil {
		return Outdated{Reasons: []string{"the record of the last fetch cannot be used"}}, nil //nolint:nilerr // a fetch mends it
	}
	since := info.ModTime()
	var out Outdated
	if n := newRepos(env.WS, b.fetched.Repos); n != "" {
		out.Reasons = append(out.Reasons, "repository "+n+" has changed")
	}
	overrides, newer := overridesSince(env.WS.OverrideRPMs(), since)
	switch asked := inputDigest(b.resolve); {
	case newer:
		out.Reasons = append(out.Reasons, "overrides/rpm changed since the last fetch")
	case overrides && len(out.Reasons) == 0:
		out.Unknown = "overrides/rpm has packages: only a fetch compares them"
	case overrides, b.fetched.Input == asked, b.fetched.Input == composeDigest(b.resolve):
	default:
		out.Reasons = append(out.Reasons, "what is asked for changed since the last fetch"+b.newerFiles(env, since))
	}
	if b.fetched.Input == composeDigest(b.resolve) { // its packages lie elsewhere
		return out, nil
	}
	if missing := len(compose.Missing(rpmCache(env.WS), solutionOf(b.fetched).Packages)); missing > 0 {
		out.Reasons = append(out.Reasons, count(missing, "package is", "packages are")+" gone from the cache")
	}
	return out, nil
}

// newerFiles names the files of the question that were written after a time: ": manifest.yaml".
func (b *build) newerFiles(env *Env, since time.Time) string {
	names := slices.Clone(b.config.Manifest.Files)
	for _, dir := range b.resolve.RepoDirs {
		repos, _ := filepath.Glob(filepath.Join(dir, "*.repo"))
		names = append(names, repos...)
	}
	locks, _ := env.WS.Lockfiles(env.Arch.Name) // one that cannot be listed is not newer
	var newer []string
	for _, name := range append(names, locks...) {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(since) {
			newer = append(newer, b.configName(env, name))
		}
	}
	slices.Sort(newer)
	return colonList(slices.Compact(newer))
}

// configName is a file's name as people know it who work in src/config.
func (b *build) configName(env *Env, name string) string {
	if rel, err := filepath.Rel(b.config.Manifest.Dir, name); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return b.shortName(env, name)
}

// colonList is ": a, b and 2 more"; "" of none.
func colonList(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(few(words), ", ")
}

// few gives the first three and how many more there are.
func few(words []string) []string {
	const most = 3
	if len(words) <= most {
		return words
	}
	return append(slices.Clone(words[:most]), fmt.Sprintf("and %d more", len(words)-most))
}

// overridesSince says if there are packages in overrides/rpm, and if the directory or one of them is
// newer than a time.
func overridesSince(dir string, since time.Time) (some, newer bool) {
	found, _ := filepath.Glob(filepath.Join(dir, "*.rpm"))
	found = slices.DeleteFunc(found, func(n string) bool { return strings.HasSuffix(n, ".src.rpm") })
	for _, name := range append(found, dir) {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(since) && len(found) > 0 {
			newer = true
		}
	}
	return len(found) > 0, newer
}

// newRepos gives the first of the repositories fetched from whose files are on this machine and of
// another revision now; "" is none. Others are not asked.
func newRepos(ws *workspace.Workspace, fetched []rpmmd.FetchedRepo) string {
	local := localRepos(ws)
	for _, r := range fetched {
		dir, ok := local[r.ID]
		if !ok || r.Revision == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
		if err != nil {
			continue
		}
		if md, err := rpmmd.ReadRepomd(bytes.NewReader(data)); err == nil && md.Revision != "" && md.Revision != r.Revision {
			return r.ID
		}
	}
	return ""
}

// localRepos gives the directories of the repositories with a file: URL, by id.
func localRepos(ws *workspace.Workspace) map[string]string {
	dirs := map[string]string{}
	for _, dir := range []string{ws.Config(), ws.YumRepos()} {
		names, _ := filepath.Glob(filepath.Join(dir, "*.repo"))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			id := ""
			for line := range strings.Lines(string(text)) {
				line = strings.TrimSpace(line)
				if inner, ok := strings.CutPrefix(line, "["); ok {
					id = strings.TrimSuffix(inner, "]")
				}
				if path, ok := strings.CutPrefix(strings.ReplaceAll(line, " ", ""), "baseurl=file://"); ok {
					dirs[id] = path
				}
			}
		}
	}
	return dirs
}

// buildStanding compares all that a tree depends on with what went into the last build.
func (b *build) buildStanding(env *Env, fetch Outdated) (out Outdated, err error) {
	if b.previous.BuildID == "" {
		return Outdated{Never: true}, nil
	}
	before, err := readInputs(env.WS.BuildDir(b.previous.BuildID, env.Arch.Name))
	if err != nil {
		return out, err
	}
	switch {
	case before == nil:
		return Outdated{Unknown: "build " + b.previous.BuildID + " does not say what went into it"}, nil
	case len(before) > 0 && strings.Contains(before[0].Digest, " "): // engineStamp of rpm-ostree
		return Outdated{Unknown: "rpm-ostree made build " + b.previous.BuildID + ": it compares for itself"}, nil
	}
	dir, err := os.MkdirTemp("", "nosa-standing")
	if err != nil {
		return out, fmt.Errorf("comparing with the last build: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := b.layersWith(filepath.Join(dir, "image.json")); err != nil {
		return out, err
	}
	if b.inputs, err = b.collectInputs(env); err != nil {
		return out, err
	}
	if fetch.Never || len(fetch.Reasons) > 0 { // packages that will be others say nothing
		before, b.inputs = before.withoutPackages(), b.inputs.withoutPackages()
		out.Reasons = append(out.Reasons, "the packages are to be fetched")
	}
	changed := b.inputs.changes(before)
	for i, name := range changed {
		if name == "manifest changed" {
			changed[i] += b.sinceBuild(env)
		}
	}
	out.Reasons = append(out.Reasons, few(changed)...)
	if len(out.Reasons) > 0 {
		return out, nil
	}
	if !b.hasArchive(env) {
		return Outdated{Reasons: []string{"the ociarchive of " + b.previous.BuildID + " is gone"}}, nil
	}
	why, err := b.imageInputsChanged(env)
	if why != "" {
		out.Reasons = []string{why}
	}
	return out, err
}

// sinceBuild names the treefiles written after the last build.
func (b *build) sinceBuild(env *Env) string {
	at, err := time.Parse(time.RFC3339, b.previous.BuildTimestamp)
	if err != nil {
		return ""
	}
	if names := b.newerFiles(env, at); names != "" {
		return " (" + strings.TrimPrefix(names, ": ") + ")"
	}
	return ""
}

// withoutPackages gives the inputs that are no packages.
func (list Inputs) withoutPackages() Inputs {
	return slices.DeleteFunc(slices.Clone(list), func(in Input) bool { return strings.HasPrefix(in.Name, "package ") })
}
