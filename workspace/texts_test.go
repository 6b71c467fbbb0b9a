package workspace

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/lint"
	"github.com/nestos/nosa/workspace/manifest"
)

// TestTextsStandIn reads the files of a config with unsaved text in their place.
func TestTextsStandIn(t *testing.T) {
	dir := t.TempDir()
	texts := doc.Texts{}
	for name, text := range map[string][2]string{
		"manifest.yaml":  {"include: a.yaml\nref: x\n", "include: a.yaml\nref: x\npackges: [bash]\n"},
		"a.yaml":         {"packages: [bash]\n", "packages: [bash, zsh]\n"},
		"image.yaml":     {"rootfs: ext4\n", "rootsf: ext4\n"},
		"platforms.yaml": {"x86_64:\n  qemu: {}\n", "x86_64:\n  qemu: {kargs: []}\n"},
		"x.repo":         {"[x]\nname=x\nbaseurl=https://x.org/\n", "[x]\nname=x\nbasurl=https://x.org/\n"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text[0]), 0o644); err != nil {
			t.Fatal(err)
		}
		texts.Put(path, []byte(text[1]))
	}
	codes := func(texts doc.Texts) map[string]bool {
		found := map[string]bool{}
		note := func(kind string, ds doc.Diagnostics) {
			for _, d := range ds {
				if d.Severity != doc.Info {
					found[kind+" "+d.File+" "+d.Code] = true
				}
			}
		}
		m, ds := manifest.Load(filepath.Join(dir, "manifest.yaml"), manifest.Options{Arch: "x86_64", Texts: texts})
		note("manifest", ds)
		if n := len(m.Packages); n > 1 {
			found["two packages"] = true
		}
		_, ds = LoadImageTexts(filepath.Join(dir, "image.yaml"), dir, texts)
		note("image", ds)
		_, ds = PlatformsFile{Path: filepath.Join(dir, "platforms.yaml"), Arch: "x86_64", Root: dir, Texts: texts}.Load()
		note("platforms", ds)
		note("lint", lint.Check(t.Context(), lint.Config{
			Dir: dir, Root: dir, Manifest: m, RepoDirs: []string{dir}, Texts: texts,
			Image: filepath.Join(dir, "image.yaml"), Platforms: filepath.Join(dir, "platforms.yaml"),
		}))
		return found
	}
	before, after := codes(nil), codes(texts)
	for what := range before {
		delete(after, what)
	}
	want := map[string]bool{
		"two packages":                   true,
		"manifest manifest.yaml TF001":   true,
		"image image.yaml IM001":         true,
		"platforms platforms.yaml IM001": true,
		"lint x.repo CF041":              true,
		"lint x.repo CF045":              true,
	}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Error(diff)
	}
}
