package rpmmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
)

// Lockfile pins packages to versions. The format is rpm-ostree's (manifest-lock.ARCH.json).
type Lockfile struct {
	Packages map[string]Locked `json:"packages"`
	Metadata *LockMetadata     `json:"metadata,omitempty"`
}

// Locked is the version that a package is pinned to: exactly one of EVRA and EVR.
type Locked struct {
	EVRA     string            `json:"evra,omitempty"`   // [epoch:]version-release.arch
	EVR      string            `json:"evr,omitempty"`    // of any architecture
	Digest   string            `json:"digest,omitempty"` // "sha256:…" of the file
	Metadata map[string]string `json:"metadata,omitempty"`
}

// LockMetadata says what a lockfile was made from.
type LockMetadata struct {
	Generated string              `json:"generated,omitempty"` // RFC 3339
	Repos     map[string]LockRepo `json:"rpmmd_repos,omitempty"`
}

// LockRepo is the state of one repository when a lockfile was made.
type LockRepo struct {
	Generated string `json:"generated"` // RFC 3339
}

// ParseLockfile reads the JSON form; unknown members are errors. For the YAML form give it the
// same document as JSON.
func ParseLockfile(data []byte) (Lockfile, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var l Lockfile
	if err := dec.Decode(&l); err != nil {
		return Lockfile{}, fmt.Errorf("parsing lockfile: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF { //nolint:errorlint // documented to be io.EOF itself
		return Lockfile{}, fmt.Errorf("parsing lockfile: text after the document")
	}
	if l.Packages == nil {
		return Lockfile{}, fmt.Errorf(`parsing lockfile: no "packages"`)
	}
	for name, p := range l.Packages {
		if err := p.check(); err != nil {
			return Lockfile{}, fmt.Errorf("parsing lockfile: package %s: %w", name, err)
		}
	}
	return l, nil
}

func (p Locked) check() error {
	if (p.EVRA == "") == (p.EVR == "") {
		return fmt.Errorf(`want either "evra" or "evr"`)
	}
	if evr, arch, ok := cutLast(p.EVRA, "."); p.EVRA != "" && (!ok || evr == "" || arch == "") {
		return fmt.Errorf("evra %q has no architecture", p.EVRA)
	}
	if sum, ok := strings.CutPrefix(p.Digest, "sha256:"); p.Digest != "" && (!ok || len(sum) != 64) {
		return fmt.Errorf(`digest %q: want "sha256:" and 64 digits`, p.Digest)
	}
	return nil
}

// Version splits what a package is pinned to; arch is empty when any will do.
func (p Locked) Version() (evr, arch string) {
	if p.EVRA == "" {
		return p.EVR, ""
	}
	evr, arch, _ = cutLast(p.EVRA, ".")
	return evr, arch
}

// MergeLockfiles pins what any of the files pins; a later file wins over an earlier one, name by
// name. The order is base, overrides, overrides of the architecture, local RPMs. Metadata is that
// of the first file that has some.
func MergeLockfiles(files ...Lockfile) Lockfile {
	merged := Lockfile{Packages: map[string]Locked{}}
	for _, f := range files {
		maps.Copy(merged.Packages, f.Packages)
		if merged.Metadata == nil {
			merged.Metadata = f.Metadata
		}
	}
	return merged
}

// JSON is the file: sorted by name, indented by two spaces, with a newline at the end.
func (l Lockfile) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing lockfile: %w", err)
	}
	return append(data, '\n'), nil
}
