package oci

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nestos/nosa/workspace/event"
)

// Compression is how layers are compressed.
type Compression string

// The compressions. Gzip, the default, is read by everything; zstd is smaller and faster, and
// needs readers of 2021 or later.
const (
	Gzip Compression = ""
	Zstd Compression = "zstd"
)

// Request asks for an archive.
type Request struct {
	Repo        string  // bare-user repository
	Commit      string  // checksum
	Entries     []Entry // all of the commit, in the order of a depth-first walk
	Dest        string  // the archive; written beside it, then renamed
	Arch        string  // RPM's name of the architecture
	Version     string  // of the commit; empty is none
	Linux       string  // version of the kernel; empty if the commit does not boot
	Created     time.Time
	Description string   // of the commit; empty names it
	Cmd         []string // what a container runs by default
	Labels      map[string]string
	Compression Compression
	Level       int // 1 (fast) to 9; 0 is the compressor's own default

	// Groups has the package that owns a path, with paths as a package database has them: those
	// that lead through symbolic links (/lib/…) and into /etc are found. What is not in it is
	// nobody's.
	Groups map[string]string

	// Cache is the directory in which compressed layers are kept for the next archive; empty is
	// none. The bytes of the archive do not depend on it.
	Cache string
}

// Image is an archive that was written.
type Image struct {
	Manifest []byte // JSON, as it is in the archive
	Digest   string // of the manifest: sha256:…
	DiffID   string // of the last uncompressed layer
	Layers   int
	Cached   int // layers that the cache had
}

// Write writes a commit as an archive of the OCI image layout. The same request gives the same
// bytes, whatever the cache has and however many processors there are.
func Write(ctx context.Context, req Request, r *event.Reporter) (img Image, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("encapsulating commit %s: %w", req.Commit, err)
		}
	}()
	w, err := newWriter(req, r)
	if err != nil {
		return Image{}, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(req.Dest), "."+filepath.Base(req.Dest)+"-")
	if err != nil {
		return Image{}, err
	}
	img, err = w.archive(ctx, tmp)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), req.Dest)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return Image{}, err
	}
	return img, nil
}

// writer writes the archive of a commit.
type writer struct {
	Request
	cache      cache
	dirs       map[string]Entry // the directories of the commit, by path
	commitmeta []byte           // detached metadata; nil is none
	progress   progress
}

func newWriter(req Request, r *event.Reporter) (*writer, error) {
	if len(req.Entries) == 0 || req.Entries[0].Path != "/" {
		return nil, errors.New("no entries")
	}
	if req.Compression != Gzip && req.Compression != Zstd {
		return nil, fmt.Errorf("unknown compression %q", req.Compression)
	}
	w := &writer{Request: req, cache: cache(req.Cache), dirs: map[string]Entry{}, progress: progress{r: r}}
	for _, e := range req.Entries {
		if e.isDir() {
			w.dirs[e.Path] = e
		}
	}
	var err error
	w.commitmeta, err = os.ReadFile(filepath.Join(req.Repo, objectName(req.Commit, extCommitmeta)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading object: %w", err)
	}
	return w, w.cache.prepare()
}

// progress counts the content that has got into layers, of several at a time.
type progress struct {
	mu          sync.Mutex
	done, total int64
	r           *event.Reporter
}

func (p *progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.r.Progress(p.done, p.total, event.UnitBytes)
}

// archive writes the layers before what describes them.
func (w *writer) archive(ctx context.Context, f *os.File) (Image, error) {
	// Without the directories skopeo makes them itself and fails to chown them unless it is root.
	out := tar.NewWriter(f)
	for _, name := range []string{"blobs", "blobs/sha256"} {
		if err := out.WriteHeader(directory(name, Entry{Mode: 0o755}).header()); err != nil {
			return Image{}, err
		}
	}
	layers := w.layers()
	for _, l := range layers {
		w.progress.total += l.content()
	}
	blobs, err := w.blobs(ctx, layers, f)
	if err != nil {
		return Image{}, err
	}
	return w.describe(f, layers, blobs)
}

// blobs makes the layers, as many at a time as there are processors, and appends them to the archive
// in their order.
func (w *writer) blobs(ctx context.Context, layers []layer, f *os.File) ([]blob, error) {
	made := make([]chan blob, len(layers))
	for i := range made {
		made[i] = make(chan blob, 1)
	}
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(layers)) {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < len(layers); i = int(next.Add(1)) - 1 {
				b, err := w.blob(ctx, layers[i])
				if err != nil {
					return err
				}
				made[i] <- b
			}
			return nil
		})
	}
	var done []blob
	g.Go(func() error {
		for i, l := range layers {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case b := <-made[i]:
				b, err := w.add(ctx, f, l, b)
				if err != nil {
					return err
				}
				done = append(done, b)
			}
		}
		return nil
	})
	err := g.Wait()
	for _, c := range made {
		select {
		case b := <-c:
			b.file.Close()
		default:
		}
	}
	return done, err
}

// blob gives a layer from the cache, or makes it.
func (w *writer) blob(ctx context.Context, l layer) (blob, error) {
	if ctx.Err() != nil {
		return blob{}, context.Cause(ctx)
	}
	if w.cache == "" {
		return w.fresh(ctx, l, "")
	}
	key := w.key(l)
	if b, ok := w.cache.get(key); ok {
		b.MediaType = w.mediaType()
		return b, nil
	}
	return w.fresh(ctx, l, key)
}

// fresh makes a layer and puts it into the cache.
func (w *writer) fresh(ctx context.Context, l layer, key string) (blob, error) {
	f, err := w.cache.create(filepath.Dir(w.Dest))
	if err != nil {
		return blob{}, err
	}
	b, err := w.pack(ctx, l, f)
	if err == nil {
		err = w.cache.put(key, b)
	}
	if err != nil {
		w.cache.discard(f)
		return blob{}, err
	}
	return b, nil
}

// add appends a layer to the archive and closes it. One that was damaged in the cache is made anew.
func (w *writer) add(ctx context.Context, f *os.File, l layer, b blob) (blob, error) {
	defer func() { b.file.Close() }()
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return blob{}, err
	}
	err = b.copyTo(f)
	if b.kept && err == nil {
		w.progress.add(l.content())
	}
	if !errors.Is(err, errDamaged) {
		return b, err
	}
	b.file.Close()
	_, err = f.Seek(at, io.SeekStart)
	if err = errors.Join(err, f.Truncate(at)); err != nil {
		return blob{}, err
	}
	key := w.key(l)
	w.cache.drop(key)
	if b, err = w.fresh(ctx, l, key); err != nil {
		return blob{}, err
	}
	return b, b.copyTo(f)
}
