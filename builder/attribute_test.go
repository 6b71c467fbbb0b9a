package builder

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/ostree"
)

func TestAttribute(t *testing.T) {
	changes := Changes{Parts: []PartChanges{
		{Step: "layers", Part: "remove-from-packages", Origin: "manifest.yaml:9:1", Removed: []string{"/usr/share/doc"}},
		{Step: "layers", Part: layersPart, Origin: "manifest.yaml:5:1", Added: []string{"/usr/etc/motd"}, Changed: []string{"/usr/bin/tool"}},
		{Step: "configure", Part: "rpmdb", Changed: []string{"/usr/share/rpm/db"}},
		{Step: "scripts", Part: "postprocess[0]", Origin: "manifest.yaml:20:5", Added: []string{"/usr/share/doc", "/usr/share/doc/new"}, Changed: []string{"/usr/etc/motd"}},
		{Step: "scripts", Part: "postprocess[1]", Origin: "manifest.yaml:24:5", Removed: []string{"/usr/bin/gone"}},
		{Step: "seal", Part: "seal", Added: []string{"/usr/lib/sealed"}},
	}}
	pkg := &BlamedPackage{Name: "tool", NEVRA: "tool-1-1.noarch"}
	layer := &BlamedLayer{Name: "overlay/05core", File: "src/config/overlay.d/05core/x"}
	type answer struct{ Made, Changed, Removed string }
	for _, tc := range []struct {
		path  string
		blame Blame
		want  answer
		notes int
	}{
		{"/usr/bin/plain", Blame{Present: true, Package: pkg}, answer{Made: "package tool-1-1.noarch"}, 0},
		{"/usr/bin/tool", Blame{Present: true, Package: pkg, Layer: layer}, answer{
			"package tool-1-1.noarch", "layer overlay/05core: src/config/overlay.d/05core/x", "",
		}, 0},
		{"/usr/etc/motd", Blame{Present: true, Layer: layer}, answer{
			"layer overlay/05core: src/config/overlay.d/05core/x", "postprocess[0] (manifest.yaml:20:5)", "",
		}, 0},
		{"/usr/share/rpm/db", Blame{Present: true}, answer{
			"a scriptlet, or rpm itself, when the packages were installed: no package has it", "nosa's step configure, for rpmdb", "",
		}, 0},
		{"/usr/share/doc/new", Blame{Present: true}, answer{Made: "postprocess[0] (manifest.yaml:20:5)"}, 0},
		{"/usr/lib/sealed", Blame{Present: true}, answer{Made: "nosa's step seal"}, 0},
		{"/usr/share/doc/old", Blame{Package: pkg}, answer{
			"package tool-1-1.noarch", "", "remove-from-packages (manifest.yaml:9:1), with all of /usr/share/doc",
		}, 0},
		{"/usr/share/doc/never", Blame{}, answer{Removed: "remove-from-packages (manifest.yaml:9:1), with all of /usr/share/doc"}, 1},
		{"/usr/bin/gone", Blame{Package: pkg}, answer{"package tool-1-1.noarch", "", "postprocess[1] (manifest.yaml:24:5)"}, 0},
		{"/usr/share/locale/xx", Blame{Package: pkg}, answer{Made: "package tool-1-1.noarch"}, 1},
	} {
		b := tc.blame
		b.Path, b.Changes = tc.path, changes.about(tc.path)
		b.attribute()
		if diff := cmp.Diff(tc.want, answer{b.MadeBy, b.ChangedBy, b.RemovedBy}); diff != "" {
			t.Errorf("%s: %s", tc.path, diff)
		}
		if len(b.Notes) != tc.notes {
			t.Errorf("%s: %q, want %d notes", tc.path, b.Notes, tc.notes)
		}
	}
}

// TestBlamePath finds the path of the commit for what people type, and one that is near what is not
// there.
func TestBlamePath(t *testing.T) {
	file := func(name string) ostree.Entry { return ostree.Entry{Path: name, Mode: 0o100644} }
	link := func(name, target string) ostree.Entry {
		return ostree.Entry{Path: name, Mode: 0o120777, Target: target}
	}
	s := &blamer{tree: ostree.Tree{Entries: []ostree.Entry{
		{Path: "/", Mode: 0o040755},
		link("/bin", "usr/bin"), link("/loop", "loop"), link("/sbin", "/usr/sbin"), link("/usr/sbin", "bin"),
		file("/usr/bin/tool"), file("/usr/etc/passwd"), link("/usr/bin/alias", "tool"),
	}}}
	s.paths = byPath(s.tree)
	for name, want := range map[string]string{
		"/etc/passwd": "/usr/etc/passwd", "usr/etc/passwd/": "/usr/etc/passwd", "/etc": "/usr/etc", "/bin/tool": "/usr/bin/tool",
		"/sbin/tool": "/usr/bin/tool", "/bin": "/bin", "/usr/bin/alias": "/usr/bin/alias", "/usr/../bin//tool": "/usr/bin/tool",
		"/loop/x": "/loop/x", "/etcetera": "/etcetera", "/": "/",
	} {
		if got := s.inCommit(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"/usr/bin/tol": "/usr/bin/tool", "/opt/tool": "/usr/bin/tool", "/usr/lib/other": ""} {
		if got := s.near(name); got != want {
			t.Errorf("near %s: got %q, want %q", name, got, want)
		}
	}
}
