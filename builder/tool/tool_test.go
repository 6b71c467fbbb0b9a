package tool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"git", "git version 2.39.5\n", "2.39.5"},
		{"dnf", "4.14.0\n  Installed: dnf-0:4.14.0-3+deb12u1 at Sun\n", "4.14.0"},
		{"ostree", "libostree:\n Version: '2022.7'\n Git: 4ab2e02\n", "2022.7"},
		{"createrepo_c", "Version: 0.17.3 (Features: LegacyWeakdeps)\n", "0.17.3"},
		{"mke2fs", "mke2fs 1.47.0 (5-Feb-2023)\n\tUsing EXT2FS Library version 1.47.0\n", "1.47.0"},
		{"mcopy", "mcopy (GNU mtools) 4.0.32\n", "4.0.32"},
		{"none", "usage: thing [-h]\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ParseVersion(tc.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompareVersions(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"4.14.0", "4.2", 1},
		{"5", "5.0.0", 0},
		{"2021.10", "2021.9", 1},
		{"1.44.6", "1.45", -1},
	} {
		if got := CompareVersions(tc.a, tc.b); got != tc.want {
			t.Errorf("CompareVersions(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestJudge(t *testing.T) {
	dnf := Need("dnf")[0]
	for _, tc := range []struct{ version, want string }{
		{"4.14.0", ""},
		{"4.0.9", "dnf 4.0.9 is too old: want 4.2 or later (version 5 has another Python API; the container has version 4)"},
		{"5.2.1", "dnf 5.2.1 is too new: want a version before 5 (version 5 has another Python API; the container has version 4)"},
	} {
		got := ""
		if err := dnf.Judge(tc.version); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFamilyOf(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     Family
	}{
		{"debian", "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", Debian},
		{"mint: by ID_LIKE, whose order in the file does not count", "ID_LIKE=\"ubuntu debian\"\nID=linuxmint\n", Debian},
		{"openEuler", "NAME=\"openEuler\"\nID=\"openEuler\"\n", OpenEuler},
		{"rocky", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Fedora},
		{"unknown", "ID=plan9\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := FamilyOf(tc.in); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// The lists and the table say the same: every tool has a package in every
// family and is used by the same parts of nosa there. Debian has no rpm-ostree.
func TestListsAgreeWithTable(t *testing.T) {
	for _, family := range Families() {
		list, err := Packages(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range Table() {
			names := append([]string{tool.Name}, tool.Alias...)
			i := slices.IndexFunc(list, func(p Package) bool {
				return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(p.Programs, n) })
			})
			if i < 0 && family == Debian && tool.Name == "rpm-ostree" {
				continue
			}
			if i < 0 {
				t.Errorf("%s: no package for %s", family, tool.Name)
				continue
			}
			for _, part := range tool.UsedBy {
				if !slices.Contains(list[i].UsedBy, part) {
					t.Errorf("%s: %s (for %s) is not listed as used by %s", family, list[i].Name, tool.Name, part)
				}
			}
		}
	}
}

func TestParseListRefusesOtherShapes(t *testing.T) {
	if _, err := parseList("# comment\n\ngit git\n"); err == nil {
		t.Error("two columns were accepted")
	}
}

func TestMissingErrorNamesPackages(t *testing.T) {
	err := &MissingError{Tools: Need("mke2fs", "debugfs", "qemu-img"), Family: Debian}
	want := "missing programs: mke2fs, debugfs, qemu-img; install with: apt-get install --no-install-recommends e2fsprogs qemu-utils"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	err = &MissingError{Tools: []Tool{{Name: "frobnicate"}}, Family: Fedora}
	if diff := cmp.Diff("missing program: frobnicate", err.Error()); diff != "" {
		t.Error(diff)
	}
}

// Tools in a directory of fakes: one is there and new enough, one is too old,
// the rest are missing.
func TestSurvey(t *testing.T) {
	dir := t.TempDir()
	for name, out := range map[string]string{"mke2fs": "mke2fs 1.47.0 (5-Feb-2023)", "debugfs": "debugfs 1.43.1"} {
		script := "#!/bin/sh\necho '" + out + "' >&2\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)

	found, err := Survey(t.Context(), "mke2fs", "debugfs", "e2fsck")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		text := f.Tool.Name + " " + f.Version
		var missing *MissingError
		switch {
		case errors.As(f.Err, &missing):
			text += "missing"
		case f.Err != nil:
			text += ": " + f.Err.Error()
		}
		got = append(got, text)
	}
	want := []string{"mke2fs 1.47.0", "debugfs 1.43.1: debugfs 1.43.1 is too old: want 1.45 or later", "e2fsck missing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if missing := Missing("mke2fs", "e2fsck"); len(missing) != 1 || missing[0].Name != "e2fsck" {
		t.Errorf("Missing gave %v, want e2fsck only", missing)
	}
	if err := Require("mke2fs"); err != nil {
		t.Errorf("Require: %v", err)
	}
}

// Every tool of the table that is installed tells its version, and it will do.
func TestRealTools(t *testing.T) {
	var parts []string
	for _, tool := range Table() {
		parts = append(parts, tool.Name)
	}
	found, err := Survey(t.Context(), parts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Path == "" {
			// Debian has no rpm-ostree; the engine's tests say what stands in for it.
			strict := os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1"
			if strict && f.Tool.Name != "rpm-ostree" {
				t.Error(f.Err)
			}
			t.Logf("not here: %s", f.Tool.Name)
			continue
		}
		if f.Err != nil {
			t.Error(f.Err)
		}
	}
}
