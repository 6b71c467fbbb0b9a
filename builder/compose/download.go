package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
)

// defaultJobs is how many packages are downloaded at once.
const defaultJobs = 6

// DownloadRequest names what Download brings.
type DownloadRequest struct {
	Packages []Package
	Repos    []Repo // of the Solution: how to reach them, whose packages must be signed
	Dir      string // cache/rpms: a package is at Dir/File, and there only when its checksum was right
	Jobs     int    // at once; 0 is 6
	Report   *event.Reporter
}

// Missing gives the packages that are not in dir yet.
func Missing(dir string, packages []Package) []Package {
	var missing []Package
	for _, p := range packages {
		info, err := os.Stat(filepath.Join(dir, p.File))
		if err != nil || info.Size() != p.Size {
			missing = append(missing, p)
		}
	}
	return missing
}

// Download brings every package that is not in Dir yet, and checks the signatures of those that
// must have one. With nothing missing it makes no request but for the keys of such repositories.
// Its errors are *ChecksumError, *SignatureError, *SpaceError, *FetchError.
func Download(ctx context.Context, r DownloadRequest) error {
	missing := Missing(r.Dir, r.Packages)
	d := downloader{dir: r.Dir, report: r.Report, wait: backoff, stall: stallAfter, clients: map[string]*client{}}
	for _, repo := range r.Repos {
		c, err := newClient(repo.Access)
		if err != nil {
			return fmt.Errorf("repository %s: %w", repo.ID, err)
		}
		d.clients[repo.ID] = c
	}
	if err := d.all(ctx, missing, r.Jobs); err != nil {
		return err
	}
	return d.checkSignatures(ctx, r)
}

// downloader brings packages into dir.
type downloader struct {
	dir     string
	report  *event.Reporter
	clients map[string]*client // by repository id
	wait    func(ctx context.Context, attempt int) error
	stall   stallTime
	total   int64
	done    atomic.Int64 // bytes
}

func (d *downloader) all(ctx context.Context, packages []Package, jobs int) error {
	if len(packages) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(d.dir, partDir), 0o755); err != nil {
		return fmt.Errorf("downloading packages: %w", err)
	}
	for _, p := range packages {
		d.total += p.Size
	}
	if err := d.checkSpace(packages); err != nil {
		return err
	}
	if jobs <= 0 {
		jobs = defaultJobs
	}
	d.report.Progress(0, d.total, event.UnitBytes)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for _, p := range packages {
		group.Go(func() error { return d.one(ctx, p) })
	}
	err := group.Wait()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return d.spaceError(0)
	}
	return err
}

// partDir is where unfinished files lie, below the directory of the downloads.
const partDir = "part"

// one brings a package to where it belongs, by rename.
func (d *downloader) one(ctx context.Context, p Package) error {
	client, ok := d.clients[p.Repo]
	if !ok || len(p.URLs) == 0 {
		return &FetchError{Package: p.String(), Repo: p.Repo, Err: errors.New("it has no address: was it resolved offline?")}
	}
	t := &transfer{downloader: d, client: client, pkg: p, part: filepath.Join(d.dir, partDir, p.SHA256)}
	if err := t.run(ctx); err != nil {
		return err
	}
	name := filepath.Join(d.dir, p.File)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("downloading %s: %w", p, err)
	}
	if err := os.Rename(t.part, name); err != nil {
		return fmt.Errorf("downloading %s: %w", p, err)
	}
	d.report.Line("downloaded " + filepath.Base(name))
	return nil
}

// add counts bytes, negative ones when they have to be read again.
func (d *downloader) add(n int64) {
	d.report.Progress(d.done.Add(n), d.total, event.UnitBytes)
}

// checkSpace refuses before the work begins. What lies there unfinished counts as needed no more.
func (d *downloader) checkSpace(packages []Package) error {
	needed := d.total
	for _, p := range packages {
		if info, err := os.Stat(filepath.Join(d.dir, partDir, p.SHA256)); err == nil {
			needed -= min(info.Size(), p.Size)
		}
	}
	free, err := freeSpace(d.dir)
	if err != nil {
		return err
	}
	if event.Bytes(needed) > free {
		return d.spaceError(event.Bytes(needed))
	}
	return nil
}

func (d *downloader) spaceError(needed event.Bytes) error {
	free, err := freeSpace(d.dir)
	if err != nil {
		return err
	}
	if needed == 0 {
		needed = event.Bytes(d.total - d.done.Load())
	}
	return &SpaceError{Dir: d.dir, Needed: needed, Free: free}
}

func freeSpace(dir string) (event.Bytes, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return event.Bytes(int64(st.Bavail) * st.Bsize), nil //nolint:unconvert // Bsize is int32 on some architectures
}
