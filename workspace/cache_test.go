package workspace

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// rpmSum is the checksum of the n-th package.
func rpmSum(n int) string { return strings.Repeat(fmt.Sprintf("%02x", n), 32) }

// putCache writes a file of the cache, last used so many days ago.
func putCache(t *testing.T, w *Workspace, name string, size int, days int) {
	t.Helper()
	path := w.path("cache", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	used := crashNow.Add(-time.Duration(days) * 24 * time.Hour)
	for p := path; p != w.Cache() && filepath.Dir(p) != w.Cache(); p = filepath.Dir(p) {
		if err := os.Chtimes(p, used, used); err != nil {
			t.Fatal(err)
		}
	}
}

// fullCache has four packages (the first of the last fetch, the second of a
// build that is here), three trees, two layers and a repository: 64 KiB each,
// the trees' records 4.
func fullCache(t *testing.T) *Workspace {
	t.Helper()
	w := threeBuilds(t)
	const size = 64 << 10
	for n, days := range []int{9, 8, 7, 6} {
		putCache(t, w, fmt.Sprintf("rpms/%s/p%d-1-1.noarch.rpm", rpmSum(n), n), size, days)
	}
	putCache(t, w, "trees/a/usr/x", size, 5)
	putCache(t, w, "trees/a.json", 4096, 5)
	putCache(t, w, "trees/b/usr/x", size, 3)
	putCache(t, w, "trees/b.json", 4096, 1) // used later than it was made
	putCache(t, w, "trees/c/usr/x", size, 0)
	putCache(t, w, "layers/l.tar", size, 4)
	putCache(t, w, "layers/m.tar", size, 0)
	putCache(t, w, "repo/objects/00/x", size, 20)
	f := rpmmd.Fetched{Packages: []rpmmd.FetchedPackage{{SHA256: rpmSum(0)}}}
	if _, err := f.Write(w.path("cache", "fetched.json")); err != nil {
		t.Fatal(err)
	}
	l := rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"p1": {EVRA: "3:1-1.noarch"}}}
	data, err := l.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.BuildDir("40.1", "x86_64"), GeneratedLockfile("x86_64")), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

func victims(t Trimmed) []string {
	var all []string
	for _, v := range t.Victims {
		all = append(all, fmt.Sprint(v.Kind, " ", strings.TrimPrefix(v.Path, "cache/"), " ", v.Bytes>>10))
	}
	return all
}

func TestTrimCache(t *testing.T) {
	rpm := func(n int) string { return fmt.Sprintf("rpm rpms/%s/p%d-1-1.noarch.rpm 68", rpmSum(n), n) }
	for _, tt := range []struct {
		name   string
		over   event.Bytes // how far below its size the limit is
		since  time.Time
		want   []string
		needed bool
	}{
		{name: "below", over: -1, want: nil},
		{name: "the least used go", over: 70 << 10, want: []string{rpm(2), rpm(3)}},
		{name: "trees with what belongs to them", over: 160 << 10, want: []string{rpm(2), rpm(3), "tree trees/a 76"}},
		{
			name: "what is in use stays", over: 1 << 30, needed: true,
			want: []string{rpm(2), rpm(3), "tree trees/a 76", "layer layers/l.tar 64", "tree trees/b 76"},
		},
		{
			name: "what the last build used stays", over: 1 << 30, needed: true, since: crashNow.Add(-36 * time.Hour),
			want: []string{rpm(2), rpm(3), "tree trees/a 76", "layer layers/l.tar 64"},
		},
		{
			name: "a build that used nothing does not count", over: 1 << 30, needed: true, since: crashNow.Add(time.Hour),
			want: []string{rpm(2), rpm(3), "tree trees/a 76", "layer layers/l.tar 64", "tree trees/b 76"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := fullCache(t)
			before := event.Bytes(treeUse(w.Cache()))
			o := TrimOptions{Limit: max(0, before-tt.over), Since: tt.since, Now: crashNow, DryRun: true}
			plan, err := w.TrimCache(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, victims(plan)); diff != "" {
				t.Error(diff)
			}
			if now := event.Bytes(treeUse(w.Cache())); now != before {
				t.Errorf("a plan freed %v", before-now)
			}
			o.DryRun = false
			done, err := w.TrimCache(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plan, done); diff != "" {
				t.Errorf("another thing was done than planned: %s", diff)
			}
			_ = os.Remove(w.cacheUsePath())
			after := event.Bytes(treeUse(w.Cache()))
			if before-after != done.Freed || done.Needed != tt.needed || !tt.needed && after > o.Limit {
				t.Errorf("%v of %v went, said were %v, the limit is %v", before-after, before, done.Freed, o.Limit)
			}
			for _, name := range []string{"rpms/" + rpmSum(0), "rpms/" + rpmSum(1), "trees/c/usr/x", "layers/m.tar", "repo/objects/00/x", "fetched.json"} {
				if !exists(w.path("cache", name)) {
					t.Errorf("%s went", name)
				}
			}
		})
	}
}

// A build's look at the cache walks through nothing that it has seen, and yet
// notices what came since.
func TestTrimCacheCheaply(t *testing.T) {
	w := fullCache(t)
	size := event.Bytes(treeUse(w.Cache()))
	cheap := func(limit event.Bytes, now time.Time) Trimmed {
		t.Helper()
		got, err := w.TrimCache(t.Context(), TrimOptions{Limit: limit, Cheap: true, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	limit := size + 100<<10
	cheap(limit, crashNow)
	putCache(t, w, "repo/objects/00/unseen", 512<<10, 0)
	if got := cheap(limit, crashNow.Add(time.Hour)); len(got.Victims) > 0 || got.Bytes > size+8<<10 {
		t.Errorf("walked through the repository: %v", got)
	}
	putCache(t, w, "trees/d/usr/x", 64<<10, 0)
	if got := cheap(limit, crashNow.Add(time.Hour)); len(got.Victims) > 0 || got.Bytes < size+64<<10 {
		t.Errorf("a new tree of 64 KiB: %v more", got.Bytes-size)
	}
	if got := cheap(limit, crashNow.Add(25*time.Hour)); len(got.Victims) == 0 || got.Bytes < size+512<<10 {
		t.Errorf("a day later: %v", got)
	}
	// A cache that stays above its limit is not walked through each time.
	tight := cheap(1, crashNow.Add(26*time.Hour))
	if !tight.Needed {
		t.Fatal("everything went")
	}
	putCache(t, w, "repo/objects/00/more", 4<<10, 0)
	if got := cheap(1, crashNow.Add(27*time.Hour)); !got.Needed || len(got.Victims) > 0 || got.Bytes > tight.Bytes {
		t.Errorf("%v", got)
	}
	data, err := os.ReadFile(w.cacheUsePath())
	var u cacheUse
	if err != nil || json.Unmarshal(data, &u) != nil || !u.Measured.Equal(crashNow.Add(26*time.Hour)) {
		t.Errorf("measured again: %s, %v", data, err)
	}
}

func TestCacheLimit(t *testing.T) {
	w := threeBuilds(t)
	for _, tt := range []struct {
		setting string
		want    event.Bytes
		ok      bool
	}{
		{"3G", 3 * event.GiB, true},
		{"none", unlimited, true},
		{"much", 0, false},
	} {
		if got, err := w.CacheLimit(tt.setting); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: %v, %v", tt.setting, got, err)
		}
	}
	if got, err := w.CacheLimit(""); err != nil || got <= 0 || got > maxCache {
		t.Errorf("by default %v, %v", got, err)
	}
}
