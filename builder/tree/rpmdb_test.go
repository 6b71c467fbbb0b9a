package tree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/proc"
)

// TestRPMDB lets rpm make a database where dnf would have left it, and read the result in a
// directory that cannot be written.
func TestRPMDB(t *testing.T) {
	need(t, "rpm", "bwrap")
	for _, place := range dbPlaces() {
		t.Run(place, func(t *testing.T) {
			tr, _ := newTree(t, map[string]string{place + "/": "", "etc/": ""})
			run(t, proc.Cmd{Args: []string{"rpm", "--define", "_db_backend sqlite", "--dbpath", filepath.Join(tr.Root, place), "--initdb"}})
			if err := tr.RPMDB(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := tr.RPMDB(t.Context()); err != nil {
				t.Fatalf("again: %v", err)
			}
			data, err := os.ReadFile(filepath.Join(tr.Root, "usr/share/rpm/rpmdb.sqlite"))
			if err != nil {
				t.Fatal(err)
			}
			if data[18] != 1 || data[19] != 1 {
				t.Errorf("journal mode %d %d", data[18], data[19])
			}
			got := list(t, tr.Root, "usr/lib", "var/lib")
			want := []string{
				"usr/lib/ 0755", "usr/lib/rpm/ 0755", "usr/lib/rpm/macros.d/ 0755",
				`usr/lib/rpm/macros.d/macros.rpm-ostree 0644 "%_dbpath /usr/share/rpm\n"`,
				"usr/lib/sysimage/ 0755", "usr/lib/sysimage/rpm -> ../../share/rpm",
				"var/lib/ 0755", "var/lib/rpm -> ../../usr/share/rpm",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			names, err := os.ReadDir(filepath.Join(tr.Root, "usr/share/rpm"))
			if err != nil || len(names) != 1 {
				t.Errorf("beside the database: %v, %v", names, err)
			}
			support, err := sandbox.Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			box := sandbox.Sandbox{Proc: support.Proc, Binds: []sandbox.Bind{{Source: filepath.Join(tr.Root, "usr/share/rpm"), Target: "/run/rpm"}}}
			if err := box.Run(t.Context(), proc.Cmd{Args: []string{"rpm", "--dbpath", "/run/rpm", "-qa"}}); err != nil {
				t.Errorf("read-only: %v", err)
			}
		})
	}
}

func TestRPMDBErrors(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"usr/share/rpm/rpmdb.sqlite": "SQLite format 3\x00", "usr/share/rpm/rpmdb.sqlite-wal": "pending"})
	err := tr.RPMDB(t.Context())
	if err == nil || !strings.Contains(err.Error(), "rpmdb.sqlite-wal has 7 bytes: the rpm database was not closed") {
		t.Errorf("got %v", err)
	}
	tr, _ = newTree(t, map[string]string{"etc/": ""})
	if err := tr.RPMDB(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "no rpm database in the tree") {
		t.Errorf("got %v", err)
	}
}

// TestPackages asks a real database through a link of the tree.
func TestPackages(t *testing.T) {
	need(t, "rpm", "rpmbuild")
	spec := filepath.Join(t.TempDir(), "p.spec")
	const text = `Name: sample
Version: 1
Release: 1
Summary: s
License: L
BuildArch: noarch
%description
d
%install
mkdir -p %{buildroot}/lib/sample %{buildroot}/usr/share/doc/sample
echo x >%{buildroot}/lib/sample/file
echo y >%{buildroot}/usr/share/doc/sample/y
%files
/lib/sample
/usr/share/doc/sample
`
	if err := os.WriteFile(spec, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	run(t, proc.Cmd{Args: []string{"rpmbuild", "-bb", "--define", "_topdir " + top, spec}, Env: []string{"HOME=/nonexistent"}})
	tr, log := newTree(t, map[string]string{"lib": "-> usr/lib", "usr/lib/": "", "etc/": "", "usr/share/doc/": ""})
	run(t, proc.Cmd{Args: []string{
		"rpm", "--root", tr.Root, "--dbpath", "/usr/share/rpm", "--define", "_db_backend sqlite", "-i", "--nosignature", "--nodeps",
		filepath.Join(top, "RPMS/noarch/sample-1-1.noarch.rpm"),
	}})
	_, err := tr.Overlays(t.Context(), []Layer{layerOf(t, "overlay/05core", map[string]string{"usr/lib/sample/file": "mine"})})
	want := "/usr/lib/sample/file: layer overlay/05core and package sample both have it, with different content"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	err = tr.RemoveFromPackages(t.Context(), []Removal{
		{Package: "sample", Patterns: []string{"^/usr/share/doc/"}, Origin: "m:1"},
		{Package: "other", Patterns: []string{"x"}, Origin: "m:2"},
		{Package: "sample", Patterns: []string{"nothing"}, Origin: "m:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := []string{
		"warning: m:2: remove-from-packages: package other is not installed",
		"warning: m:3: remove-from-packages: nothing of package sample matches",
	}
	if diff := cmp.Diff(said, log.said); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"usr/share/doc/ 0755"}, list(t, tr.Root, "usr/share/doc")); diff != "" {
		t.Error(diff)
	}
}
