package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
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

// CommitOverlays commits each layer to a ref of its own, as nestos-assembler does.
type CommitOverlays struct {
	Names []string

	composeStep
}

// Run implements Op.
func (o *CommitOverlays) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	repo := env.Repo(r)
	if err := repo.Init(ctx, ostree.BareUser); err != nil {
		return err
	}
	b := o.build
	for i, layer := range b.layers {
		dir := env.Work("layers", fmt.Sprintf("%02d", i))
		if err := writeLayer(layer, dir); err != nil {
			return err
		}
		c, err := repo.Write(ctx, ostree.WriteRequest{Dir: dir, Time: b.config.Epoch, OwnerRoot: true, NoXattrs: true})
		if err != nil {
			return err
		}
		if err := repo.SetRef(ctx, layer.Name, c.Checksum); err != nil {
			return err
		}
		if err := removeTree(dir); err != nil {
			return fmt.Errorf("clearing a layer: %w", err)
		}
	}
	env.Came("overlays", "%d layers", len(b.layers))
	return nil
}

// rootDir is where the tree is composed.
func rootDir(env *Env) string { return env.Work("view", "root") }

// tree is the root tree on its way to a commit.
func (c composeStep) tree(env *Env, r *event.Reporter) tree.Tree {
	return tree.Tree{Root: rootDir(env), Epoch: c.build.epoch, Proc: env.Proc, Shim: env.Shim, Report: r}
}

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

// ApplyLayers removes what remove-from-packages names and puts the layers over
// the packages: before scripts and initramfs, as rpm-ostree does.
type ApplyLayers struct {
	Names []string

	composeStep
}

// Run implements Op.
func (o *ApplyLayers) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	if err := o.build.openView(ctx, env, r); err != nil {
		return err
	}
	m, t := o.build.config.Manifest, o.tree(env, r)
	var removals []tree.Removal
	for _, rm := range m.RemoveFromPackages {
		removals = append(removals, tree.Removal{Package: rm.Package.Text, Patterns: texts(rm.Patterns), Origin: rm.Package.Origin.String()})
	}
	if err := t.RemoveFromPackages(ctx, removals); err != nil {
		return err
	}
	o.build.note("layers", "remove-from-packages")
	if m.ReadonlyExecutables {
		if err := t.ReadOnlyExecutables(ctx); err != nil {
			return err
		}
		o.build.note("layers", "readonly-executables")
	}
	var err error
	if o.build.placement, err = t.Overlays(ctx, o.build.layers); err != nil {
		return err
	}
	env.Came("layers", "%s", strings.Join(trimPrefixes(o.Names), ", "))
	o.build.note("layers", "ostree-layers")
	if err := t.Sysusers(ctx); err != nil {
		return err
	}
	o.build.note("layers", "sysusers")
	return nil
}

func trimPrefixes(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimPrefix(n, layerPrefix)
	}
	return out
}

// Configure does what the manifest says of the tree, up to its scripts.
type Configure struct {
	DefaultTarget string
	Units         []string

	composeStep
}

// Run implements Op.
func (o *Configure) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b, t := o.build, o.tree(env, r)
	m := b.config.Manifest
	flat, err := m.JSON()
	if err != nil {
		return err
	}
	var additions []tree.Addition
	for _, a := range m.AddFiles {
		additions = append(additions, tree.Addition{Source: a.Source.Path, Dest: a.Dest.Text})
	}
	for _, part := range []struct {
		name string // of the manifest's key, if one asks for it
		do   func() error
	}{
		{"rpmdb", func() error { return t.RPMDB(ctx) }},
		{"units", func() error { return t.Units(o.Units) }},
		{"default-target", func() error { return t.DefaultTarget(o.DefaultTarget) }},
		{"opt-usrlocal", func() error {
			if m.OptUsrLocal == manifest.OptStateOverlay {
				return t.StateOverlay()
			}
			return nil
		}},
		{"treefile", func() error { return t.Treefile(flat) }},
		{"mutate-os-release", func() error { return t.OSRelease(m.MutateOSRelease, b.version) }},
		{"remove-files", func() error { return t.RemoveFiles(texts(m.RemoveFiles)) }},
		{"add-files", func() error { return t.AddFiles(additions) }},
	} {
		if err := part.do(); err != nil {
			return err
		}
		b.note("configure", part.name)
	}
	return nil
}

// RunScripts runs the manifest's scripts in the tree.
type RunScripts struct {
	Count int

	composeStep
}

// Run implements Op.
func (o *RunScripts) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	env.Came("scripts", "%d scripts", o.Count)
	for _, script := range o.build.scripts(env) {
		if err := o.tree(env, r).Scripts(ctx, []tree.Script{script}); err != nil {
			return err
		}
		o.build.noteAt("scripts", script.Title, script.Origin)
	}
	return nil
}

// scripts gives postprocess, then postprocess-script. The file is read when the
// script runs; one that cannot be read was a diagnostic of the load.
func (b *build) scripts(env *Env) []tree.Script {
	m := b.config.Manifest
	var list []tree.Script
	for i, s := range m.Postprocess {
		list = append(list, tree.Script{Text: s.Text, Title: fmt.Sprintf("postprocess[%d]", i), Origin: s.Origin.String()})
	}
	if path := m.PostprocessScript.Path; path != "" {
		text, _ := os.ReadFile(path)
		list = append(list, tree.Script{Text: string(text), Title: "postprocess-script", Origin: m.PostprocessScript.Origin.String(), File: b.shortName(env, path)})
	}
	return list
}

// LayOut gives the tree the shape of an OSTree commit.
type LayOut struct {
	SELinux bool

	composeStep
}

// Run implements Op.
func (o *LayOut) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	m, t := o.build.config.Manifest, o.tree(env, r)
	err := t.Layout(ctx, tree.LayoutOptions{
		TmpIsDir: m.TmpIsDir, OptUsrLocal: tree.OptUsrLocal(m.OptUsrLocal), NoMachineID: !m.MachineIDCompat,
	})
	if err != nil {
		return err
	}
	if err := t.Accounts(ctx, tree.AccountOptions{EtcGroupMembers: texts(m.EtcGroupMembers)}); err != nil {
		return err
	}
	if o.SELinux {
		if err := t.SELinux(ctx); err != nil {
			return err
		}
	}
	if err := t.Var(ctx); err != nil {
		return err
	}
	o.build.note("layout", "layout")
	return nil
}

// PlaceKernel puts the kernel in its place.
type PlaceKernel struct{ composeStep }

// Run implements Op.
func (o *PlaceKernel) Run(ctx context.Context, env *Env, r *event.Reporter) (err error) {
	if o.build.config.Manifest.Container {
		return nil
	}
	if o.build.kver, err = o.tree(env, r).Kernel(ctx); err != nil {
		return err
	}
	env.Came("kernel", "%s", o.build.kver)
	o.build.note("kernel", "kernel")
	return nil
}

// SealTree completes the tree: the initramfs, and nothing that must not be committed.
type SealTree struct{ composeStep }

// Run implements Op.
func (o *SealTree) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b, t := o.build, o.tree(env, r)
	m := b.config.Manifest
	if b.wantsInitramfs() {
		err := t.PlaceInitramfs(tree.InitramfsOptions{KVER: b.kver, BootLocation: tree.BootLocation(m.BootLocation)}, b.initramfs)
		if err != nil {
			return err
		}
		b.note("initramfs", "initramfs")
	}
	if err := t.Seal(ctx, tree.SealOptions{RefuseDevices: !m.IgnoreDevices}); err != nil {
		return err
	}
	b.note("seal", "seal")
	ref, err := b.reference(ctx, env)
	if err != nil {
		return err
	}
	return t.CheckAccounts(ctx, ref)
}

// grubScript is the grub.cfg that image.json records.
func grubScript() (string, error) { return disk.GrubConfig(disk.GrubRequest{BLSCFG: true}) }
