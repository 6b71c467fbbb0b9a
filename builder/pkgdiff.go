package builder

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/rpmmd"
)

// PackageChangeKind is what became of a package. The order is the one of
// rpm-ostree's numbers (RpmOstreePackageDiffTypes).
type PackageChangeKind string

// The kinds.
const (
	PackageAdded      PackageChangeKind = "added"
	PackageRemoved    PackageChangeKind = "removed"
	PackageUpgraded   PackageChangeKind = "upgraded"
	PackageDowngraded PackageChangeKind = "downgraded"
)

// packageChangeKinds is all of them, at the places of rpm-ostree's numbers.
func packageChangeKinds() []PackageChangeKind {
	return []PackageChangeKind{PackageAdded, PackageRemoved, PackageUpgraded, PackageDowngraded}
}

// PackageChange is a package by which two builds differ.
type PackageChange struct {
	Name   string            `json:"name"`
	Change PackageChangeKind `json:"change"`
	From   string            `json:"from,omitempty"` // [epoch:]version-release.arch; empty when it was added
	To     string            `json:"to,omitempty"`   // empty when it was removed
}

// DiffPackages compares what two builds are made of, by kind and name as
// rpm-ostree db diff does. One whose architecture alone differs is upgraded.
func DiffPackages(from, to rpmmd.Lockfile) []PackageChange {
	changes := []PackageChange{}
	names := map[string]bool{}
	for _, packages := range []map[string]rpmmd.Locked{from.Packages, to.Packages} {
		for name := range packages {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, before := from.Packages[name]
		b, after := to.Packages[name]
		c := PackageChange{Name: name, Change: PackageUpgraded, From: cmp.Or(a.EVRA, a.EVR), To: cmp.Or(b.EVRA, b.EVR)}
		switch order := compareLocked(a, b); {
		case !before:
			c.Change = PackageAdded
		case !after:
			c.Change = PackageRemoved
		case order > 0:
			c.Change = PackageDowngraded
		case order == 0 && sameArch(a, b):
			continue
		}
		changes = append(changes, c)
	}
	kinds := packageChangeKinds()
	slices.SortStableFunc(changes, func(a, b PackageChange) int {
		return cmp.Compare(slices.Index(kinds, a.Change), slices.Index(kinds, b.Change))
	})
	return changes
}

func compareLocked(a, b rpmmd.Locked) int {
	evrA, _ := a.Version()
	evrB, _ := b.Version()
	return rpmmd.CompareEVR(evrA, evrB)
}

// sameArch says whether two pins are of one architecture, as far as they say.
func sameArch(a, b rpmmd.Locked) bool {
	_, archA := a.Version()
	_, archB := b.Version()
	return archA == archB || archA == "" || archB == ""
}

// PackageDiff is DiffPackages as meta.json has it under pkgdiff and
// parent-pkgdiff, the form of rpm-ostree db diff --format=json: a list of
// [name, kind, {"PreviousPackage": [name, evr, arch], "NewPackage": …}]. A pin
// that is for any architecture is noted as noarch.
func PackageDiff(from, to rpmmd.Lockfile) (json.RawMessage, error) {
	kinds := packageChangeKinds()
	list := [][]any{}
	for _, c := range DiffPackages(from, to) {
		detail := map[string][]string{}
		if c.From != "" {
			detail["PreviousPackage"] = packageTriple(c.Name, from)
		}
		if c.To != "" {
			detail["NewPackage"] = packageTriple(c.Name, to)
		}
		list = append(list, []any{c.Name, slices.Index(kinds, c.Change), detail})
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("comparing packages: %w", err)
	}
	return data, nil
}

func packageTriple(name string, l rpmmd.Lockfile) []string {
	evr, arch := l.Packages[name].Version()
	return []string{name, evr, cmp.Or(arch, "noarch")}
}

// CountPackages says how many changes there are of each kind: "1 added, 3 upgraded".
func CountPackages(changes []PackageChange) string {
	count := map[PackageChangeKind]int{}
	for _, c := range changes {
		count[c.Change]++
	}
	var words []string
	for _, kind := range packageChangeKinds() {
		if count[kind] > 0 {
			words = append(words, fmt.Sprintf("%d %s", count[kind], kind))
		}
	}
	if len(words) == 0 {
		return "the same"
	}
	return strings.Join(words, ", ")
}
