// Package rpmmd is what nosa knows of RPM repositories without asking dnf: names and versions and
// their order, the metadata of a local repository, lockfiles, and the record of a fetch.
//
// It resolves nothing and downloads nothing; builder/compose does.
package rpmmd

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	version "github.com/knqyf263/go-rpm-version"
)

// NEVRA names one build of one package for one architecture.
type NEVRA struct {
	Name    string `json:"name"`
	Epoch   int    `json:"epoch,omitempty"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
}

// String is rpm's way to write it: name-[epoch:]version-release.arch, no epoch 0.
func (n NEVRA) String() string { return n.Name + "-" + n.EVRA() }

// EVRA is [epoch:]version-release.arch, as lockfiles have it.
func (n NEVRA) EVRA() string { return n.EVR() + "." + n.Arch }

// EVR is [epoch:]version-release.
func (n NEVRA) EVR() string {
	evr := n.Version + "-" + n.Release
	if n.Epoch != 0 {
		evr = strconv.Itoa(n.Epoch) + ":" + evr
	}
	return evr
}

// Compare orders by name, then by rpm's order of versions, then by architecture.
func (n NEVRA) Compare(other NEVRA) int {
	return cmp.Or(
		strings.Compare(n.Name, other.Name),
		CompareEVR(n.EVR(), other.EVR()),
		strings.Compare(n.Arch, other.Arch),
	)
}

// CompareEVR is rpm's order of two [epoch:]version[-release] texts: -1, 0 or 1.
func CompareEVR(a, b string) int {
	return version.NewVersion(a).Compare(version.NewVersion(b))
}

// ParseNEVRA reads name-[epoch:]version-release.arch. An epoch of 0 may be written out.
func ParseNEVRA(text string) (NEVRA, error) {
	rest, arch, ok := cutLast(text, ".")
	if !ok {
		return NEVRA{}, fmt.Errorf("package %q: no architecture", text)
	}
	rest, release, ok := cutLast(rest, "-")
	if !ok {
		return NEVRA{}, fmt.Errorf("package %q: no release", text)
	}
	name, ver, ok := cutLast(rest, "-")
	if !ok {
		return NEVRA{}, fmt.Errorf("package %q: no version", text)
	}
	n := NEVRA{Name: name, Release: release, Arch: arch, Version: ver}
	if epoch, ver, ok := strings.Cut(ver, ":"); ok {
		number, err := strconv.ParseUint(epoch, 10, 31)
		if err != nil {
			return NEVRA{}, fmt.Errorf("package %q: epoch %q is not a number", text, epoch)
		}
		n.Epoch, n.Version = int(number), ver
	}
	if n.Name == "" || n.Version == "" || strings.Contains(n.Version, ":") || n.Release == "" || n.Arch == "" {
		return NEVRA{}, fmt.Errorf("package %q: want name-[epoch:]version-release.arch", text)
	}
	return n, nil
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
