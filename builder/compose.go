package builder

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
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

// CommitOverlays commits each layer to a ref of its own, as nestos-assembler does.
type CommitOverlays struct {
	Names []string

	build *build
}

// Run implements Op.
func (o *CommitOverlays) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	repo := env.Repo(r)
	if err := repo.Init(ctx, ostree.BareUser); err != nil {
		return err
	}
	b := o.build
	b.layerSums = nil
	for i, layer := range b.layers {
		dir := env.Work("layers", fmt.Sprintf("%02d", i))
		if err := writeLayer(layer, dir); err != nil {
			return err
		}
		c, err := repo.Commit(ctx, ostree.CommitRequest{
			Branch: layer.Name, Trees: []ostree.Source{{Dir: dir}}, Time: b.config.Epoch, OwnerRoot: true, NoXattrs: true,
		})
		if err != nil {
			return err
		}
		commit, err := repo.ReadCommit(c.Checksum)
		if err != nil {
			return err
		}
		b.layerSums = append(b.layerSums, commit.ContentChecksum())
		if err := removeTree(dir); err != nil {
			return fmt.Errorf("clearing a layer: %w", err)
		}
	}
	env.Came("overlays", "%d layers", len(b.layers))
	return nil
}

// CompareInputs decides if there is anything to build, and the version.
type CompareInputs struct {
	Force   bool
	Version string

	build *build
}

// Run implements Op.
func (o *CompareInputs) Run(_ context.Context, env *Env, _ *event.Reporter) error {
	b := o.build
	var err error
	if b.inputs, err = b.inputHash(); err != nil {
		return err
	}
	if !o.Force && b.previous.InputHash == b.inputs {
		b.same = b.previous.BuildID
		env.Came("inputs", "unchanged since %s", b.same)
		return nil
	}
	if err := b.decide(env); err != nil {
		return err
	}
	env.Came("inputs", "new build %s", b.id)
	return nil
}

// composeStep is what the steps have in common that only run for a new build.
type composeStep struct{ build *build }

// Skip implements Skipper.
func (c composeStep) Skip(_ context.Context, _ *Env) (string, error) {
	if c.build.same != "" {
		return "unchanged", nil
	}
	return "", nil
}

// rootDir is where the tree is composed.
func rootDir(env *Env) string { return env.Work("root") }

// tree is the root tree on its way to a commit.
func (c composeStep) tree(env *Env, r *event.Reporter) tree.Tree {
	return tree.Tree{Root: rootDir(env), Epoch: c.build.epoch, Proc: env.Proc, Report: r}
}

// InstallPackages makes the root tree from the packages.
type InstallPackages struct {
	NoDocs bool
	Langs  []string

	composeStep
}

// Run implements Op.
func (o *InstallPackages) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b := o.build
	var installed int64
	for _, p := range b.fetched.Packages {
		installed += p.InstalledSize
	}
	if err := checkSpace(env.Work(), composeSpace(installed)); err != nil {
		return err
	}
	if err := os.MkdirAll(rootDir(env), 0o755); err != nil {
		return fmt.Errorf("making the root: %w", err)
	}
	seed, err := b.seed(ctx, env.Repo(r))
	if err != nil {
		return err
	}
	if err := o.tree(env, r).Seed(seed); err != nil {
		return err
	}
	done, err := compose.Install(ctx, compose.InstallRequest{
		Root: rootDir(env), RPMs: rpmCache(env.WS), Packages: b.fetched.Packages, NoDocs: o.NoDocs, Langs: o.Langs,
		Epoch: b.epoch, Work: env.Work(), Proc: env.Proc, Report: r,
	})
	if err != nil {
		return err
	}
	for _, call := range done.Calls {
		r.Line("not run: " + strings.Join(call.Argv, " ") + " (" + call.Scriptlet + " of " + call.Package + ")")
	}
	env.Came("install", "%d packages, %d calls of tools not run", len(b.fetched.Packages), len(done.Calls))
	return nil
}

// seed gives the accounts that packages shall find: those of the files that
// check-passwd and check-groups name, else those of the previous commit.
func (b *build) seed(ctx context.Context, repo ostree.Repo) (tree.SeedOptions, error) {
	m := b.config.Manifest
	var o tree.SeedOptions
	if !m.PreservePasswd {
		return o, nil
	}
	var err error
	if o.Passwd, err = b.referenceAccounts(ctx, repo, m.CheckPasswd, "passwd"); err != nil {
		return o, err
	}
	o.Group, err = b.referenceAccounts(ctx, repo, m.CheckGroups, "group")
	return o, err
}

// referenceAccounts gives the passwd or group file that the new tree is seeded
// and compared with; nil when there is none.
func (b *build) referenceAccounts(ctx context.Context, repo ostree.Repo, a manifest.Accounts, name string) ([]byte, error) {
	switch a.Mode {
	case manifest.CheckFile:
		data, err := os.ReadFile(a.File.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: reading the reference accounts: %w", a.Origin, err)
		}
		return data, nil
	case manifest.CheckPrevious:
		if b.previous.Commit == "" {
			return nil, nil
		}
		return previousAccounts(ctx, repo, b.previous.Commit, name)
	case manifest.CheckNone, manifest.CheckData:
	}
	return nil, nil
}

// previousAccounts joins a commit's accounts of usr/etc and usr/lib. A commit
// that is no longer in the cache has none: it cannot be compared with.
func previousAccounts(ctx context.Context, repo ostree.Repo, commit, name string) ([]byte, error) {
	t, err := repo.Tree(ctx, commit)
	if err != nil {
		return nil, nil //nolint:nilerr // the cache may be deleted at any time
	}
	var all []byte
	for _, dir := range []string{"/usr/etc/", "/usr/lib/"} {
		if data, err := repo.ReadFile(t, dir+name); err == nil {
			all = append(all, data...)
		}
	}
	return all, nil
}

// ApplyLayers removes what remove-from-packages names and puts the layers over
// the packages: before scripts and initramfs, as rpm-ostree does.
type ApplyLayers struct {
	Names []string

	composeStep
}

// Run implements Op.
func (o *ApplyLayers) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	m, t := o.build.config.Manifest, o.tree(env, r)
	var removals []tree.Removal
	for _, rm := range m.RemoveFromPackages {
		removals = append(removals, tree.Removal{Package: rm.Package.Text, Patterns: texts(rm.Patterns), Origin: rm.Package.Origin.String()})
	}
	if err := t.RemoveFromPackages(ctx, removals); err != nil {
		return err
	}
	if m.ReadonlyExecutables {
		if err := t.ReadOnlyExecutables(ctx); err != nil {
			return err
		}
	}
	var err error
	if o.build.placement, err = t.Overlays(ctx, o.build.layers); err != nil {
		return err
	}
	env.Came("layers", "%s", strings.Join(trimPrefixes(o.Names), ", "))
	return t.Sysusers(ctx)
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
	for _, do := range []func() error{
		func() error { return t.RPMDB(ctx) },
		func() error { return t.Units(o.Units) },
		func() error { return t.DefaultTarget(o.DefaultTarget) },
		func() error {
			if m.OptUsrLocal == manifest.OptStateOverlay {
				return t.StateOverlay()
			}
			return nil
		},
		func() error { return t.Treefile(flat) },
		func() error { return t.OSRelease(m.MutateOSRelease, b.version) },
		func() error { return t.RemoveFiles(texts(m.RemoveFiles)) },
		func() error { return t.AddFiles(additions) },
	} {
		if err := do(); err != nil {
			return err
		}
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
	return o.tree(env, r).Scripts(ctx, o.build.scripts())
}

// scripts gives postprocess, then postprocess-script. The file is read when the
// script runs; one that cannot be read was a diagnostic of the load.
func (b *build) scripts() []tree.Script {
	m := b.config.Manifest
	var list []tree.Script
	for i, s := range m.Postprocess {
		list = append(list, tree.Script{Text: s.Text, Title: fmt.Sprintf("postprocess[%d]", i), Origin: s.Origin.String()})
	}
	if path := m.PostprocessScript.Path; path != "" {
		text, _ := os.ReadFile(path)
		list = append(list, tree.Script{Text: string(text), Title: "postprocess-script", Origin: m.PostprocessScript.Origin.String()})
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
	return t.Var(ctx)
}

// MakeInitramfs puts the kernel in its place and runs the tree's dracut, then
// seals the tree.
type MakeInitramfs struct {
	Args []string

	composeStep
}

// Run implements Op.
func (o *MakeInitramfs) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	m, t := o.build.config.Manifest, o.tree(env, r)
	if !m.Container {
		kver, err := t.Kernel(ctx)
		if err != nil {
			return err
		}
		env.Came("initramfs", "%s", kver)
		if !m.NoInitramfs {
			err = t.Initramfs(ctx, tree.InitramfsOptions{
				KVER: kver, Args: o.Args, BootLocation: tree.BootLocation(m.BootLocation), Scratch: env.Work(),
			})
			if err != nil {
				return err
			}
		}
	}
	if err := t.Seal(ctx, tree.SealOptions{RefuseDevices: !m.IgnoreDevices}); err != nil {
		return err
	}
	ref, err := o.build.reference(ctx, env.Repo(r))
	if err != nil {
		return err
	}
	return t.CheckAccounts(ctx, ref)
}

// reference gives the accounts that the tree is compared with.
func (b *build) reference(ctx context.Context, repo ostree.Repo) (tree.Reference, error) {
	m := b.config.Manifest
	ref := tree.Reference{IgnoreUsers: texts(m.IgnoreRemovedUsers), IgnoreGroups: texts(m.IgnoreRemovedGroups)}
	passwd, err := b.referenceAccounts(ctx, repo, m.CheckPasswd, "passwd")
	if err != nil {
		return ref, err
	}
	group, err := b.referenceAccounts(ctx, repo, m.CheckGroups, "group")
	if err != nil {
		return ref, err
	}
	if ref.Users, err = tree.ParsePasswd(passwd); err != nil {
		return ref, fmt.Errorf("%s: %w", m.CheckPasswd.Origin, err)
	}
	if ref.Groups, err = tree.ParseGroup(group); err != nil {
		return ref, fmt.Errorf("%s: %w", m.CheckGroups.Origin, err)
	}
	for _, a := range m.CheckPasswd.Entries {
		ref.Users = append(ref.Users, tree.User{Name: a.Name, UID: int(a.ID), GID: int(a.GID)})
	}
	for _, a := range m.CheckGroups.Entries {
		ref.Groups = append(ref.Groups, tree.Group{Name: a.Name, GID: int(a.ID)})
	}
	return ref, nil
}

// grubScript is the grub.cfg that image.json records.
func grubScript() (string, error) { return disk.GrubConfig(disk.GrubRequest{BLSCFG: true}) }
