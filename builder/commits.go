package builder

import (
	"context"
	"errors"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
)

// commitTree reads the commit of a build. Where the cache has it that takes no
// lock; else the commit is brought back from the build's archive under the
// cache's lock.
func (e *Env) commitTree(ctx context.Context, meta workspace.Meta) (ostree.Tree, ostree.Repo, error) {
	repo := e.Repo(nil)
	if t, err := repo.Tree(ctx, meta.Commit); err == nil || ctx.Err() != nil {
		return t, repo, err
	}
	l, err := writeCache(ctx, e)
	if err != nil {
		return ostree.Tree{}, repo, err
	}
	defer func() { _ = l.Close() }()
	have := &HaveCommit{Build: meta.BuildID, Commit: meta.Commit}
	if err := have.Run(ctx, e, e.Reporter("commit")); err != nil {
		return ostree.Tree{}, repo, err
	}
	t, err := repo.Tree(ctx, meta.Commit)
	return t, repo, errors.Join(err)
}
