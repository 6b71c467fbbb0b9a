package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/workspace/event"
)

// composeBuild is the part of a build that rpm-ostree does.
type composeBuild struct {
	files composeFiles
	drive drive
}

// composeSteps are the steps of the plan that the one program spans, in its order. It puts the
// layers over the packages before their scriptlets run, so that step has no time of its own.
func composeSteps() []string {
	return []string{"install", "layers", "configure", "scripts", "layout", "kernel", "initramfs", "seal", "commit"}
}

// composePhases says which step a phase is a part of.
func composePhases() map[rpmostree.Phase]string {
	return map[rpmostree.Phase]string{
		rpmostree.Resolve: "install", rpmostree.Download: "install", rpmostree.Install: "install",
		rpmostree.Configure: "configure", rpmostree.Scripts: "scripts", rpmostree.Layout: "layout", rpmostree.Kernel: "kernel",
		rpmostree.Initramfs: "initramfs", rpmostree.Seal: "seal", rpmostree.Commit: "commit",
	}
}

// buildWithRPMOSTree puts rpm-ostree in the place of the steps that make the tree. Names, titles and
// order stay, so that every viewer sees the same build.
func (p Plan) buildWithRPMOSTree(env *Env, b *build) Plan {
	b.driven = &composeBuild{
		files: composeFiles{config: b.config, resolve: b.resolve, layers: b.layers},
		drive: drive{steps: composeSteps(), of: composePhases()},
	}
	req := b.composeRequest(env)
	c := composeStep{b}
	before := ""
	for i := range p {
		s := &p[i]
		switch s.Name {
		case "packages":
			s.Op = &PickComposed{Input: composeDigest(b.resolve), build: b}
		case "install":
			s.Op, s.Needs = &StartCompose{Args: req.Args(), request: req, composeStep: c}, []string{"overlays"}
		case "commit":
			s.Op, s.Needs = &FinishCompose{Ref: b.config.Manifest.Ref, composeStep: c}, []string{before}
		case "layers", "configure", "scripts", "layout", "kernel", "initramfs", "seal":
			s.Op, s.Needs = &WaitCompose{Step: s.Name, composeStep: c}, []string{before}
		}
		before = s.Name
	}
	return p
}

// composeRequest is the command line, all that is known before anything runs.
func (b *build) composeRequest(env *Env) rpmostree.Request {
	r := b.driven.files.request(env)
	r.Offline, r.Parent = true, b.req.Parent
	r.Metadata, r.Result, r.Stamp = composeDir(env, "metadata.json"), composeDir(env, "compose.json"), composeDir(env, "changed")
	// What the program does not hash itself asks for a new commit, too.
	r.Force = b.req.Force || b.req.Parent != "" || b.req.Version != "" && b.req.Version != b.previous.Version
	if b.previous.Commit == "" || !b.hasArchive(env) {
		r.Force = true // the tip of the ref may be a commit of which there is no build
	} else {
		r.Previous = b.previous.Commit
	}
	return r
}

// StartCompose has rpm-ostree make tree and commit; it is done when the packages are installed.
type StartCompose struct {
	Args []string

	composeStep
	request rpmostree.Request
}

// Command is the command line, for people.
func (o *StartCompose) Command() []string { return o.Args }

// Run implements Op.
func (o *StartCompose) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b := o.build
	d := &b.driven.drive
	if err := b.allowFinalize(env); err != nil {
		return err
	}
	if err := o.havePrevious(ctx, env, r); err != nil {
		return err
	}
	if err := checkSpace(env.Work(), composeSpace(b.installedSize())); err != nil {
		return err
	}
	if err := b.driven.files.write(ctx, env); err != nil {
		return err
	}
	if err := b.writeComposeMetadata(ctx, env); err != nil {
		return err
	}
	d.epoch = b.epoch
	d.start(ctx, env, o.request.Args())
	if err := d.through("install"); err != nil {
		return b.explainCompose(env, err)
	}
	seen := d.seen()
	if seen.Unchanged {
		return o.unchanged(env)
	}
	env.Came("install", "%s", count(cmp.Or(seen.Packages, len(b.fetched.Packages)), "package", "packages"))
	env.Because("layers", "rpm-ostree puts them over the packages before scriptlets run: in the time of install")
	return nil
}

// allowFinalize wants a word before rpm-ostree runs a config's scripts as root outside of any sandbox.
func (b *build) allowFinalize(env *Env) error {
	list := b.finalizeScripts(env)
	if len(list) == 0 || b.req.FinalizeScripts {
		return nil
	}
	return hint(fmt.Errorf("rpm-ostree would run %s on this machine itself, as root and without a sandbox", list[0].Origin),
		"--finalize-scripts allows it; the dnf engine runs such scripts in the sandbox")
}

// havePrevious brings the commit back that the program compares with. Where that fails it
// compares with nothing.
func (o *StartCompose) havePrevious(ctx context.Context, env *Env, r *event.Reporter) error {
	if o.request.Previous == "" {
		return nil
	}
	have := &HaveCommit{Build: o.build.previous.BuildID, Commit: o.request.Previous}
	reason, err := have.Skip(ctx, env)
	if err == nil && reason == "" {
		err = have.Run(ctx, env, r)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	r.Warn("build " + o.build.previous.BuildID + " is not compared with: " + err.Error())
	o.request.Previous, o.request.Force = "", true
	return nil
}

// unchanged ends the build, or makes it one of the same commit, since rpm-ostree found nothing new
// in what nosa took for new.
func (o *StartCompose) unchanged(env *Env) error {
	b := o.build
	env.Came("install", "rpm-ostree finds no change since %s", b.previous.BuildID)
	why, err := b.imageInputsChanged(env)
	if err != nil {
		return err
	}
	if why == "" && !b.req.ForceImage {
		b.same = b.previous.BuildID
		return nil
	}
	b.sameTree = true
	env.Because("install", cmp.Or(why, "--force-image"))
	return b.decide(env)
}

// writeComposeMetadata writes what the commit says of itself besides what rpm-ostree puts there: the
// package list, repositories, its own input hash, the manifest's add-commit-metadata.
func (b *build) writeComposeMetadata(ctx context.Context, env *Env) error {
	checkout, err := b.configCheckout(ctx, env)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(map[string]string{
		"version":                        b.version,
		"nosa.inputhash":                 b.inputs.Digest(),
		"nosa.engine":                    env.engineName(),
		"nosa.engine-version":            env.engineVersion,
		"coreos-assembler.basearch":      env.Arch.Name,
		"coreos-assembler.config-gitrev": checkout.Describe,
		"coreos-assembler.config-dirty":  checkout.Git.Dirty,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the commit's metadata: %w", err)
	}
	if err := os.WriteFile(composeDir(env, "metadata.json"), data, 0o644); err != nil {
		return fmt.Errorf("writing the commit's metadata: %w", err)
	}
	return nil
}

func (b *build) explainCompose(env *Env, err error) error {
	e := composeFailure{env: env, files: &b.driven.files, seen: b.driven.drive.seen(), build: b}
	return e.explain(err)
}

// WaitCompose is a step in the middle of what rpm-ostree does.
type WaitCompose struct {
	Step string

	composeStep
}

// Run implements Op.
func (o *WaitCompose) Run(_ context.Context, env *Env, _ *event.Reporter) error {
	b := o.build
	if err := b.driven.drive.through(o.Step); err != nil {
		return b.explainCompose(env, err)
	}
	switch o.Step {
	case "layers":
		env.Came("layers", "%s", strings.Join(trimPrefixes(b.layerNames()), ", "))
	case "scripts":
		env.Came("scripts", "%d scripts", b.driven.drive.seen().Script)
	}
	return nil
}
