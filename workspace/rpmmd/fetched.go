package rpmmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/share"
)

// Fetched is cache/fetched.json: what a fetch resolved and downloaded, so that a build needs no
// network and knows whether its input is still that of the fetch.
type Fetched struct {
	Input    string           `json:"input"` // digest of what was asked for
	Repos    []FetchedRepo    `json:"repos"`
	Packages []FetchedPackage `json:"packages"` // sorted by NEVRA
}

// FetchedRepo is the state of a repository that took part.
type FetchedRepo struct {
	ID        string `json:"id"`
	Revision  string `json:"revision"`
	Timestamp int64  `json:"timestamp"` // of its newest metadata, Unix seconds
}

// FetchedPackage is one package of the result.
type FetchedPackage struct {
	NEVRA
	Repo          string `json:"repo"`
	SHA256        string `json:"sha256"` // of the file
	File          string `json:"file"`   // path below cache/rpms
	Size          int64  `json:"size"`   // of the file, in bytes
	InstalledSize int64  `json:"installed_size"`
	BuildTime     int64  `json:"buildtime"` // Unix seconds
	Source        string `json:"source,omitempty"`
}

// ReadFetched reads cache/fetched.json. fs.ErrNotExist means that nothing was fetched yet.
func ReadFetched(name string) (Fetched, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return Fetched{}, err
	}
	var f Fetched
	if err := json.Unmarshal(data, &f); err != nil {
		return Fetched{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return f, nil
}

// Write writes the file by rename, sorted. A file with the same content is left alone; changed
// says whether it was not.
func (f Fetched) Write(name string) (changed bool, err error) {
	f.sort()
	data, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return false, fmt.Errorf("writing %s: %w", name, err)
	}
	data = append(data, '\n')
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("writing %s: %w", name, err)
	}
	if err == nil && slices.Equal(old, data) {
		return false, nil
	}
	if err := share.Replace(name, data); err != nil {
		return false, fmt.Errorf("writing %s: %w", name, err)
	}
	return true, nil
}

func (f *Fetched) sort() {
	f.Repos = slices.Clone(f.Repos)
	slices.SortFunc(f.Repos, func(a, b FetchedRepo) int { return strings.Compare(a.ID, b.ID) })
	f.Packages = slices.Clone(f.Packages)
	slices.SortFunc(f.Packages, func(a, b FetchedPackage) int { return a.Compare(b.NEVRA) })
}

// Newest is the latest time at which one of the packages was built; the zero time without any.
func (f Fetched) Newest() time.Time {
	var newest int64
	for _, p := range f.Packages {
		newest = max(newest, p.BuildTime)
	}
	if newest == 0 {
		return time.Time{}
	}
	return time.Unix(newest, 0).UTC()
}

// Bytes is the size of all files.
func (f Fetched) Bytes() int64 {
	var sum int64
	for _, p := range f.Packages {
		sum += p.Size
	}
	return sum
}

// Lockfile pins exactly these packages: the one that `fetch --update-lockfile` writes. It has no
// digests: a rebuilt repository with the same versions still fits. Of packages with several
// architectures of a name, which lockfiles cannot tell apart, the last wins.
func (f Fetched) Lockfile(generated time.Time) Lockfile {
	f.sort()
	l := Lockfile{Packages: map[string]Locked{}, Metadata: &LockMetadata{Repos: map[string]LockRepo{}}}
	for _, p := range f.Packages {
		pin := Locked{EVRA: p.EVRA()}
		if p.Source != "" {
			pin.Metadata = map[string]string{"sourcerpm": p.Source}
		}
		l.Packages[p.Name] = pin
	}
	for _, r := range f.Repos {
		l.Metadata.Repos[r.ID] = LockRepo{Generated: time.Unix(r.Timestamp, 0).UTC().Format(time.RFC3339)}
	}
	l.Metadata.Generated = generated.UTC().Truncate(24 * time.Hour).Format(time.RFC3339)
	return l
}
