package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
)

// CommitTree commits the tree.
type CommitTree struct {
	Ref     string
	SELinux bool
	Parent  string

	composeStep
}

// Run implements Op.
func (o *CommitTree) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b := o.build
	meta, err := b.commitMetadata(ctx, env)
	if err != nil {
		return err
	}
	if m := b.config.Manifest; m.Has("advisories-metadata") && m.AdvisoriesMetadata == manifest.Inline {
		r.Info("advisories-metadata: the dnf engine records no advisories")
	}
	repo := env.Repo(r)
	if o.SELinux {
		b.commit, err = repo.Commit(ctx, ostree.CommitRequest{
			Trees: []ostree.Source{{Dir: rootDir(env)}}, Parent: o.Parent, Time: b.epoch, Metadata: meta, SELinuxPolicy: rootDir(env),
		})
	} else {
		err = o.write(ctx, repo, meta, r)
	}
	if err != nil {
		return err
	}
	if err := b.detach(ctx, env, repo); err != nil {
		return err
	}
	for _, ref := range []string{o.Ref, b.id} {
		if ref == "" {
			continue
		}
		if err := repo.SetRef(ref, b.commit.Checksum); err != nil {
			return err
		}
	}
	if b.owners, err = o.tree(env, r).Owners(ctx); err != nil {
		return err
	}
	env.Came("commit", "%s", b.commit.Checksum[:16])
	if err := b.closeView(); err != nil {
		return err
	}
	return removeTree(env.Work("view"))
}

// write commits the tree; what of the packages' tree is untouched is not read again.
func (o *CommitTree) write(ctx context.Context, repo ostree.Repo, meta []ostree.Meta, r *event.Reporter) error {
	b := o.build
	written, err := repo.Write(ctx, ostree.WriteRequest{
		Dir: b.view.Root, Known: b.known, Parent: o.Parent, Time: b.epoch, Metadata: meta,
		Progress: func(done, total int64) { r.Progress(done, total, event.UnitFiles) },
	})
	if err != nil {
		return err
	}
	b.commit = written.Committed
	return written.Index.Save(b.tree.indexFile())
}

// commitMetadata is what the commit says of itself.
func (b *build) commitMetadata(ctx context.Context, env *Env) ([]ostree.Meta, error) {
	m := b.config.Manifest
	user, err := json.Marshal(m.CommitMetadata)
	if err != nil {
		return nil, fmt.Errorf("add-commit-metadata: %w", err)
	}
	list, err := ostree.FromJSON(user)
	if err != nil {
		return nil, err
	}
	checkout, err := b.configCheckout(ctx, env)
	if err != nil {
		return nil, err
	}
	own := []ostree.Meta{
		ostree.Text("version", b.version),
		ostree.Text("rpmostree.inputhash", b.inputs.Digest()),
		ostree.Text("nosa.inputhash", b.inputs.Digest()),
		ostree.Text("nosa.engine", "dnf"),
		ostree.Text("coreos-assembler.basearch", env.Arch.Name),
		ostree.Text("coreos-assembler.config-gitrev", checkout.Describe),
		ostree.Text("coreos-assembler.config-dirty", checkout.Git.Dirty),
		ostree.Packages("rpmostree.rpmdb.pkglist", b.packageList()),
	}
	if m.RepoMetadata == manifest.Inline {
		own = append(own, ostree.Repos(repoTimesKey, b.repoTimes()))
	}
	if len(m.InitramfsArgs) > 0 {
		own = append(own, ostree.Texts("rpmostree.initramfs-args", texts(m.InitramfsArgs)))
	}
	if len(m.ContainerCmd) > 0 {
		own = append(own, ostree.Texts("ostree.container-cmd", texts(m.ContainerCmd)))
	}
	if !m.Container {
		kver, err := kernelVersion(rootDir(env))
		if err != nil {
			return nil, err
		}
		own = append(own, ostree.Flag("ostree.bootable", true), ostree.Text("ostree.linux", kver))
	}
	list = slices.DeleteFunc(list, func(u ostree.Meta) bool {
		return slices.ContainsFunc(own, func(o ostree.Meta) bool { return o.Key == u.Key })
	})
	return append(list, own...), nil
}

// repoTimesKey is the metadata with the repositories and the times of their own metadata.
const repoTimesKey = "rpmostree.rpmmd-repos"

func (b *build) packageList() []ostree.Package {
	list := make([]ostree.Package, len(b.fetched.Packages))
	for i, p := range b.fetched.Packages {
		list[i] = ostree.Package{Name: p.Name, Epoch: strconv.Itoa(p.Epoch), Version: p.NEVRA.Version, Release: p.Release, Arch: p.Arch}
	}
	return list
}

func (b *build) repoTimes() []ostree.RepoTime {
	list := make([]ostree.RepoTime, len(b.fetched.Repos))
	for i, r := range b.fetched.Repos {
		list[i] = ostree.RepoTime{ID: r.ID, Time: r.Timestamp}
	}
	return list
}

func kernelVersion(root string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, "usr/lib/modules/*/vmlinuz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d kernels in usr/lib/modules, want 1", len(found))
	}
	return filepath.Base(filepath.Dir(found[0])), nil
}
