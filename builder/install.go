package builder

import (
	"context"
	"errors"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
)

// InstallPackages finds the tree of the packages in the cache, or makes it.
//
// Accounts keep the ids that they had in the previous commit. Where the packages alone give the same
// ids, as is the rule, their tree is taken as it is and the other accounts join it; else they are
// installed anew, with the accounts before them.
type InstallPackages struct {
	NoDocs bool
	Langs  []string

	composeStep
	seed tree.SeedOptions // what is in the tree before the packages
	why  string
}

// Skip implements Skipper: the tree may be in the cache.
func (o *InstallPackages) Skip(ctx context.Context, env *Env) (string, error) {
	if reason, err := o.composeStep.Skip(ctx, env); reason != "" || err != nil {
		return reason, err
	}
	b := o.build
	if b.fetched.Packages == nil {
		return "", nil // only a plan
	}
	if err := sweepTrees(env); err != nil {
		return "", err
	}
	wanted, err := b.wantedAccounts(ctx, env)
	if err != nil {
		return "", err
	}
	if b.config.Manifest.CheckPasswd.Mode == manifest.CheckFile || b.config.Manifest.CheckGroups.Mode == manifest.CheckFile {
		o.seed = wanted // as they are part of the config the tree is found again
	}
	b.tree = treeOf(env, o.spec(env, o.seed).key())
	record, ok := b.tree.record()
	if !ok {
		o.why = newsSince(env, b.fetched.Packages)
		return "", nil
	}
	fits, err := o.fits(env, wanted)
	if err != nil {
		return "", err
	}
	if !fits {
		o.seed = wanted
		b.tree = treeOf(env, o.spec(env, o.seed).key())
		if record, ok = b.tree.record(); !ok {
			o.why = "accounts of the last commit have other ids than the packages give"
			return "", nil
		}
	}
	b.tree.use(env.Now())
	return record.samePackages(), checkSpace(env.Work(), rebuildSpace(b.installedSize()))
}

// fits says if the tree of b can be had by the accounts that are wanted in it, and then who joins.
func (o *InstallPackages) fits(env *Env, wanted tree.SeedOptions) (bool, error) {
	if o.seed.Passwd != nil || o.seed.Group != nil {
		return true, nil
	}
	fits, err := tree.Tree{Root: o.build.tree.dir}.Fits(wanted)
	if fits {
		o.build.seed = wanted
	}
	return fits, err
}

// Run implements Op.
func (o *InstallPackages) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b := o.build
	wanted, err := b.wantedAccounts(ctx, env)
	if err != nil {
		return err
	}
	if err := o.install(ctx, env, r); err != nil {
		return err
	}
	fits, err := o.fits(env, wanted)
	if err != nil {
		return err
	}
	if !fits {
		o.seed = wanted
		o.why += "; again, since accounts of the last commit have other ids"
		b.tree = treeOf(env, o.spec(env, o.seed).key())
		if err := o.install(ctx, env, r); err != nil {
			return err
		}
	}
	record, _ := b.tree.record()
	for _, line := range record.NotRun {
		r.Line("not run: " + line)
	}
	env.Because("install", o.why)
	env.Came("install", "%d packages, %d calls of tools not run", len(b.fetched.Packages), len(record.NotRun))
	return nil
}

func (o *InstallPackages) install(ctx context.Context, env *Env, r *event.Reporter) error {
	if _, ok := o.build.tree.record(); ok {
		return nil
	}
	if err := checkSpace(env.Work(), composeSpace(o.build.installedSize())); err != nil {
		return err
	}
	return o.build.tree.install(ctx, env, o, r)
}

// installedSize is what the packages say that they take on disk, in bytes.
func (b *build) installedSize() (sum int64) {
	for _, p := range b.fetched.Packages {
		sum += p.InstalledSize
	}
	return sum
}

// errNoMounts is why there is no overlay behind the weakest fence.
var errNoMounts = errors.New("there is no mount namespace here: a mount would stay after a kill")

// openView makes the tree of the packages changeable.
func (b *build) openView(ctx context.Context, env *Env, r *event.Reporter) error {
	var err error
	if env.Fence == proc.FenceReaper {
		b.view, err = sandbox.CopyView(ctx, b.tree.dir, env.Work("view"), errNoMounts)
	} else {
		b.view, err = sandbox.OpenView(ctx, b.tree.dir, env.Work("view"))
	}
	if err != nil {
		return err
	}
	env.closing = append(env.closing, b.closeView)
	if b.view.Copied != nil {
		r.Info("the packages' tree is copied: " + b.view.Copied.Error())
	}
	b.known = ostree.ReadIndex(b.tree.indexFile())
	if b.view.Copied == nil {
		b.changes = watchUpper(b.tree.dir, env.Work("view", "upper"))
	}
	if err := (tree.Tree{Root: b.view.Root, Report: r}).JoinSeed(b.seed); err != nil {
		return err
	}
	b.note("layers", "accounts")
	return nil
}

// closeView ends the view; later calls do nothing.
func (b *build) closeView() error {
	v := b.view
	b.view = sandbox.View{}
	return v.Close()
}
