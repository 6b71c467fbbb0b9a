package pool

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// debVersion is [epoch:]upstream[-revision], deb-version(7).
type debVersion struct {
	epoch    uint32
	hasEpoch bool
	upstream string
	revision string // empty for native packages
}

func parseVersion(s string) (debVersion, error) {
	var v debVersion
	rest := s
	if e, after, ok := strings.Cut(s, ":"); ok {
		n, err := strconv.ParseUint(e, 10, 31)
		if err != nil {
			return v, fmt.Errorf("version %q: epoch is not a number", s)
		}
		v.epoch, v.hasEpoch, rest = uint32(n), true, after
	}
	v.upstream = rest
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		v.upstream, v.revision = rest[:i], rest[i+1:]
	}
	for _, r := range v.upstream + v.revision {
		if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-~:", r) {
			return v, fmt.Errorf("version %q: character %q is not allowed", s, r)
		}
	}
	if v.upstream == "" {
		return v, fmt.Errorf("version %q: empty", s)
	}
	return v, nil
}

// compareVersions orders two Debian versions as dpkg does.
func compareVersions(a, b debVersion) int {
	if c := cmp.Compare(a.epoch, b.epoch); c != 0 {
		return c
	}
	if c := comparePart(a.upstream, b.upstream); c != 0 {
		return c
	}
	return comparePart(a.revision, b.revision)
}

// comparePart is the algorithm of deb-version(7): runs of non-digits by
// characters ('~' before the end, letters before the rest), runs of digits by value.
func comparePart(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = takeRun(a, notDigit)
		y, b = takeRun(b, notDigit)
		for i := range max(len(x), len(y)) {
			if c := cmp.Compare(charOrder(x, i), charOrder(y, i)); c != 0 {
				return c
			}
		}
		x, a = takeRun(a, isDigit)
		y, b = takeRun(b, isDigit)
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Compare(len(x), len(y)); c != 0 {
			return c
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func takeRun(s string, in func(byte) bool) (run, rest string) {
	i := 0
	for i < len(s) && in(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func notDigit(c byte) bool { return !isDigit(c) }

func charOrder(s string, i int) int {
	if i >= len(s) {
		return 0
	}
	c := s[i]
	switch {
	case c == '~':
		return -1
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return int(c)
	}
	return int(c) + 256
}

// rpmVersion and rpmRelease are the two halves that RPM wants: '-' separates
// fields there, so the ones inside the upstream version become dots, and a
// native package gets the release 0.
func (v debVersion) rpmVersion() string {
	return strings.NewReplacer("-", ".", ":", ".").Replace(v.upstream)
}

func (v debVersion) rpmRelease() string {
	if v.revision == "" {
		return "0"
	}
	return v.revision
}

// evr is the version as a dependency names it: without a release where the
// Debian one has no revision, since RPM takes a missing release as equal to any.
func (v debVersion) evr() string {
	s := v.rpmVersion()
	if v.revision != "" {
		s += "-" + v.revision
	}
	if v.epoch > 0 {
		s = strconv.FormatUint(uint64(v.epoch), 10) + ":" + s
	}
	return s
}

// full is the version of the package itself, always with a release.
func (v debVersion) full() string {
	s := v.rpmVersion() + "-" + v.rpmRelease()
	if v.epoch > 0 {
		s = strconv.FormatUint(uint64(v.epoch), 10) + ":" + s
	}
	return s
}
