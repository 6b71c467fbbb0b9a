package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/rpmostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// FinishCompose takes the commit over.
type FinishCompose struct {
	Ref string

	composeStep
}

// Run implements Op.
func (o *FinishCompose) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b, repo := o.build, env.Repo(r)
	if err := b.driven.drive.through("commit"); err != nil {
		return b.explainCompose(env, err)
	}
	result, err := rpmostree.ReadResult(composeDir(env, "compose.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("rpm-ostree ended without an error and without a commit")
	}
	if err != nil {
		return err
	}
	t, err := repo.Tree(ctx, result.Commit)
	if err != nil {
		return err
	}
	if got, _ := t.Commit.Metadata["version"].Value.(string); got != b.version {
		return fmt.Errorf("rpm-ostree made a commit of version %q, want %q", got, b.version)
	}
	b.commit = ostree.Committed{
		Checksum: result.Commit, MetadataTotal: result.MetadataTotal, MetadataWritten: result.MetadataWritten, ContentTotal: result.ContentTotal,
		ContentWritten: result.ContentWritten, CacheHits: result.CacheHits, ContentBytesWritten: result.BytesWritten,
	}
	b.epoch = t.Commit.Time
	names, err := packagesOf(t.Commit)
	if err != nil {
		return err
	}
	b.fetched = fetchedAs(b.fetched, names)
	b.placement = placed(b.layers)
	b.ownersOf(ctx, env, t, r)
	env.Came("commit", "%s", b.commit.Checksum[:16])
	return repo.SetRef(b.id, b.commit.Checksum)
}

// packagesOf reads the package list of a commit.
func packagesOf(c ostree.Commit) ([]rpmmd.NEVRA, error) {
	list, ok := c.Metadata["rpmostree.rpmdb.pkglist"].Value.([]any)
	if !ok {
		return nil, errors.New("the commit of rpm-ostree has no package list")
	}
	var names []rpmmd.NEVRA
	for _, item := range list {
		var n rpmmd.NEVRA
		fields, ok := item.([]any)
		if !ok || len(fields) != 5 {
			return nil, errors.New("the package list of rpm-ostree's commit has another form")
		}
		epoch, err := strconv.Atoi(fmt.Sprint(fields[1]))
		if err != nil {
			return nil, fmt.Errorf("the package list of rpm-ostree's commit: %w", err)
		}
		n.Name, n.Epoch, n.Version, n.Release, n.Arch = fmt.Sprint(fields[0]), epoch, fmt.Sprint(fields[2]), fmt.Sprint(fields[3]), fmt.Sprint(fields[4])
		names = append(names, n)
	}
	return names, nil
}

// placed tells which layer put what where, for layers that a tree has all of.
func placed(layers []tree.Layer) tree.Placement {
	p := tree.Placement{Layers: []tree.PlacedLayer{}}
	for _, l := range layers {
		one := tree.PlacedLayer{Name: l.Name, Override: l.Override, Paths: []string{}}
		for _, f := range l.Files {
			name := f.Path
			if rest, ok := strings.CutPrefix(name, "usr/etc/"); ok {
				name = "etc/" + rest
			}
			if !f.Mode.IsDir() {
				one.Paths = append(one.Paths, "/"+name)
			}
		}
		p.Layers = append(p.Layers, one)
	}
	return p
}

// ownersOf asks the commit's package database which package has which path, for the layers of the
// archive. A database that the rpm here cannot read makes larger layers, and no failure.
func (b *build) ownersOf(ctx context.Context, env *Env, t ostree.Tree, r *event.Reporter) {
	root := env.Work("rpmdb")
	err := os.MkdirAll(root, 0o755)
	if err == nil {
		err = (&blamer{env: env, tree: t, repo: env.Repo(r)}).skeleton(root)
	}
	if err == nil {
		b.owners, err = tree.Tree{Root: root}.Owners(ctx)
	}
	if err != nil {
		r.Info("the archive's layers are not made by package: " + err.Error())
	}
}
