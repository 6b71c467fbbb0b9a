package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// buildDir is the directory of the build in the making.
func buildDir(env *Env) string { return env.Work("build") }

// artifactFile names an artifact of the build in the making.
func (b *build) artifactFile(env *Env, kind string) workspace.ArtifactFile {
	return workspace.ArtifactFile{Name: b.config.name(), ID: b.id, Arch: env.Arch.Name, Type: kind}
}

// name is the system's name: that of stateroot and artifacts.
func (c *Config) name() string { return c.Manifest.Rojig.Name }

// PublishBuild writes the build's records and gives it its place in builds/.
type PublishBuild struct{ publishStep }

// Run implements Op.
func (o *PublishBuild) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b, dir := o.build, buildDir(env)
	if err := b.writeRecords(ctx, env, r); err != nil {
		return err
	}
	meta, err := b.meta(ctx, env, r)
	if err != nil {
		return err
	}
	if err := env.keepJournal(dir); err != nil {
		return err
	}
	if err := workspace.WriteMeta(ctx, dir, meta, env.Now()); err != nil {
		return err
	}
	entry := workspace.IndexEntry{ID: b.id, Arches: []string{env.Arch.Name}}
	if err := env.WS.Publish(ctx, entry, dir, env.Now()); err != nil {
		return err
	}
	env.Came("publish", "%s", b.id)
	r.Artifact(filepath.Join("builds", b.id, env.Arch.Name))
	return nil
}

// writeRecords writes everything beside meta.json.
func (b *build) writeRecords(ctx context.Context, env *Env, r *event.Reporter) error {
	dir, repo := buildDir(env), env.Repo(r)
	commit, err := repo.ReadCommit(b.commit.Checksum)
	if err != nil {
		return err
	}
	object, err := repo.CommitObject(b.commit.Checksum)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, workspace.CommitObjectFile), object, 0o444); err != nil {
		return fmt.Errorf("writing the commit object: %w", err)
	}
	flat, err := b.config.Manifest.JSON()
	if err != nil {
		return err
	}
	lock, err := b.fetched.Lockfile(b.epoch).JSON()
	if err != nil {
		return err
	}
	files := map[string][]byte{workspace.FlatManifestFile: flat, workspace.GeneratedLockfile(env.Arch.Name): lock}
	if b.config.Platforms != nil {
		files[PlatformsFile] = b.config.Platforms
	}
	for name, v := range map[string]any{workspace.CommitMetaFile: commit.JSON(), InputsFile: b.inputs} {
		if files[name], err = json.MarshalIndent(v, "", "    "); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	for name, made := range map[string]any{workspace.OverlaysFile: b.placement, ChangesFile: b.madeChanges(r)} {
		data, err := b.treeRecord(env, name, made)
		if err != nil {
			return err
		}
		if data != nil {
			files[name] = data
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	if _, err := env.WS.WriteConfigRecord(ctx, dir, workspace.RecordOptions{Now: env.Now()}); err != nil {
		return err
	}
	_, err = env.WS.WriteYumReposRecord(ctx, dir, env.Now())
	return err
}

// meta is meta.json of the new build.
func (b *build) meta(ctx context.Context, env *Env, r *event.Reporter) (workspace.Meta, error) {
	checkout, err := b.configCheckout(ctx, env)
	if err != nil {
		return workspace.Meta{}, err
	}
	commit, err := env.Repo(r).ReadCommit(b.commit.Checksum)
	if err != nil {
		return workspace.Meta{}, err
	}
	m, c := b.config.Manifest, b.commit
	checksum, inputs := b.imageConfigSum(), ""
	if checksum != "" {
		inputs = workspace.ImageInputChecksum(c.Checksum, checksum)
	}
	packages, err := b.packageNews(env, r)
	if err != nil {
		return workspace.Meta{}, err
	}
	return workspace.Meta{
		PkgDiff: packages,
		BuildID: b.id, Name: m.Rojig.Name, Summary: m.Rojig.Summary, Ref: m.Ref,
		Commit: c.Checksum, Version: b.version, CommitTimestamp: workspace.Timestamp(b.epoch),
		ContentChecksum: commit.ContentChecksum(), InputHash: b.inputs.Digest(),
		MetadataTotal: int64(c.MetadataTotal), MetadataWritten: int64(c.MetadataWritten),
		ContentTotal: int64(c.ContentTotal), ContentWritten: int64(c.ContentWritten),
		CacheHits: int64(c.CacheHits), BytesWritten: c.ContentBytesWritten,
		Images: b.artifacts, Arch: env.Arch.Name, BuildTimestamp: workspace.Timestamp(env.Now()),
		CodeSource: "container", ConfigRev: checkout.Describe, ConfigDirty: checkout.Git.Dirty,
		ConfigVariant: env.WS.Variant, ConfigGit: &checkout.Git,
		ImageConfigChecksum: checksum, ImageInputChecksum: inputs,
		ImageGeneration: b.generation(), OverridesActive: b.overridden(),
		NosaVersion: env.Version, Engine: env.engineName(), Rootfs: b.config.Image.RootFS,
	}, nil
}

// packageNews is by which packages the build differs from the previous one, as meta.json has it; nil
// where there is none, or it does not say what it is made of.
func (b *build) packageNews(env *Env, r *event.Reporter) (json.RawMessage, error) {
	if b.previous.BuildID == "" {
		return nil, nil
	}
	dir := env.WS.BuildDir(b.previous.BuildID, env.Arch.Name)
	before, err := readLockfile(filepath.Join(dir, workspace.GeneratedLockfile(env.Arch.Name)))
	if err != nil {
		r.Line("packages are not compared with those of build " + b.previous.BuildID + ": " + err.Error())
		return nil, nil
	}
	now := b.fetched.Lockfile(b.epoch)
	if changes := DiffPackages(before, now); len(changes) > 0 {
		r.Info("packages since " + b.previous.BuildID + ": " + CountPackages(changes))
	}
	return PackageDiff(before, now)
}

// generation is N of an id that ends in -N because its version was taken.
func (b *build) generation() int {
	n := 0
	if len(b.id) > len(b.version) {
		_, _ = fmt.Sscanf(b.id[len(b.version):], "-%d", &n)
	}
	return n
}

// overridden says if files or packages of overrides/ went into the tree.
func (b *build) overridden() bool {
	if b.resolve.Overrides != nil {
		return true
	}
	for _, o := range b.config.Overlays {
		if o.Name == overridesLayerName {
			return true
		}
	}
	return false
}
