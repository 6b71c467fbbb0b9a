package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/builder/oci"
	"github.com/nestos/nosa/builder/ostree"
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

// WriteArchive writes the commit as an OS container: the form in which a build
// keeps it, whatever becomes of the cache.
type WriteArchive struct{ publishStep }

// Run implements Op.
func (o *WriteArchive) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b := o.build
	if err := os.MkdirAll(buildDir(env), 0o755); err != nil {
		return fmt.Errorf("making the build's directory: %w", err)
	}
	name, err := b.artifactFile(env, "ostree").FileName()
	if err != nil {
		return err
	}
	manifestName, err := b.artifactFile(env, "oci-manifest").FileName()
	if err != nil {
		return err
	}
	if b.sameTree {
		err = b.reuseArchive(env, name, manifestName)
	} else {
		err = b.writeArchive(ctx, env, archiveFiles{name, manifestName}, r)
	}
	if err != nil {
		return err
	}
	b.artifacts = map[string]workspace.Artifact{}
	for kind, file := range map[string]string{"ostree": name, "oci-manifest": manifestName} {
		a, err := finishArtifact(ctx, filepath.Join(buildDir(env), file), r)
		if err != nil {
			return err
		}
		a.SkipCompression = true
		b.artifacts[kind] = a
	}
	env.Came("archive", "%s", event.Bytes(b.artifacts["ostree"].Size))
	return nil
}

// reuseArchive gives the new build the archive of the previous one, whose commit it has.
func (b *build) reuseArchive(env *Env, name, manifestName string) error {
	old := env.WS.BuildDir(b.previous.BuildID, env.Arch.Name)
	for kind, file := range map[string]string{"ostree": name, "oci-manifest": manifestName} {
		from, to := filepath.Join(old, b.previous.Images[kind].Path), filepath.Join(buildDir(env), file)
		if err := os.Link(from, to); err == nil {
			continue
		}
		if err := copyAtomically(from, to); err != nil {
			return fmt.Errorf("taking the archive of build %s: %w", b.previous.BuildID, err)
		}
	}
	b.commit = ostree.Committed{
		Checksum: b.previous.Commit, MetadataTotal: int(b.previous.MetadataTotal), ContentTotal: int(b.previous.ContentTotal),
		CacheHits: int(b.previous.ContentTotal),
	}
	return nil
}

// archiveFiles names the two files of an archive.
type archiveFiles struct{ archive, manifest string }

func (b *build) writeArchive(ctx context.Context, env *Env, files archiveFiles, r *event.Reporter) error {
	checksum := sha256Hex(b.imageJSON)
	checkout, err := b.configCheckout(ctx, env)
	if err != nil {
		return err
	}
	repo := env.Repo(r)
	t, err := repo.Tree(ctx, b.commit.Checksum)
	if err != nil {
		return err
	}
	linux, _ := t.Commit.Metadata["ostree.linux"].Value.(string)
	image, err := oci.Write(ctx, oci.Request{
		Repo: repo.Path, Commit: b.commit.Checksum, Entries: ociEntries(t), Dest: filepath.Join(buildDir(env), files.archive),
		Arch: env.Arch.Name, Version: b.version, Linux: linux, Created: b.epoch, Cmd: texts(b.config.Manifest.ContainerCmd),
		Level: archiveLevel, Groups: b.owners, Cache: filepath.Join(env.WS.Cache(), "layers"),
		Labels: map[string]string{
			"coreos-assembler.image-config-checksum": checksum,
			"coreos-assembler.image-input-checksum":  workspace.ImageInputChecksum(b.commit.Checksum, checksum),
			"org.opencontainers.image.source":        checkout.Git.Origin,
			"org.opencontainers.image.revision":      checkout.Git.Commit,
		},
	}, r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(buildDir(env), files.manifest), image.Manifest, 0o644); err != nil {
		return fmt.Errorf("writing the OCI manifest: %w", err)
	}
	env.Because("archive", fmt.Sprintf("%d of %d layers from the cache", image.Cached, image.Layers))
	return nil
}

// archiveLevel is gzip's for the archive: the fast one, since every build waits for it.
const archiveLevel = 1

func ociEntries(t ostree.Tree) []oci.Entry {
	list := make([]oci.Entry, len(t.Entries))
	for i, e := range t.Entries {
		list[i] = oci.Entry(e)
	}
	return list
}

// HaveCommit brings a build's commit back into the cache, which may have been
// deleted, from the build's archive.
type HaveCommit struct {
	Build  string
	Commit string
}

// Skip implements Skipper.
func (h *HaveCommit) Skip(_ context.Context, env *Env) (string, error) {
	if _, err := env.Repo(nil).ReadCommit(h.Commit); err == nil {
		return "in the cache", nil
	}
	return "", nil
}

// Run implements Op.
func (h *HaveCommit) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	dir := env.WS.BuildDir(h.Build, env.Arch.Name)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		return err
	}
	return env.alone(ctx, func() error {
		if reason, err := h.Skip(ctx, env); reason != "" || err != nil {
			return err
		}
		return h.unpack(ctx, env, r, filepath.Join(dir, meta.Images["ostree"].Path))
	})
}

func (h *HaveCommit) unpack(ctx context.Context, env *Env, r *event.Reporter, archive string) error {
	repo := env.Repo(r)
	if err := repo.Init(ctx, ostree.BareUser); err != nil {
		return err
	}
	commit, err := oci.Import(ctx, archive, repo.Path, r)
	if err != nil {
		return err
	}
	if commit != h.Commit {
		return fmt.Errorf("the archive of build %s holds commit %s, want %s", h.Build, commit, h.Commit)
	}
	return repo.SetRef(ctx, h.Build, commit)
}

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
	checksum := sha256Hex(b.imageJSON)
	return workspace.Meta{
		BuildID: b.id, Name: m.Rojig.Name, Summary: m.Rojig.Summary, Ref: m.Ref,
		Commit: c.Checksum, Version: b.version, CommitTimestamp: workspace.Timestamp(b.epoch),
		ContentChecksum: commit.ContentChecksum(), InputHash: b.inputs.Digest(),
		MetadataTotal: int64(c.MetadataTotal), MetadataWritten: int64(c.MetadataWritten),
		ContentTotal: int64(c.ContentTotal), ContentWritten: int64(c.ContentWritten),
		CacheHits: int64(c.CacheHits), BytesWritten: c.ContentBytesWritten,
		Images: b.artifacts, Arch: env.Arch.Name, BuildTimestamp: workspace.Timestamp(env.Now()),
		CodeSource: "container", ConfigRev: checkout.Describe, ConfigDirty: checkout.Git.Dirty,
		ConfigVariant: env.WS.Variant, ConfigGit: &checkout.Git,
		ImageConfigChecksum: checksum, ImageInputChecksum: workspace.ImageInputChecksum(c.Checksum, checksum),
		ImageGeneration: b.generation(), OverridesActive: b.overridden(),
		NosaVersion: env.Version, Engine: "dnf", Rootfs: b.config.Image.RootFS,
	}, nil
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
		if o.Name == layerPrefix+"nosa-overrides-rootfs" {
			return true
		}
	}
	return false
}
