package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
)

// rootDir is where the tree is composed.
func rootDir(env *Env) string { return env.Work("view", "root") }

// tree is the root tree on its way to a commit.
func (c composeStep) tree(env *Env, r *event.Reporter) tree.Tree {
	return tree.Tree{Root: rootDir(env), Epoch: c.build.epoch, Proc: env.Proc, Shim: env.Shim, Report: r}
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
	switch err := t.Sysusers(ctx); {
	case errors.Is(err, tree.ErrNoSysusers) && m.Sysusers == sysusersForced:
		return hint(fmt.Errorf("sysusers: %s: %w", sysusersForced, err), "the package systemd has it; or leave the key out")
	case errors.Is(err, tree.ErrNoSysusers):
		r.Line(err.Error() + ": accounts of sysusers.d come at boot")
	case err != nil:
		return err
	}
	o.build.note("layers", "sysusers")
	return nil
}

// sysusersForced is the value of the key sysusers by which a tree without systemd-sysusers is wrong.
const sysusersForced = "compose-forced"

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

// finalizeScripts gives the scripts of finalize.d in their order.
func (b *build) finalizeScripts(env *Env) []tree.Script {
	m := b.config.Manifest
	var list []tree.Script
	for _, f := range m.Finalize {
		text, _ := os.ReadFile(f.Path) // as of scripts
		name := b.shortName(env, f.Path)
		list = append(list, tree.Script{Text: string(text), Title: "finalize.d/" + filepath.Base(f.Path), Origin: name, File: name, Treefiles: m.Dir})
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

// Skip implements Skipper: a container has no kernel.
func (o *PlaceKernel) Skip(ctx context.Context, env *Env) (string, error) {
	if reason, err := o.composeStep.Skip(ctx, env); reason != "" || err != nil {
		return reason, err
	}
	if o.build.config.Manifest.Container {
		return "a container has no kernel", nil
	}
	return "", nil
}

// Run implements Op.
func (o *PlaceKernel) Run(ctx context.Context, env *Env, r *event.Reporter) (err error) {
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
		if err := t.PlaceInitramfs(b.kver, b.initramfs); err != nil {
			return err
		}
		b.note("initramfs", "initramfs")
	}
	if !m.Container && m.BootLocation == manifest.BootNew {
		if err := t.LinkBoot(b.kver); err != nil {
			return err
		}
		b.note("seal", "boot-location")
	}
	if b.req.FinalizeScripts {
		for _, script := range b.finalizeScripts(env) {
			if err := t.Scripts(ctx, []tree.Script{script}); err != nil {
				return err
			}
			b.noteAt("seal", script.Title, script.Origin)
		}
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
