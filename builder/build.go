package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// BuildRequest asks for a build.
type BuildRequest struct {
	Targets []string `json:"targets"` // image types; an empty list is the commit alone, nil the usual ones
	Fetch   bool     `json:"fetch,omitempty"`
	Force   bool     `json:"force,omitempty"`
	// ForceImage makes a new build of the same commit although nothing has changed for images.
	ForceImage bool `json:"force_image,omitempty"`
	Strict     bool `json:"strict,omitempty"`
	// Engine makes the tree: one of Engines, "" is the first.
	Engine  manifest.Engine `json:"engine,omitempty"`
	Version string          `json:"version,omitempty"`
	Parent  string          `json:"parent,omitempty"` // checksum
	Tag     string          `json:"tag,omitempty"`
	Offline bool            `json:"offline,omitempty"`
	NoWait  bool            `json:"no_wait,omitempty"`
	// FinalizeScripts runs the scripts of finalize.d, which rpm-ostree runs on the host, in the sandbox.
	FinalizeScripts bool `json:"finalize_scripts,omitempty"`
}

// engineVersion is part of what a build depends on: it is raised when the same
// input gives another tree.
const engineVersion = 3

// build is what travels between the steps of a build.
type build struct {
	config  *Config
	req     BuildRequest
	resolve compose.ResolveRequest
	images  []string // types

	fetched      rpmmd.Fetched
	epoch        time.Time // of everything that goes into the tree
	imageJSON    []byte    // nil of a container
	layers       []tree.Layer
	checkout     *workspace.Checkout
	previous     workspace.Meta // zero when there is none
	inputs       Inputs
	version      string
	id           string
	same         string // id of the build that has all these inputs already
	sameTree     bool   // the previous commit is this build's: only its images differ
	tree         cachedTree
	previousTree *ostree.Tree     // its commit's files, once they were asked for
	seed         tree.SeedOptions // accounts that join those of the cached tree
	view         sandbox.View     // of the cached tree, while the commit's tree is made
	known        ostree.Index     // of the files in the view
	changes      *upperWatch      // what each step changed in the view; nil where that is a copy
	kver         string
	initramfs    string // dracut's image
	placement    tree.Placement
	commit       ostree.Committed
	signer       string            // fingerprint of the key that signs the commit; "" is none
	owners       map[string]string // package by path, of the commit's files
	artifacts    map[string]workspace.Artifact
	driven       *composeBuild // where rpm-ostree makes the tree
}

// Build composes, commits and publishes a build, and makes its images.
func Build(ctx context.Context, env *Env, req BuildRequest) error {
	env.Offline, env.NoWait = req.Offline, req.NoWait
	if err := env.useEngine(ctx, req.Engine, "build", "disk"); err != nil {
		return err
	}
	if err := env.probe(ctx); err != nil {
		return err
	}
	release, err := env.Open(ctx, UseBuilds, writeCache)
	if err != nil {
		return err
	}
	return errors.Join(runBuild(ctx, env, req), release())
}

func runBuild(ctx context.Context, env *Env, req BuildRequest) error {
	began := env.Now()
	if _, err := env.WS.Repair(ctx, env.Now()); err != nil {
		return err
	}
	if req.Fetch {
		if err := fetch(ctx, env, FetchRequest{Strict: req.Strict, Offline: req.Offline, Engine: req.Engine}); err != nil {
			return err
		}
	}
	b, plan, err := planBuild(ctx, env, req)
	if err != nil {
		return err
	}
	if err := plan.Run(ctx, env); err != nil {
		return b.keepFailed(ctx, env, err)
	}
	id := b.id
	if b.same != "" {
		id = b.same
		env.Sink.Emit(event.Event{Kind: event.Log, Level: event.Info, Text: "nothing has changed: the build is " + id})
	}
	if req.Tag != "" {
		err := env.WS.UpdateIndex(ctx, env.Now(), func(x *workspace.Index) error {
			return x.Tag(workspace.Tag{Name: req.Tag, Target: id}, env.Now())
		})
		if err != nil {
			return err
		}
	}
	if len(b.images) > 0 {
		images, err := PlanImages(env, ImageRequest{Build: id, Types: b.images})
		if err != nil {
			return err
		}
		if err := images.Run(ctx, env); err != nil {
			return err
		}
	}
	if err := trimAfter(ctx, env, began); err != nil {
		return err
	}
	return env.writeHistory("build")
}

// trimAfter keeps the cache within its limit; what the build that began then used stays.
func trimAfter(ctx context.Context, env *Env, began time.Time) error {
	limit, err := env.WS.CacheLimit(os.Getenv("NOSA_CACHE_LIMIT"))
	if err != nil {
		return err
	}
	t, err := TrimCache(ctx, env, workspace.TrimOptions{Limit: limit, Since: began, Cheap: true, Now: env.Now()}, nil)
	if err == nil && t.Freed > 0 {
		env.Sink.Emit(event.Event{Kind: event.Log, Level: event.Info, Text: fmt.Sprintf("cache: %s that was not used for longest is gone, for the limit of %s", t.Freed, t.Limit)})
	}
	return err
}

// PlanBuild gives the steps of a build and of its images.
func PlanBuild(ctx context.Context, env *Env, req BuildRequest) (Plan, error) {
	b, plan, err := planBuild(ctx, env, req)
	if err != nil {
		return nil, err
	}
	images, err := imageSteps(b.images, DiskImage{later: true}, "publish")
	return append(plan, images...), err
}

func planBuild(ctx context.Context, env *Env, req BuildRequest) (*build, Plan, error) {
	if err := env.chooseEngine(req.Engine); err != nil {
		return nil, nil, err
	}
	config, err := LoadConfig(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	if err := env.checkEngine(config); err != nil {
		return nil, nil, err
	}
	b := &build{config: config, req: req}
	if b.images, err = req.images(config.Manifest); err != nil {
		return nil, nil, err
	}
	if b.resolve, err = resolveRequest(ctx, env, config); err != nil {
		return nil, nil, err
	}
	b.resolve.Strict = req.Strict
	if err := b.findPrevious(env); err != nil {
		return nil, nil, err
	}
	if err := b.makeLayers(env); err != nil {
		return nil, nil, err
	}
	m := config.Manifest
	c := composeStep{b}
	ready := "inputs" // the step after which the tree is made
	var key Plan
	if m.GPGKey != "" {
		ready = "key"
		key = Plan{{Name: ready, Title: "check the signing key", Weight: 1, Needs: []string{"inputs"}, Op: &CheckKey{Key: m.GPGKey, composeStep: c}}}
	}
	plan := slices.Concat(Plan{
		{Name: "packages", Title: "packages from the cache", Weight: 1, Op: &PickPackages{Input: inputDigest(b.resolve), build: b}},
		{Name: "inputs", Title: "compare with the last build", Weight: 1, Needs: []string{"packages"}, Op: &CompareInputs{Force: req.Force, ForceImage: req.ForceImage, Version: req.Version, build: b}},
	}, key, Plan{
		{Name: "overlays", Title: "commit overlays", Weight: 1, Needs: []string{ready}, Op: &CommitOverlays{Names: b.layerNames(), composeStep: c}},
		{Name: "install", Title: "install packages", Weight: 30, Needs: []string{ready}, Op: &InstallPackages{NoDocs: !m.Documentation, Langs: texts(m.InstallLangs), composeStep: c}},
		{Name: "layers", Title: "apply overlays", Weight: 3, Needs: []string{"install", "overlays"}, Op: &ApplyLayers{Names: b.layerNames(), composeStep: c}},
		{Name: "configure", Title: "post-process", Weight: 2, Needs: []string{"layers"}, Op: &Configure{DefaultTarget: m.DefaultTarget, Units: texts(m.Units), composeStep: c}},
		{Name: "scripts", Title: "run postprocess scripts", Weight: 3, Needs: []string{"configure"}, Op: &RunScripts{Count: len(b.scripts(env)), composeStep: c}},
		{Name: "layout", Title: "lay out for OSTree", Weight: 3, Needs: []string{"scripts"}, Op: &LayOut{SELinux: m.SELinux, composeStep: c}},
		{Name: "kernel", Title: "kernel and modules", Weight: 1, Needs: []string{"layout"}, Op: &PlaceKernel{composeStep: c}},
		{Name: "initramfs", Title: "initramfs", Weight: 15, Needs: []string{"kernel"}, Op: &MakeInitramfs{Args: texts(m.InitramfsArgs), composeStep: c}},
		{Name: "seal", Title: "check and seal the tree", Weight: 1, Needs: []string{"initramfs"}, Op: &SealTree{composeStep: c}},
		{Name: "commit", Title: "commit the tree", Weight: 15, Needs: []string{"seal"}, Op: &CommitTree{Ref: m.Ref, SELinux: m.SELinux, Parent: req.Parent, composeStep: c}},
		{Name: "archive", Title: "write the ociarchive", Weight: 15, Needs: []string{"commit"}, Op: &WriteArchive{publishStep: publishStep{b}}},
		{Name: "publish", Title: "publish the build", Weight: 1, Needs: []string{"archive"}, Op: &PublishBuild{publishStep: publishStep{b}}},
	})
	if env.usesRPMOSTree() {
		plan = plan.buildWithRPMOSTree(env, b)
	}
	return b, plan, nil
}

// findPrevious finds the newest build of this architecture that is here.
func (b *build) findPrevious(env *Env) error {
	index, err := env.WS.ReadIndex()
	if err != nil {
		return err
	}
	for _, e := range index.Builds {
		if !slices.Contains(e.Arches, env.Arch.Name) || !env.WS.HasBuild(e.ID, env.Arch.Name) {
			continue
		}
		meta, err := workspace.ReadMeta(env.WS.BuildDir(e.ID, env.Arch.Name))
		if err != nil {
			env.Reporter("inputs").Warn("build " + e.ID + " is left out: " + err.Error())
			continue
		}
		if meta.BuildID != e.ID {
			env.Reporter("inputs").Warn("build " + e.ID + " is left out: its meta.json is that of " + meta.BuildID)
			continue
		}
		b.previous = meta
		return nil
	}
	return nil
}

// configCheckout is the state of the config, as it was when the build first asked.
func (b *build) configCheckout(ctx context.Context, env *Env) (workspace.Checkout, error) {
	if b.checkout != nil {
		return *b.checkout, nil
	}
	c, err := env.WS.ConfigCheckout(ctx)
	if err == nil {
		b.checkout = &c
	}
	return c, err
}

// hasArchive says if the previous build's commit can be had from the build itself.
func (b *build) hasArchive(env *Env) bool {
	_, err := os.Stat(filepath.Join(env.WS.BuildDir(b.previous.BuildID, env.Arch.Name), b.previous.Images["ostree"].Path))
	return err == nil
}

// makeLayers gives the layers in the order in which they are applied: those of
// the config, the image configuration, the user's overrides.
func (b *build) makeLayers(env *Env) error { return b.layersWith(env.Work("image.json")) }

// layersWith is makeLayers with the images' configuration in that file, which it writes.
func (b *build) layersWith(file string) error {
	for _, o := range b.config.Overlays {
		if !o.Override {
			b.layers = append(b.layers, o.layer)
		}
	}
	if !b.config.Manifest.Container {
		var err error
		if b.imageJSON, err = b.config.imageJSON(); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("writing image.json: %w", err)
		}
		if err := os.WriteFile(file, b.imageJSON, 0o644); err != nil {
			return fmt.Errorf("writing image.json: %w", err)
		}
		b.layers = append(b.layers, imageLayer(file))
	}
	for _, o := range b.config.Overlays {
		if o.Override {
			b.layers = append(b.layers, o.layer)
		}
	}
	return nil
}

// imageConfigSum is the checksum of the images' configuration; "" where there can be no images.
func (b *build) imageConfigSum() string {
	if b.imageJSON == nil {
		return ""
	}
	return sha256Hex(b.imageJSON)
}

// imageLayerName is the ref of the images' configuration.
const imageLayerName = layerPrefix + "cosa-image-json"

// imageLayer is the layer that makes the images' configuration part of the
// commit, so that images of an old build never read the working tree.
func imageLayer(file string) tree.Layer {
	dir := filepath.Dir(imageConfigPath[1:])
	return tree.Layer{Name: imageLayerName, Files: []tree.File{
		{Path: "usr", Mode: os.ModeDir | 0o755},
		{Path: "usr/share", Mode: os.ModeDir | 0o755},
		{Path: dir, Mode: os.ModeDir | 0o755},
		{Path: imageConfigPath[1:], Mode: 0o644, Source: file},
	}}
}

func (b *build) layerNames() []string {
	names := make([]string, len(b.layers))
	for i, l := range b.layers {
		names[i] = l.Name
	}
	return names
}

// decide sets id and version of the build.
func (b *build) decide(env *Env) error {
	m := b.config.Manifest
	if err := b.config.checkName().Err(); err != nil {
		return err
	}
	b.version = b.req.Version
	if b.sameTree {
		b.version = b.previous.Version
	}
	if b.version == "" {
		if m.VersionPrefix == "" {
			return hint(errors.New("the manifest has no automatic-version-prefix"), "add one, or give --version")
		}
		var err error
		if b.version, err = manifest.NextVersion(m.VersionPrefix, m.VersionSuffix, b.previous.Version, env.Now().UTC()); err != nil {
			return err
		}
	}
	if err := workspace.CheckID(b.version); err != nil {
		return fmt.Errorf("version of the build: %w", err)
	}
	index, err := env.WS.ReadIndex()
	if err != nil {
		return err
	}
	b.id = b.version
	for n := 1; ; n++ {
		if _, taken := index.Find(b.id); !taken {
			return nil
		}
		b.id = b.version + "-" + strconv.Itoa(n)
	}
}

// imageJSON is the image configuration as it goes into the commit.
func (c *Config) imageJSON() ([]byte, error) {
	script, err := grubScript()
	if err != nil {
		return nil, err
	}
	return c.Image.JSON(script)
}
