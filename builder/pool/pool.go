// Package pool turns Debian packages into a signed RPM repository: the sample
// that needs nothing but a Debian mirror.
//
// It is not a general converter: the tables in assets/pool fit one Debian
// release, and what a maintainer script does beyond them does not happen.
package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nestos/nosa/workspace/event"
)

// The defaults of Options.
const (
	DefaultSuite          = "bookworm"
	DefaultMirror         = "http://deb.debian.org/debian"
	DefaultSecurityMirror = "http://deb.debian.org/debian-security"
	DefaultKeyring        = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// connections is how many files are fetched at a time.
const connections = 6

// Options say what Create makes and from what. Dir and Tables must be set; every
// other field has a default.
type Options struct {
	Dir            string    // gets repo/ (RPMs, repodata, the public key) and keys/
	Cache          string    // fetched and converted packages by checksum; default Dir/cache
	Suite          string    // only "bookworm": the tables are that release's
	Mirror         string    // URL of the Debian archive
	SecurityMirror string    // URL of its security archive
	Arch           string    // Debian's name; only "amd64"
	Keyring        string    // OpenPGP keys that may sign the archives
	Jobs           int       // conversions at a time; default: one per processor
	Epoch          time.Time // revision of the repository; default: the newest package's build time
	Now            time.Time // for the archives' expiry; zero: not checked
	Offline        bool      // only what Cache has
	Installer      string    // the static program nestos-installer, which becomes a package; empty: the pool has none
	Tables         *Tables
}

func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&o.Suite, DefaultSuite},
		{&o.Mirror, DefaultMirror},
		{&o.SecurityMirror, DefaultSecurityMirror},
		{&o.Arch, "amd64"},
		{&o.Keyring, DefaultKeyring},
		{&o.Cache, filepath.Join(o.Dir, "cache")},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	o.Mirror, o.SecurityMirror = strings.TrimRight(o.Mirror, "/"), strings.TrimRight(o.SecurityMirror, "/")
	if o.Jobs <= 0 {
		o.Jobs = runtime.NumCPU()
	}
	switch {
	case o.Dir == "" || o.Tables == nil:
		return o, errors.New("pool: no directory or no tables")
	case o.Suite != DefaultSuite:
		return o, fmt.Errorf("suite %q: only %s is known, since what must be replaced differs by release", o.Suite, DefaultSuite)
	case o.Arch != "amd64":
		return o, fmt.Errorf("architecture %q: only amd64 is known", o.Arch)
	}
	return o, nil
}

// Summary is what Create did.
type Summary struct {
	Repo       string    // the repository's directory
	Unchanged  bool      // nothing new: the repository is as it was
	Packages   []Package // sorted by NEVRA
	Fetched    int       // .debs fetched
	Converted  int       // packages converted
	Reused     int       // packages taken from the cache
	FetchBytes int64     // bytes fetched, indexes included
	RPMBytes   int64     // bytes of all packages
	Times      []Part
}

// Part is how long one part of Create took.
type Part struct {
	Name string
	Took time.Duration
}

type creator struct {
	o       Options
	client  *client
	rep     *event.Reporter
	program *program // nil: none
	fetched atomic.Int64
	sum     Summary
}

// Create makes or updates the repository in o.Dir. What is there stays usable
// until the new one takes its place in one rename.
func Create(ctx context.Context, o Options, rep *event.Reporter) (Summary, error) {
	c, err := newCreator(o, rep)
	if err != nil {
		return Summary{}, err
	}
	err = c.create(ctx)
	return c.sum, err
}

func newCreator(o Options, rep *event.Reporter) (*creator, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"lists", "debs", "rpms"} {
		if err := os.MkdirAll(filepath.Join(o.Cache, dir), 0o755); err != nil {
			return nil, err
		}
	}
	c := &creator{o: o, client: newClient(), rep: rep}
	if o.Installer != "" {
		if c.program, err = newProgram(o.Installer); err != nil {
			return nil, fmt.Errorf("making a package of the installer: %w", err)
		}
	}
	return c, nil
}

// timed runs f and keeps how long it took.
func (c *creator) timed(name string, f func() error) error {
	start := time.Now()
	err := f()
	c.sum.Times = append(c.sum.Times, Part{name, time.Since(start)})
	return err
}

func (c *creator) create(ctx context.Context) error {
	defer func() { c.sum.FetchBytes = c.fetched.Load() }()
	c.sum.Repo = filepath.Join(c.o.Dir, "repo")
	var indexes []source
	if err := c.timed("release files", func() (err error) { indexes, err = c.releases(ctx); return err }); err != nil {
		return err
	}
	state := c.inputState(indexes)
	if old, ok := c.unchanged(state); ok {
		c.sum.Unchanged, c.sum.Packages, c.sum.RPMBytes, c.sum.Reused = true, old.Packages, old.bytes(), len(old.Packages)
		c.rep.Info(fmt.Sprintf("nothing new: %d packages, %s", len(old.Packages), event.Bytes(old.bytes())))
		return nil
	}
	var list []*archivePackage
	if err := c.timed("indexes", func() (err error) { list, err = c.resolve(ctx, indexes); return err }); err != nil {
		return err
	}
	if err := c.timed("download", func() error { return c.download(ctx, list) }); err != nil {
		return err
	}
	if err := c.timed("convert", func() error { return c.convertAll(ctx, list) }); err != nil {
		return err
	}
	return c.timed("repository", func() error { return c.publish(ctx, state) })
}

// source is one suite's package index.
type source struct {
	suite suite
	file  wanted
	ext   string // how file is compressed: ".gz" or ".xz"
}

func (c *creator) releases(ctx context.Context) ([]source, error) {
	all := suites(c.o)
	out := make([]source, len(all))
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range all {
		g.Go(func() error {
			r, err := c.fetchRelease(ctx, s)
			if err != nil {
				return err
			}
			out[i], err = r.packages(c.o.Arch)
			return err
		})
	}
	return out, g.Wait()
}

// resolve reads the indexes and gives the packages of the pool.
func (c *creator) resolve(ctx context.Context, sources []source) ([]*archivePackage, error) {
	g, gctx := errgroup.WithContext(ctx)
	begun := map[string]bool{} // two suites may have the same index: an empty one
	for _, s := range sources {
		if begun[s.file.sha256] {
			continue
		}
		begun[s.file.sha256] = true
		g.Go(func() error {
			_, err := c.obtain(gctx, s.file, c.listPath(s), func(int64) {})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	x := newIndex()
	for _, s := range sources {
		f, err := os.Open(c.listPath(s))
		if err != nil {
			return nil, err
		}
		err = x.read(f, s.ext, s.suite.base)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading the package index of %s: %w", s.suite.name, err)
		}
	}
	x.seal()
	return x.closure(c.o.Tables.roots, c.o.Tables.drop)
}

func (c *creator) listPath(s source) string {
	return filepath.Join(c.o.Cache, "lists", s.file.sha256+s.ext)
}

// obtain fetches w unless it is there; offline it must be there.
func (c *creator) obtain(ctx context.Context, w wanted, path string, progress func(int64)) (reused bool, err error) {
	if c.o.Offline {
		sum, err := fileSHA256(path)
		if err == nil && sum != w.sha256 {
			err = fmt.Errorf("%s: checksum mismatch", path)
		}
		if err != nil {
			return false, fmt.Errorf("offline, and %s was not fetched before: %w", w.url, err)
		}
		progress(w.size)
		return true, nil
	}
	reused, err = c.client.fetch(ctx, w, path, progress)
	if err == nil && !reused {
		c.fetched.Add(w.size)
	}
	return reused, err
}

// cachedRPM is where the converted form of a .deb with this checksum lies.
func (c *creator) cachedRPM(p *archivePackage) string {
	return filepath.Join(c.o.Cache, "rpms", p.sha256+"-"+c.o.Tables.keyFor(p.name)+".rpm")
}

func (c *creator) cachedDeb(p *archivePackage) string {
	return filepath.Join(c.o.Cache, "debs", p.sha256+".deb")
}

// missing are the packages that are not converted yet.
func (c *creator) missing(list []*archivePackage) []*archivePackage {
	var out []*archivePackage
	for _, p := range list {
		if _, err := os.Stat(c.cachedRPM(p)); err != nil {
			out = append(out, p)
		}
	}
	return out
}

func (c *creator) download(ctx context.Context, list []*archivePackage) error {
	todo := c.missing(list)
	slices.SortStableFunc(todo, func(a, b *archivePackage) int { return int(b.size - a.size) })
	var total, done, fetched atomic.Int64
	for _, p := range todo {
		total.Add(p.size)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connections)
	for _, p := range todo {
		g.Go(func() error {
			w := wanted{url: p.base + "/" + p.filename, size: p.size, sha256: p.sha256}
			reused, err := c.obtain(ctx, w, c.cachedDeb(p), func(n int64) { c.rep.Progress(done.Add(n), total.Load(), event.UnitBytes) })
			if err == nil && !reused {
				fetched.Add(1)
			}
			return err
		})
	}
	err := g.Wait()
	c.sum.Fetched = int(fetched.Load())
	return err
}

func (c *creator) convertAll(ctx context.Context, list []*archivePackage) error {
	todo := c.missing(list)
	slices.SortStableFunc(todo, func(a, b *archivePackage) int { return int(b.size - a.size) })
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.o.Jobs)
	for _, p := range todo {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			got, err := Convert(c.cachedDeb(p), c.cachedRPM(p), c.o.Tables)
			if err == nil && got.File != p.rpmFile() {
				err = fmt.Errorf("%s: the index calls it %s", got.File, p.rpmFile())
			}
			c.rep.Progress(done.Add(1), int64(len(todo)), event.UnitPackages)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.sum.Converted, c.sum.Reused = len(todo), len(list)-len(todo)
	for _, p := range list {
		info, err := os.Stat(c.cachedRPM(p))
		if err != nil {
			return err
		}
		c.sum.Packages = append(c.sum.Packages, Package{NEVRA: p.nevra(), File: p.rpmFile(), Size: info.Size(), Built: info.ModTime().UTC(), cached: c.cachedRPM(p)})
	}
	return nil
}
