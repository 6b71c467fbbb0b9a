package builder

import (
	"cmp"
	"context"

	"github.com/nestos/nosa/workspace/event"
)

// PickPackages takes the packages from the cache, without a network.
type PickPackages struct {
	Input string // digest of what was asked for

	build *build
}

// Run implements Op.
func (o *PickPackages) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b := o.build
	req := b.resolve
	req.Report = r
	var err error
	if b.fetched, err = fetchedPackages(ctx, env, req); err != nil {
		return err
	}
	b.epoch = b.config.Epoch
	if newest := b.fetched.Newest(); newest.After(b.epoch) {
		b.epoch = newest
	}
	if env.Epoch != nil {
		b.epoch = *env.Epoch
	}
	env.Came("packages", "%s", count(len(b.fetched.Packages), "package", "packages"))
	return nil
}

// CompareInputs decides if there is anything to build, and the version.
type CompareInputs struct {
	Force      bool
	ForceImage bool
	Version    string

	build *build
}

// Run implements Op.
func (o *CompareInputs) Run(_ context.Context, env *Env, _ *event.Reporter) error {
	b := o.build
	var err error
	if b.inputs, err = b.collectInputs(env); err != nil {
		return err
	}
	if !o.Force && b.previous.InputHash == b.inputs.Digest() && b.hasArchive(env) {
		why, err := b.imageInputsChanged(env)
		if err != nil {
			return err
		}
		if why == "" && !o.ForceImage {
			b.same = b.previous.BuildID
			env.Came("inputs", "unchanged since %s", b.same)
			return nil
		}
		b.sameTree = true
		env.Because("inputs", cmp.Or(why, "--force-image"))
	} else if err := o.explain(env); err != nil {
		return err
	}
	if err := b.decide(env); err != nil {
		return err
	}
	env.Came("inputs", "new build %s", b.id)
	return nil
}

// explain says why there is a new tree.
func (o *CompareInputs) explain(env *Env) error {
	b := o.build
	if b.previous.BuildID == "" {
		env.Because("inputs", "there is no build yet")
		return nil
	}
	before, err := readInputs(env.WS.BuildDir(b.previous.BuildID, env.Arch.Name))
	if err != nil {
		return err
	}
	switch news := b.inputs.Since(before); {
	case before == nil:
		env.Because("inputs", b.previous.BuildID+" does not say what went into it")
	case news != "":
		env.Because("inputs", news)
	case !b.hasArchive(env):
		env.Because("inputs", "the ociarchive of "+b.previous.BuildID+" is gone")
	default:
		env.Because("inputs", "--force")
	}
	return nil
}

// composeStep is what the steps have in common that only run for a new tree.
type composeStep struct{ build *build }

// Skip implements Skipper.
func (c composeStep) Skip(_ context.Context, _ *Env) (string, error) {
	switch {
	case c.build.same != "":
		return "nothing changed", nil
	case c.build.sameTree:
		return "the commit is that of " + c.build.previous.BuildID, nil
	}
	return "", nil
}

// publishStep is what the steps have in common that run for a new build.
type publishStep struct{ build *build }

// Skip implements Skipper.
func (p publishStep) Skip(_ context.Context, _ *Env) (string, error) {
	if p.build.same != "" {
		return "nothing changed", nil
	}
	return "", nil
}
