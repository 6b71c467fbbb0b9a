package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/rpmmd"
	"github.com/nestos/nosa/workspace/share"
)

// The cache of installed trees: cache/trees/KEY is a root as rpm left it, never changed again but
// seen through a copy-on-write view; KEY.json, written when the tree is on the disk, makes it
// valid; KEY.index knows the objects of its files. Their times of modification are their last use.

// treeRecord is KEY.json.
type treeRecord struct {
	Key      string    `json:"key"`
	Made     time.Time `json:"made"`
	Packages []string  `json:"packages"` // NEVRAs
	NotRun   []string  `json:"not_run"`  // what scriptlets called and got a stub for
}

// installSpec is all that an installed tree depends on.
type installSpec struct {
	Engine   int
	Nosa     string   // the version, whose helpers do the work
	Tools    []string // the programs of the host that do, as toolStamp has them
	Arch     string
	Epoch    int64
	NoDocs   bool
	Langs    []string
	Seed     tree.SeedOptions
	Packages []string // NEVRA and checksum
}

func (s installSpec) key() string {
	data, err := json.Marshal(s)
	if err != nil {
		panic("builder: an install spec is no data: " + err.Error())
	}
	return sha256Hex(data)[:32]
}

// spec gives what the tree of b's packages depends on, with a seed.
func (o *InstallPackages) spec(env *Env, seed tree.SeedOptions) installSpec {
	s := installSpec{
		Engine: engineVersion, Nosa: env.Version, Tools: toolStamps("rpm", "bwrap", "dnf"), Arch: env.Arch.Name,
		Epoch: o.build.installEpoch(env).Unix(), NoDocs: o.NoDocs, Langs: o.Langs, Seed: seed,
	}
	for _, p := range o.build.fetched.Packages {
		s.Packages = append(s.Packages, p.NEVRA.String()+" "+p.SHA256)
	}
	return s
}

// toolStamps tell versions of programs apart without running them.
func toolStamps(names ...string) []string {
	var list []string
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue // it was required; a stage without it has ended
		}
		if info, err := os.Stat(path); err == nil {
			list = append(list, fmt.Sprintf("%s %d %d", name, info.Size(), info.ModTime().UnixNano()))
		}
	}
	return list
}

// installEpoch is the time of what packages leave in the tree. It is not the config's, so that a
// commit to the config does not install them again.
func (b *build) installEpoch(env *Env) time.Time {
	if env.Epoch != nil {
		return *env.Epoch
	}
	return b.fetched.Newest()
}

// cachedTree is a tree of the cache.
type cachedTree struct {
	dir string
	key string
}

func treesDir(ws *workspace.Workspace) string { return filepath.Join(ws.Cache(), "trees") }

func treeOf(env *Env, key string) cachedTree {
	return cachedTree{dir: filepath.Join(treesDir(env.WS), key), key: key}
}

func (c cachedTree) recordFile() string { return c.dir + ".json" }
func (c cachedTree) indexFile() string  { return c.dir + ".index" }

// record gives the tree's record if the tree is whole.
func (c cachedTree) record() (treeRecord, bool) {
	var r treeRecord
	data, err := os.ReadFile(c.recordFile())
	if err != nil || json.Unmarshal(data, &r) != nil || r.Key != c.key {
		return treeRecord{}, false
	}
	info, err := os.Lstat(c.dir)
	return r, err == nil && info.IsDir()
}

// use marks the tree as used now.
func (c cachedTree) use(now time.Time) {
	for _, name := range []string{c.dir, c.recordFile(), c.indexFile()} {
		_ = os.Chtimes(name, now, now) // an older time only makes it go earlier
	}
}

// remove removes the tree, its record first.
func (c cachedTree) remove() error {
	for _, name := range []string{c.recordFile(), c.indexFile()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a cached tree: %w", err)
		}
	}
	if err := removeTree(c.dir); err != nil {
		return fmt.Errorf("removing a cached tree: %w", err)
	}
	return nil
}

// sweepTrees removes trees that were not finished; the cache's lock must be held.
func sweepTrees(env *Env) error {
	entries, err := os.ReadDir(treesDir(env.WS))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for unfinished trees: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		c := treeOf(env, e.Name())
		if _, ok := c.record(); ok {
			continue
		}
		if err := c.remove(); err != nil {
			return err
		}
	}
	return nil
}

// install makes the tree.
func (c cachedTree) install(ctx context.Context, env *Env, o *InstallPackages, r *event.Reporter) error {
	b := o.build
	if err := c.remove(); err != nil {
		return err
	}
	if err := share.MkdirPlain(filepath.Dir(c.dir)); err != nil {
		return fmt.Errorf("making the root: %w", err)
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return fmt.Errorf("making the root: %w", err)
	}
	epoch := b.installEpoch(env)
	t := tree.Tree{Root: c.dir, Epoch: epoch, Proc: env.Proc, Report: r}
	if err := t.Seed(o.seed); err != nil {
		return err
	}
	done, err := compose.Install(ctx, compose.InstallRequest{
		Root: c.dir, RPMs: rpmCache(env.WS), Packages: b.fetched.Packages, NoDocs: o.NoDocs, Langs: o.Langs,
		Epoch: epoch, Work: env.Work(), Proc: env.Proc, Report: r,
	})
	if err != nil {
		return errors.Join(err, c.remove())
	}
	record := treeRecord{Key: c.key, Made: env.Now().UTC(), NotRun: []string{}}
	for _, call := range done.Calls {
		record.NotRun = append(record.NotRun, strings.Join(call.Argv, " ")+" ("+call.Scriptlet+" of "+call.Package+")")
	}
	for _, p := range b.fetched.Packages {
		record.Packages = append(record.Packages, p.NEVRA.String())
	}
	// After a power cut the record must not speak of files that are not there.
	if err := syncFilesystem(c.dir); err != nil {
		return errors.Join(err, c.remove())
	}
	return workspace.WriteJSON(c.recordFile(), record)
}

func syncFilesystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flushing %s: %w", dir, err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("flushing %s: %w", dir, err)
	}
	return nil
}

// newsSince says in which packages the tree to be made differs from the one that was used last.
func newsSince(env *Env, packages []rpmmd.FetchedPackage) string {
	last, ok := lastTree(env)
	if !ok {
		return "no tree of these packages yet"
	}
	before, now := Inputs{}, Inputs{}
	for _, name := range last.Packages {
		before = append(before, Input{Name: name})
	}
	for _, p := range packages {
		now = append(now, Input{Name: p.NEVRA.String()})
	}
	if news := now.Since(before); news != "" {
		return news
	}
	return "the same names as in the last tree, but other content, options or tools"
}

// lastTree gives the record of the tree that was used last.
func lastTree(env *Env) (treeRecord, bool) {
	names, err := filepath.Glob(filepath.Join(treesDir(env.WS), "*.json"))
	if err != nil {
		return treeRecord{}, false
	}
	var newest time.Time
	var found treeRecord
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.ModTime().After(newest) {
			continue
		}
		if r, ok := treeOf(env, strings.TrimSuffix(filepath.Base(name), ".json")).record(); ok {
			newest, found = info.ModTime(), r
		}
	}
	return found, !newest.IsZero()
}

// samePackages is why the packages are not installed again.
func (r treeRecord) samePackages() string {
	return "the same " + strconv.Itoa(len(r.Packages)) + " packages as in the tree of " + r.Made.Local().Format("2006-01-02 15:04")
}
