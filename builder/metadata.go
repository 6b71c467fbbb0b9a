package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// lookPatience is how long one who only looks waits for a stage that writes the
// cache: most of them last much longer.
const lookPatience = 300 * time.Millisecond

// metadata is what was fetched, opened to be looked at. Nothing in the workspace
// is written.
type metadata struct {
	request compose.QueryRequest
	scratch string
	lock    *lock.File // nil where there is none to take
}

// openMetadata takes the cache's lock shared and says what to look for there.
// What keeps it from looking is a *NotFetchedError or workspace.ErrLocked.
func openMetadata(ctx context.Context, env *Env, c *Config) (*metadata, error) {
	if _, err := os.Stat(metadataCache(env.WS)); errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFetchedError{Reason: "nothing was fetched yet"}
	}
	l, err := lookAtCache(ctx, env.WS)
	if err != nil {
		return nil, err
	}
	m := &metadata{lock: l, request: compose.QueryRequest{ResolveRequest: packageRequest(env, c)}}
	if m.scratch, err = os.MkdirTemp("", "nosa-overrides-"); err != nil {
		return nil, errors.Join(fmt.Errorf("looking packages up: %w", err), m.close())
	}
	m.request.Overrides, err = compose.ReadOverrides(ctx, env.WS.OverrideRPMs(), filepath.Join(m.scratch, "repo"), nil)
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *metadata) close() error {
	err := os.RemoveAll(m.scratch)
	if m.lock != nil {
		err = errors.Join(err, m.lock.Close())
	}
	return err
}

// fetched gives the packages of the last fetch if it was asked the same.
func (m *metadata) fetched(ws *workspace.Workspace) []rpmmd.FetchedPackage {
	r := m.request.ResolveRequest
	if r.Overrides != nil {
		r.Overrides = &compose.Overrides{URL: compose.FileURL(overridesRepo(ws)), Packages: r.Overrides.Packages}
	}
	f, err := rpmmd.ReadFetched(fetchedFile(ws))
	if err != nil || f.Input != inputDigest(r) {
		return nil
	}
	return f.Packages
}

// query asks, and makes of metadata that is not there a *NotFetchedError. Of
// repositories with a variable that has no value it gives the *compose.RepoError.
func (m *metadata) query(ctx context.Context) (compose.Answer, error) {
	a, err := compose.Query(ctx, m.request)
	repos, ok := errors.AsType[*compose.RepoError](err)
	if !ok || repos.Unset() {
		return a, err
	}
	var ids []string
	for _, p := range repos.Problems {
		ids = append(ids, p.ID)
	}
	return a, &NotFetchedError{Reason: "there is no metadata of " + strings.Join(ids, ", ")}
}

// lookAtCache takes cache/.lock shared, also where the cache may not be written.
func lookAtCache(ctx context.Context, ws *workspace.Workspace) (*lock.File, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	l, err := ws.LockCache(ctx, workspace.LockOptions{Kind: lock.Shared})
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return l, err
	}
	name := filepath.Join(ws.Cache(), ".lock")
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // never locked: a copy, or unpacked from an archive
	}
	if err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	l = lock.Inherited(f, name)
	if err := l.Lock(ctx, lock.Shared, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("the cache is %w: %w", workspace.ErrLocked, err), l.Close())
	}
	return l, nil
}
