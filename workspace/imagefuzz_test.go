package workspace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
)

// hasPlaces fails on diagnostics whose place is not in their file.
func hasPlaces(t *testing.T, dir string, ds doc.Diagnostics) {
	t.Helper()
	for _, d := range ds {
		if d.File == "" || d.Code == "" || d.Message == "" {
			t.Fatalf("incomplete: %#v", d)
		}
		if d.Line == 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, d.File))
		if err != nil {
			t.Fatalf("%v: %v", d, err)
		}
		lines := strings.Split(strings.TrimPrefix(string(text), "\xef\xbb\xbf"), "\n")
		if d.Line > len(lines) || d.Column < 1 || d.Column > utf8.RuneCountInString(lines[d.Line-1])+1 {
			t.Fatalf("%v lies outside of %q", d, text)
		}
	}
}

// FuzzLoadImage: whatever image.yaml and its includes hold, places are within
// them, the second load says the same, and our own image.json reads back.
func FuzzLoadImage(f *testing.F) {
	for _, text := range []string{
		"size: 10\n", "include: image.yaml\n", "extra-kargs: [a, a]\n", "a: &x {b: 1}\nc: *x\n", "<<: {size: 1}\n", "rootfs: ~\n", "!0",
		"include: base.yaml\nextra-kargs: [a, b]\nvendor: {l: [1, {a: 2}], m: {x: 1}}\n", "include: d/more.yaml\nostree-format: oci\nrootfs: ext5\n", "size: -1\nbootfs: [ext4]\n",
	} {
		f.Add(text, "extra-kargs: [b, c]\nvendor: {l: [1.0, {a: 2}], m: {y: 1}}\n", "include: ../base.yaml\nsize: 3\n")
	}
	f.Add("include: base.yaml\n", "include: link/more.yaml\n", "include: ../image.yaml\n")
	f.Fuzz(func(t *testing.T, text, base, more string) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "image.yaml"), text)
		writeFile(t, filepath.Join(dir, "base.yaml"), base)
		writeFile(t, filepath.Join(dir, "d", "more.yaml"), more)
		if err := os.Symlink("d", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "image.yaml")
		c, ds := workspace.LoadImage(path, dir)
		hasPlaces(t, dir, ds)
		if _, again := workspace.LoadImage(path, dir); !reflect.DeepEqual(ds, again) {
			t.Fatalf("the second load differs: %v, %v", said(ds), said(again))
		}
		if ds.HasErrors() {
			return
		}
		for _, karg := range c.ExtraKargs {
			if err := workspace.CheckKargs(karg); err != nil || len(strings.Fields(karg)) != 1 {
				t.Fatalf("%q: %v", karg, err)
			}
		}
		data, err := c.JSON("x")
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		back, ds := workspace.ParseImageJSON(data)
		if ds.HasErrors() {
			t.Fatalf("%q: our own image.json %s: %v", text, data, said(ds))
		}
		again, err := back.JSON("x")
		if err != nil || string(again) != string(data) {
			t.Fatalf("%q: %s became %s, %v", text, data, again, err)
		}
	})
}

// FuzzLoadPlatforms: the platforms.json that is kept says the same as the
// platforms.yaml that it was made of.
func FuzzLoadPlatforms(f *testing.F) {
	for _, text := range []string{
		"", "x86_64:\n  qemu:\n    grub_commands: [serial]\n    kernel_arguments: [console=tty0, 'a b']\n", "x86_64: ~\n", "x86_64: {metal: ~, qemu: {kernel_arguments: ['$x']}}\n",
		"x86_64: {qemu: {kernel_argument: [a]}, qemu: {}}\naarch64: []\n", "x86_64: &a {q: {grub_commands: [a]}}\naarch64: *a\n", "{}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "platforms.yaml")
		writeFile(t, path, text)
		p, ds := workspace.LoadPlatforms(path, "x86_64", dir)
		hasPlaces(t, dir, ds)
		if ds.HasErrors() || p.JSON == nil {
			return
		}
		for name, one := range p.ByName {
			for _, karg := range one.Kargs {
				if err := workspace.CheckKargs(karg); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if strings.ContainsAny(strings.Join(one.GrubCommands, ""), "\r\n") {
				t.Fatalf("%s: %q", name, one.GrubCommands)
			}
		}
		back, err := workspace.ReadPlatformsJSON(p.JSON)
		if err != nil || cmp.Diff(p.ByName, back.ByName) != "" {
			t.Fatalf("%q became %q: %v\n%s", text, p.JSON, err, cmp.Diff(p.ByName, back.ByName))
		}
	})
}

// FuzzImageJSON: the image.json of a commit, whoever made it, is read or
// refused, and is the same when it is written and read again; so are its
// platforms.
func FuzzImageJSON(f *testing.F) {
	for _, text := range []string{
		`{"size": 10, "extra-kargs": ["a b"], "grub-script": "x", "rootfs": "xfs", "vendor": {"a": [1, 1.5, null]}}`, `{"size": 1e3}`, `{"include": "x", "grub-script": 5}`, `[]`, ``, `null`,
		`{"qemu": {"kernel_arguments": ["a"], "grub_commands": []}, "metal": null}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := workspace.ReadPlatformsJSON(data); err == nil && string(p.JSON) != string(data) {
			t.Fatalf("%q became %q", data, p.JSON)
		}
		c, ds := workspace.ParseImageJSON(data)
		if ds.HasErrors() {
			return
		}
		once, err := c.JSON(c.GrubScript)
		if err != nil {
			t.Fatal(err)
		}
		back, ds := workspace.ParseImageJSON(once)
		if ds.HasErrors() || back.GrubScript != c.GrubScript {
			t.Fatalf("%q became %q: %v", data, once, said(ds))
		}
		if twice, err := back.JSON(back.GrubScript); err != nil || string(once) != string(twice) {
			t.Fatalf("%q became %q, then %q: %v", data, once, twice, err)
		}
	})
}

// TestMergedImagesAreLinear: four times the entries in two files take about
// four times the memory, not sixteen times.
func TestMergedImagesAreLinear(t *testing.T) {
	took := func(n int) uint64 {
		dir := t.TempDir()
		for _, name := range []string{"image.yaml", "base.yaml"} {
			var b strings.Builder
			if name == "image.yaml" {
				b.WriteString("include: base.yaml\n")
			}
			b.WriteString("extra-kargs:\n")
			for i := range n {
				fmt.Fprintf(&b, "  - %s%d\n", name[:1], i)
			}
			for i := range n {
				fmt.Fprintf(&b, "%s%d: {a: %d}\n", name[:1], i, i)
			}
			writeFile(t, filepath.Join(dir, name), b.String())
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, ds := workspace.LoadImage(filepath.Join(dir, "image.yaml"), ""); ds.HasErrors() {
			t.Fatal(said(ds[:3]))
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := took(1000), took(4000)
	if large > 8*small {
		t.Errorf("%d KiB for 1000 entries, %d KiB for 4000", small>>10, large>>10)
	}
}
