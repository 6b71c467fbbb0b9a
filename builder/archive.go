package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/builder/oci"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

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
	labels := map[string]string{
		"org.opencontainers.image.source":   checkout.Git.Origin,
		"org.opencontainers.image.revision": checkout.Git.Commit,
	}
	if sum := b.imageConfigSum(); sum != "" {
		labels["coreos-assembler.image-config-checksum"] = sum
		labels["coreos-assembler.image-input-checksum"] = workspace.ImageInputChecksum(b.commit.Checksum, sum)
	}
	image, err := oci.Write(ctx, oci.Request{
		Repo: repo.Path, Commit: b.commit.Checksum, Entries: ociEntries(t), Dest: filepath.Join(buildDir(env), files.archive),
		Arch: env.Arch.Name, Version: b.version, Linux: linux, Created: b.epoch, Cmd: texts(b.config.Manifest.ContainerCmd),
		Level: archiveLevel, Groups: b.owners, Cache: filepath.Join(env.WS.Cache(), "layers"),
		Labels: labels,
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
	return repo.SetRef(h.Build, commit)
}
