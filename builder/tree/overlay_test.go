package tree

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func layerOf(t *testing.T, name string, files map[string]string) Layer {
	t.Helper()
	layer, err := ReadLayer(name, writeTree(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// TestOverlays goes through links of the tree, keeps directories, takes identical files, and says
// who put what.
func TestOverlays(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{
		"usr/lib/same": "same", "lib": "-> usr/lib", "etc/old": "old", "usr/lib/alias": "-> same", "abs": "-> /usr/lib",
	})
	if err := os.Chmod(filepath.Join(tr.Root, "usr/lib"), 0o711); err != nil {
		t.Fatal(err)
	}
	override := layerOf(t, "overlay/rootfs", map[string]string{"etc/old": "new", "usr/lib/alias": "-> other"})
	override.Override = true
	got, err := tr.Overlays(t.Context(), []Layer{
		layerOf(t, "overlay/05core", map[string]string{"lib/same": "same", "usr/etc/conf": "c", "usr/share/deep/file": "f", "abs/two": "2"}),
		layerOf(t, "overlay/10more", map[string]string{"usr/share/deep/file": "f", "usr/share/empty/": ""}),
		override,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Placement{Layers: []PlacedLayer{
		{Name: "overlay/05core", Paths: []string{"/usr/lib/two", "/usr/lib/same", "/etc/conf", "/usr/share/deep/file"}},
		{Name: "overlay/10more", Paths: []string{"/usr/share/deep/file"}},
		{Name: "overlay/rootfs", Override: true, Paths: []string{"/etc/old", "/usr/lib/alias"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	files := []string{
		"/ 0755", "abs -> /usr/lib", "etc/ 0755", `etc/conf 0644 "c"`, `etc/old 0644 "new"`, "lib -> usr/lib", "usr/ 0755",
		"usr/lib/ 0711", "usr/lib/alias -> other", `usr/lib/same 0644 "same"`, `usr/lib/two 0644 "2"`,
		"usr/share/ 0755", "usr/share/deep/ 0755", `usr/share/deep/file 0644 "f"`, "usr/share/empty/ 0755",
	}
	if diff := cmp.Diff(files, list(t, tr.Root)); diff != "" {
		t.Error(diff)
	}
}

func TestConflicts(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"usr/lib/a": "a", "usr/lib/b": "b", "usr/lib/c": "-> a", "usr/lib/dir/": ""})
	if err := os.Chmod(filepath.Join(tr.Root, "usr/lib/b"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := tr.Overlays(t.Context(), []Layer{
		layerOf(t, "one", map[string]string{"usr/lib/x": "1", "usr/lib/a": "other", "usr/lib/b": "b"}),
		layerOf(t, "two", map[string]string{"usr/lib/x": "2", "usr/lib/c": "-> b", "usr/lib/dir": "file"}),
	})
	if _, ok := errors.AsType[Conflicts](err); !ok {
		t.Fatalf("got %v", err)
	}
	want := `/usr/lib/a: layer one and no package both have it, with different content
/usr/lib/b: layer one and no package both have it, with different modes (0644, was 0600)
/usr/lib/c: layer two and no package both have it, with different targets (b, was a)
/usr/lib/dir: layer two and no package both have it, with different types
/usr/lib/x: layer two and layer one both have it, with different content`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

// TestOverlayStaysInside follows links that lead out of the tree as the tree itself would.
func TestOverlayStaysInside(t *testing.T) {
	need(t)
	outside := t.TempDir()
	tr, _ := newTree(t, map[string]string{"usr/up": "-> ../../../../../../../.." + outside, outside[1:] + "/": ""})
	if _, err := tr.Overlays(t.Context(), []Layer{layerOf(t, "l", map[string]string{"usr/up/file": "f"})}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(outside)
	if err != nil || len(left) > 0 {
		t.Errorf("outside of the tree: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(tr.Root, outside, "file")); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyExecutables(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"usr/bin/a": "", "usr/lib/b": ""})
	if err := os.Chmod(filepath.Join(tr.Root, "usr/bin/a"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if err := tr.ReadOnlyExecutables(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`usr/bin/a 4555 ""`, `usr/lib/b 0644 ""`}, list(t, tr.Root, "usr/bin/a", "usr/lib/b")); diff != "" {
		t.Error(diff)
	}
}
