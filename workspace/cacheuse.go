package workspace

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/nestos/nosa/workspace/event"
)

const (
	// measureCacheFor is how long sizes hold that were not measured anew.
	measureCacheFor = 24 * time.Hour
	// regrown is by which part a cache that could not be brought below its limit
	// must have grown before that is tried again.
	regrown = 20
)

// cacheUse is cache/.use.json: what the cache took when it was last measured,
// so that not every build has to walk through it. It is an estimate; without it
// the cache is measured.
type cacheUse struct {
	Measured time.Time        `json:"measured"`
	After    event.Bytes      `json:"after"` // on disk, after what was trimmed then
	Limit    event.Bytes      `json:"limit"` // to which it was trimmed
	Entries  map[string]int64 `json:"entries"`

	w       *Workspace
	changed bool
}

func (w *Workspace) cacheUsePath() string { return w.path("cache", ".use.json") }

func (w *Workspace) readCacheUse() *cacheUse {
	u := &cacheUse{}
	data, err := os.ReadFile(w.cacheUsePath())
	if err != nil || json.Unmarshal(data, u) != nil {
		u = &cacheUse{}
	}
	u.w = w
	return u
}

// newCacheUse is the record of a cache that was measured and trimmed.
func newCacheUse(t Trimmed, entries []*cacheEntry, now time.Time) *cacheUse {
	u := &cacheUse{Measured: now.UTC(), After: t.Bytes - t.Freed, Limit: t.Limit, Entries: map[string]int64{}, changed: true}
	for _, e := range entries {
		if !slices.ContainsFunc(t.Victims, func(v Victim) bool { return v.Kind == e.kind && e.holds(v) }) {
			u.Entries[string(e.kind)+" "+e.key] = 0 // counted in After
		}
	}
	return u
}

func (e *cacheEntry) holds(v Victim) bool {
	last := e.paths[len(e.paths)-1]
	return v.Path == last || e.file != "" && v.Path == last+"/"+e.file
}

// fresh says if the record can be built upon.
func (u *cacheUse) fresh(now time.Time) bool {
	age := now.Sub(u.Measured)
	return age >= 0 && age < measureCacheFor
}

// stuck says if the cache is still about as large as when all that could go went.
func (u *cacheUse) stuck(t Trimmed) bool {
	return u.After > u.Limit && t.Limit >= u.Limit && t.Bytes <= u.After+u.After/regrown
}

// grow measures the entries that the record does not have and gives the size of
// the whole: what was measured and what came since.
func (u *cacheUse) grow(entries []*cacheEntry) int64 {
	if u.Entries == nil {
		u.Entries = map[string]int64{}
	}
	for _, e := range entries {
		name := string(e.kind) + " " + e.key
		if _, ok := u.Entries[name]; ok {
			continue
		}
		var use diskUsage
		for _, p := range e.paths {
			use.add(u.w.path(p))
		}
		u.Entries[name] = use.freed
		u.changed = true
	}
	total := int64(u.After)
	for grown := range maps.Values(u.Entries) {
		total += grown
	}
	return total
}

func (w *Workspace) writeCacheUse(u *cacheUse) error {
	if !u.changed {
		return nil
	}
	return WriteJSON(w.cacheUsePath(), u)
}
