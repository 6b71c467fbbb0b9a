package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
)

// The cache's limit where nothing else is said: the smaller of maxCache and a
// quarter of the file system.
const (
	maxCache       = 20 * event.GiB
	cacheShare     = 4
	unlimited      = event.Bytes(1 << 62)
	cacheUnlimited = "none"
	recentUse      = time.Hour // see TrimOptions.Since
)

// CacheLimit is how much the cache may take: setting as the user gave it
// ("30G", "none"), or, when that is empty, 20 GiB or a quarter of the file
// system, whichever is less.
func (w *Workspace) CacheLimit(setting string) (event.Bytes, error) {
	switch setting {
	case cacheUnlimited:
		return unlimited, nil
	case "":
		var st unix.Statfs_t
		if err := unix.Statfs(w.Dir, &st); err != nil {
			return 0, fmt.Errorf("asking for the size of the file system: %w", err)
		}
		return min(maxCache, event.Bytes(int64(st.Blocks)*st.Bsize)/cacheShare), nil
	}
	limit, err := event.ParseBytes(setting)
	if err != nil {
		return 0, fmt.Errorf("limit of the cache: %w, or %q", err, cacheUnlimited)
	}
	return limit, nil
}

// TrimOptions say how far and when to trim the cache.
type TrimOptions struct {
	Limit event.Bytes
	// Since is the start of the job that used the cache last. What was used then
	// or later stays whatever the limit says: it is what the next build starts
	// from. Zero, or a time since which nothing was used: an hour before the
	// newest use.
	Since time.Time
	// Cheap trusts sizes that were measured within the last day and adds what is
	// new since, so that a cache below its limit costs next to nothing.
	Cheap  bool
	DryRun bool
	Now    time.Time
}

// Trimmed is what TrimCache did, or would do.
type Trimmed struct {
	Victims []Victim    `json:"victims"` // least used first
	Bytes   event.Bytes `json:"bytes"`   // of the cache on disk, before
	Freed   event.Bytes `json:"freed"`
	Limit   event.Bytes `json:"limit"`
	Needed  bool        `json:"needed"` // it is over its limit still, and all of the rest is in use
	// Measured is that sizes were looked up, not remembered.
	Measured bool `json:"-"`
}

// TrimCache removes from the cache what was used least until it is within its
// limit: trees, layers, step records, unpacked images that no machine has open,
// and packages that neither the last fetch nor a build that is here names. The
// repository is the builder's to prune, and only counted. It needs the lock on
// the cache, exclusive.
//
// An entry of trees/, layers/, steps/ and images/ is everything there whose name
// is KEY or begins with KEY and a dot; its last use is the newest time of these.
// The files go first and the directory KEY last.
func (w *Workspace) TrimCache(ctx context.Context, o TrimOptions) (Trimmed, error) {
	t := Trimmed{Victims: []Victim{}, Limit: o.Limit}
	entries, err := w.cacheEntries()
	if err != nil {
		return t, err
	}
	seen := w.readCacheUse()
	if o.Cheap && seen.fresh(o.Now) {
		t.Bytes = event.Bytes(seen.grow(entries))
		if t.Bytes <= o.Limit || seen.stuck(t) {
			t.Needed = t.Bytes > o.Limit
			return t, w.writeCacheUse(seen)
		}
	}
	t.Bytes, t.Measured = event.Bytes(treeUse(w.Cache())), true
	if t.Bytes > o.Limit {
		if err := w.trim(ctx, &t, entries, o); err != nil {
			return t, err
		}
	}
	if o.DryRun {
		return t, nil
	}
	if _, err := w.emptyTrash(); err != nil {
		return t, err
	}
	return t, w.writeCacheUse(newCacheUse(t, entries, o.Now))
}

// trim takes entries away until the cache is within its limit.
func (w *Workspace) trim(ctx context.Context, t *Trimmed, entries []*cacheEntry, o TrimOptions) error {
	free, err := w.evictable(entries, o.Since)
	if err != nil {
		return err
	}
	free, images, err := w.freeImages(ctx, free)
	if err != nil {
		return err
	}
	if images != nil {
		defer func() { _ = images.Close() }()
	}
	var use diskUsage
	for _, e := range free {
		if t.Bytes-t.Freed <= o.Limit {
			break
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v := e.victim(w, &use)
		if !o.DryRun {
			if err := w.evict(e); err != nil {
				return err
			}
		}
		t.Victims = append(t.Victims, v)
		t.Freed += event.Bytes(v.Bytes)
	}
	t.Needed = t.Bytes-t.Freed > o.Limit
	return nil
}

// cacheEntry is something in the cache that can be made or fetched again.
type cacheEntry struct {
	kind  VictimKind
	key   string   // below the directory of its kind
	paths []string // below the workspace; in the order in which they go
	used  time.Time
	file  string // name of the RPM
}

// cacheDirs are the directories of the cache with entries that may go.
func cacheDirs() []struct {
	dir  string
	kind VictimKind
} {
	return []struct {
		dir  string
		kind VictimKind
	}{{"rpms", VictimRPM}, {"trees", VictimTree}, {"layers", VictimLayer}, {"steps", VictimStep}, {"images", VictimUnpacked}}
}

// cacheEntries lists what is in the cache without looking into trees, least
// used first.
func (w *Workspace) cacheEntries() ([]*cacheEntry, error) {
	var all []*cacheEntry
	for _, d := range cacheDirs() {
		names, err := os.ReadDir(w.path("cache", d.dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the cache: %w", err)
		}
		byKey := map[string]*cacheEntry{}
		for _, n := range names {
			key, _, _ := strings.Cut(n.Name(), ".")
			if key == "" { // a lock, something in the making
				continue
			}
			e := byKey[key]
			if e == nil {
				e = &cacheEntry{kind: d.kind, key: key}
				byKey[key] = e
				all = append(all, e)
			}
			w.addToEntry(e, filepath.Join("cache", d.dir, n.Name()))
		}
	}
	slices.SortStableFunc(all, func(a, b *cacheEntry) int { return a.used.Compare(b.used) })
	return all, nil
}

// addToEntry adds a path to its entry. Of a package the use is that of its file:
// a build reads it.
func (w *Workspace) addToEntry(e *cacheEntry, path string) {
	if e.kind == VictimRPM {
		files, _ := os.ReadDir(w.path(path))
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".rpm") {
				e.file = f.Name()
			}
			e.use(w.path(path, f.Name()))
		}
	}
	e.use(w.path(path))
	if filepath.Base(path) == e.key {
		e.paths = append(e.paths, path) // the directory goes last
		return
	}
	e.paths = slices.Insert(e.paths, 0, path)
}

// use moves the entry's last use to that of one of its files.
func (e *cacheEntry) use(path string) {
	info, err := os.Lstat(path)
	if err != nil {
		return
	}
	used := info.ModTime()
	if st, ok := info.Sys().(*syscall.Stat_t); ok && e.kind == VictimRPM && !info.IsDir() {
		if read := time.Unix(st.Atim.Unix()); read.After(used) {
			used = read
		}
	}
	if used.After(e.used) {
		e.used = used
	}
}

func (e *cacheEntry) victim(w *Workspace, use *diskUsage) Victim {
	v := Victim{Kind: e.kind, Path: e.paths[len(e.paths)-1]}
	if e.file != "" {
		v.Path = filepath.Join(v.Path, e.file)
	}
	for _, p := range e.paths {
		v.Bytes += use.add(w.path(p))
	}
	return v
}

// evict moves an entry out of the cache, to tmp/.trash.
func (w *Workspace) evict(e *cacheEntry) error {
	for _, p := range e.paths {
		if err := w.trash(p); err != nil {
			return err
		}
	}
	return nil
}
