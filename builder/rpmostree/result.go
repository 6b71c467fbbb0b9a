package rpmostree

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/rpmmd"
)

// Result is what --write-composejson-to says of a new commit.
type Result struct {
	Commit          string `json:"ostree-commit"`
	ContentChecksum string `json:"ostree-content-checksum"`
	Version         string `json:"ostree-version"`
	Timestamp       string `json:"ostree-timestamp"` // RFC 3339
	InputHash       string `json:"rpm-ostree-inputhash"`
	Ref             string `json:"ref"` // that was set; empty is none
	MetadataTotal   int    `json:"ostree-n-metadata-total"`
	MetadataWritten int    `json:"ostree-n-metadata-written"`
	ContentTotal    int    `json:"ostree-n-content-total"`
	ContentWritten  int    `json:"ostree-n-content-written"`
	CacheHits       int    `json:"ostree-n-cache-hits"`
	BytesWritten    int64  `json:"ostree-content-bytes-written"`
}

// ReadResult reads the file. fs.ErrNotExist means that there is no new commit.
func ReadResult(name string) (Result, error) {
	var r Result
	data, err := os.ReadFile(name)
	if err != nil {
		return r, fmt.Errorf("reading the result of the compose: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("reading the result of the compose: %w", err)
	}
	if len(r.Commit) != 64 {
		return r, fmt.Errorf("reading the result of the compose: it names no commit (%q)", r.Commit)
	}
	return r, nil
}

// ReadResolved reads the lockfile that a run wrote, as the record of a fetch. It knows names,
// versions and checksums of packages; neither sizes nor which repository each is from.
func ReadResolved(name, input string) (rpmmd.Fetched, error) {
	f := rpmmd.Fetched{Input: input}
	data, err := os.ReadFile(name)
	if err != nil {
		return f, fmt.Errorf("reading what rpm-ostree resolved: %w", err)
	}
	lock, err := rpmmd.ParseLockfile(data)
	if err != nil {
		return f, fmt.Errorf("reading what rpm-ostree resolved: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(lock.Packages)) {
		pin := lock.Packages[name]
		evr, arch := pin.Version()
		n, err := rpmmd.ParseNEVRA(name + "-" + evr + "." + arch)
		if err != nil {
			return f, fmt.Errorf("reading what rpm-ostree resolved: %w", err)
		}
		f.Packages = append(f.Packages, rpmmd.FetchedPackage{
			NEVRA: n, SHA256: strings.TrimPrefix(pin.Digest, "sha256:"), Source: pin.Metadata["sourcerpm"],
		})
	}
	if lock.Metadata == nil {
		return f, nil
	}
	for _, id := range slices.Sorted(maps.Keys(lock.Metadata.Repos)) {
		at, err := time.Parse(time.RFC3339, lock.Metadata.Repos[id].Generated)
		if err != nil {
			return f, fmt.Errorf("reading what rpm-ostree resolved: repository %s: %w", id, err)
		}
		f.Repos = append(f.Repos, rpmmd.FetchedRepo{ID: id, Timestamp: at.Unix()})
	}
	return f, nil
}
