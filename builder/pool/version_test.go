package pool

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

func TestVersionToRPM(t *testing.T) {
	for _, tc := range []struct{ in, full, evr string }{
		{"2.36-9+deb12u14", "2.36-9+deb12u14", "2.36-9+deb12u14"},
		{"1:9.2p1-2+deb12u10", "1:9.2p1-2+deb12u10", "1:9.2p1-2+deb12u10"},
		{"12.4+deb12u15", "12.4+deb12u15-0", "12.4+deb12u15"}, // native: any release matches
		{"4.4.3-P1-2", "4.4.3.P1-2", "4.4.3.P1-2"},
		{"252.39-1~deb12u2", "252.39-1~deb12u2", "252.39-1~deb12u2"},
		{"5.36.0-", "5.36.0-0", "5.36.0"},
	} {
		v, err := parseVersion(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if v.full() != tc.full || v.evr() != tc.evr {
			t.Errorf("%s: full %s evr %s, want %s %s", tc.in, v.full(), v.evr(), tc.full, tc.evr)
		}
	}
	for _, bad := range []string{"", "x:1", "1/2", "1 2", "1-"} {
		if _, err := parseVersion(bad); (err == nil) != (bad == "1-") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

// versions are chosen for the rules of deb-version(7): tildes, letters against
// signs, leading zeros, epochs, revisions.
func versions() []string {
	return []string{
		"1.0", "1.0-1", "1.0~rc1", "1.0~~", "1.0+b1", "1.0-1+b1", "1.0-1~bpo1", "1.0a", "1.0.1", "1.00",
		"1.10", "1.9", "0:1.0", "1:0.5", "1.0-0", "1.0+deb12u2", "1.0+deb12u10", "2", "1.0-1.1", "z", "1.0.a", "1.0+a",
	}
}

// TestCompareLikeDpkg holds every pair against dpkg itself.
func TestCompareLikeDpkg(t *testing.T) {
	need(t, "dpkg")
	for _, a := range versions() {
		for _, b := range versions() {
			if a > b {
				continue // the other order is the same question
			}
			va, _ := parseVersion(a)
			vb, _ := parseVersion(b)
			got := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[compareVersions(va, vb)]
			if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"dpkg", "--compare-versions", a, got, b}}); err != nil {
				t.Errorf("%s %s %s: dpkg disagrees", a, got, b)
			}
			if back := compareVersions(vb, va); back != -compareVersions(va, vb) {
				t.Errorf("%s and %s: not antisymmetric", a, b)
			}
		}
	}
}

func TestRelationsToRPM(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"libc6 (>= 2.36)", "libc6 >= 2.36"},
		{"libc6 (>> 2.36)", "libc6 >= 2.36"}, // RPM: 2.36-9 > 2.36 is false
		{"libc6 (>> 2.36-1)", "libc6 > 2.36-1"},
		{"libc-bin (<< 2.37)", "libc-bin < 2.37"},
		{"dbus-bin (= 1.14.10-1~deb12u1)", "dbus-bin = 1.14.10-1~deb12u1"},
		{"libmagic1 (>= 1:5.44-3)", "libmagic1 >= 1:5.44-3"},
		{"perl:any", "perl"},
		{"foo [amd64] ", "foo"},
		{"gnupg (>= 2.1) | gpg", "(gnupg >= 2.1 or gpg)"},
		{"foo (< 1)", "foo <= 1"}, // the old spelling
	} {
		clauses, err := parseRelations(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		got, err := clauses[0].rpm()
		if err != nil || got != tc.want {
			t.Errorf("%s: got %q (%v), want %q", tc.in, got, err, tc.want)
		}
	}
	for _, bad := range []string{"../x", "foo (>= )", "foo (~ 1)", "foo (>= 1", "/bin/sh", "x"} {
		if c, err := parseRelations(bad); err == nil {
			t.Errorf("%q: no error, got %v", bad, c)
		}
	}
}

func TestRelationsOf(t *testing.T) {
	c := stanza{
		"Package": "demo", "Version": "1:1.0-1", "Pre-Depends": "libc6 (>= 2.36)", "Depends": "debconf (>= 0.5) | debconf-2.0, adduser, bb | cc, perl:any",
		"Provides": "mail-agent, demo-api (= 2)", "Conflicts": "mail-agent, other (<< 2), demo", "Breaks": "old (<< 3~), worse", "Recommends": "nice | good",
	}
	v, err := parseVersion(c["Version"])
	if err != nil {
		t.Fatal(err)
	}
	drop := dropList{{"debconf", "*", ""}, {"adduser", "*", ""}, {"perl", "rpm", ""}}
	meta, err := relationsOf(c, v, drop)
	if err != nil {
		t.Fatal(err)
	}
	text := func(list interface{ String() string }) string { return list.String() }
	got := map[string]string{"requires": text(&meta.Requires), "provides": text(&meta.Provides), "conflicts": text(&meta.Conflicts), "recommends": text(&meta.Recommends)}
	want := map[string]string{
		"requires":   "filesystem,libc6>=2.36,(bb or cc),perl,rpmlib(CompressedFileNames)unknown3.0.4-1,rpmlib(PayloadIsZstd)unknown5.4.18-1,rpmlib(RichDependencies)unknown4.12.0-1",
		"provides":   "demo=1:1.0-1,mail-agent,demo-api=2",
		"conflicts":  "mail-agent,worse", // versioned ones would match provides without a version
		"recommends": "(nice or good)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
