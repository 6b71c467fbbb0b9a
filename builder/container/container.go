// Package container makes the image that nosa's containers are started from: the distribution's programs and
// nosa itself, and where no registry can be reached also the base of it.
//
// How containers are started from it, and whether, is builder/backend's.
package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// Options say what image is made. Of one caller's builds with podman there must be only one at a time: what others
// have begun counts as left behind.
type Options struct {
	Engine backend.Engine
	Env    []string // the whole environment of the engine's client; what it has of proxies is the build's, too
	Dir    string   // an empty directory for what the engine gets and its temporary files; the caller removes it
	Base   string   // the image to start from; "" is DefaultBase
	Tag    string
	CA     []string // files with certificates that the image trusts, checked by CheckCA
	Repos  []string // files that take the place of the base's repositories, and their keys
	URLs   []string // the same as URLs, see assets/container/prepare.sh
	// Programs are nosa, nosa-tui and nestos-installer, static ones.
	Programs []string
	Version  string // of nosa
	Deps     string // assets.ImageDigest
	// Fresh asks registries and mirrors for what is newer, in place of reusing what is here of an earlier build.
	Fresh bool
	// Stop ends what the engine has left running when it was ended early; nil is nothing.
	Stop func()
}

// linger is how long what the engine left is waited for when itself has ended.
const linger = time.Second

// Summary is what came of a build.
type Summary struct {
	Image  backend.Image
	Before string // the id that had the tag; Image.ID if nothing changed, "" if nothing had it
}

// ErrNoBase is a base image that is not here and cannot be had.
var ErrNoBase = errors.New("the base image cannot be had")

// local is how the names of images begin that no registry has.
const local = "localhost/"

// Pull sees to it that the base image is here.
func Pull(ctx context.Context, o Options, r *event.Reporter) (backend.Image, error) {
	base := cmp.Or(o.Base, DefaultBase)
	image, err := o.Engine.Image(ctx, base)
	if err == nil && (!o.Fresh || strings.HasPrefix(base, local)) {
		return image, nil
	}
	switch {
	case err != nil && !errors.Is(err, backend.ErrNoImage):
		return image, err
	case err != nil && strings.HasPrefix(base, local):
		return image, fmt.Errorf("%w: %w", ErrNoBase, err)
	}
	err = proc.Run(ctx, proc.Cmd{Args: []string{o.Engine.Program, "pull", base}, Whole: o.env(), Line: r.Line})
	if err != nil {
		return image, fmt.Errorf("%w: %w", ErrNoBase, err)
	}
	return o.Engine.Image(ctx, base)
}

// Build makes the image of a base that is here, and gives it the tag. What other builds of such images left, and
// whatever had the tag before, is removed unless something uses it. A failure is a *proc.ExitError with the package
// manager's own words.
func Build(ctx context.Context, o Options, r *event.Reporter) (Summary, error) {
	var sum Summary
	old, err := o.Engine.Image(ctx, o.Tag)
	if err != nil && !errors.Is(err, backend.ErrNoImage) {
		return sum, err
	}
	sum.Before = old.ID
	if err := o.writeContext(); err != nil {
		return sum, err
	}
	if names := o.proxies(); len(names) > 0 {
		r.Info("packages come through the proxy of " + strings.Join(names, ", "))
	}
	clean := func() {
		if err := removeOld(ctx, o, r); err != nil {
			r.Warn(fmt.Sprintf("what earlier builds left stays: %v", err))
		}
	}
	clean()
	defer clean()
	if err := o.nameBase(ctx, r); err != nil {
		return sum, err
	}
	var p packages
	err = proc.Run(ctx, proc.Cmd{Args: o.argv(), Dir: o.Dir, Whole: o.env(), Linger: linger, Line: func(line string) {
		r.Line(line)
		if done, total, ok := p.read(plain(line)); ok {
			r.Progress(done, total, event.UnitPackages)
		}
	}})
	if err != nil && o.Stop != nil {
		o.Stop()
	}
	if err != nil {
		return sum, explain(err)
	}
	sum.Image, err = o.Engine.Image(ctx, o.Tag)
	return sum, err
}

// argv is the engine's command line.
func (o Options) argv() []string {
	base := cmp.Or(o.Base, DefaultBase)
	b := backend.Build{
		Context: o.Dir, File: filepath.Join(o.Dir, containerfile), Tag: o.Tag,
		Args: map[string]string{"BASE": base, "ORIGIN": base, "VERSION": o.Version, "DEPS": o.Deps},
	}
	if o.Engine.Kind == backend.Podman {
		b.Args["BASE"] = alias
	}
	if len(o.URLs) > 0 {
		b.Args["REPO_URL"] = strings.Join(o.URLs, " ")
	}
	for _, name := range o.proxies() {
		b.Args[name] = "" // from Env: a password must not be on a command line
	}
	argv := o.Engine.BuildArgv(b)
	more := []string{"--force-rm"}
	if o.Engine.Kind == backend.Podman {
		// With a runtime, its record of the container, cgroups and mounts would stay of a build that is killed. It also
		// is what works in a container. The job's pid namespace keeps scriptlets from others' processes.
		more = []string{"--isolation=chroot"}
	}
	if o.Fresh {
		more = append(more, "--no-cache")
	}
	return slices.Insert(argv, len(argv)-1, more...)
}

// proxies are the names of the proxy variables of Env, sorted. Engines know them without an ARG, and keep them
// out of the image.
func (o Options) proxies() []string {
	var names []string
	for _, v := range o.Env {
		name, value, _ := strings.Cut(v, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy":
			if value != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// env is Env with the engine's temporary files in Dir, so that they go with it.
func (o Options) env() []string { return inDir(o.Env, o.Dir) }

func inDir(env []string, dir string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "TMPDIR=") })
	return append(env, "TMPDIR="+dir)
}

// ClientEnv is the environment of an engine's client: the caller's, without what is between nosa and its worker,
// and with messages that can be read.
func ClientEnv(environ []string) []string {
	env := slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"NOSA_TOKEN", "NOSA_FENCE", "NOSA_JOB", "LC_ALL"}, name)
	})
	return append(env, "LC_ALL=C")
}
