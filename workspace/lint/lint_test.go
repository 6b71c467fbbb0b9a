package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// write makes files below dir. A name that ends in * is executable, content
// that begins with "-> " makes a link.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, strings.TrimSuffix(name, "*"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			mode := os.FileMode(0o644)
			if strings.HasSuffix(name, "*") {
				mode = 0o755
			}
			err = os.WriteFile(path, []byte(content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// config loads dir as the builder does: all of overlay.d where the manifest names no layers.
func config(t testing.TB, dir, root string) Config {
	t.Helper()
	m, ds := manifest.Load(filepath.Join(dir, "manifest.yaml"), manifest.Options{Arch: "x86_64", Root: root})
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	c := Config{
		Dir: dir, Root: root, Manifest: m, RepoDirs: []string{dir},
		Image: filepath.Join(dir, "image.yaml"), Platforms: filepath.Join(dir, "platforms.yaml"),
	}
	there, err := os.ReadDir(filepath.Join(dir, overlayDir))
	if err != nil {
		return c
	}
	if !m.Has("ostree-layers") {
		for _, d := range there {
			if d.IsDir() {
				c.Overlays = append(c.Overlays, filepath.Join(dir, overlayDir, d.Name()))
			}
		}
	}
	for _, i := range slices.Concat(m.Layers, m.OverrideLayers) {
		c.Overlays = append(c.Overlays, filepath.Join(dir, overlayDir, strings.TrimPrefix(i.Text, overlayPrefix)))
	}
	return c
}

// brief is what the tests compare: place, severity, code, message and fix.
func brief(ds doc.Diagnostics) []string {
	list := []string{}
	for _, d := range ds {
		text := fmt.Sprintf("%s: %s[%s]: %s", d.Origin.String(), d.Severity, d.Code, d.Message)
		if d.Fix != "" {
			text += " => " + d.Fix
		}
		list = append(list, text)
	}
	return list
}

type lintCase struct {
	name  string
	files map[string]string
	want  []string
}

// run makes each case's files, with a manifest.yaml if there is none, and checks them.
func run(t *testing.T, cases []lintCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, ok := tc.files["manifest.yaml"]; !ok {
				write(t, dir, map[string]string{"manifest.yaml": "packages: [bash]\n"})
			}
			write(t, dir, tc.files)
			got := brief(Check(t.Context(), config(t, dir, dir)))
			want := append([]string{}, tc.want...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// needBash skips a test that compares what bash says.
func needBash(t *testing.T) {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "bash")); err == nil {
			return
		}
	}
	if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
		t.Fatal("bash is not installed")
	}
	t.Skip("bash is not installed")
}

// TestReal: nothing is said of the sample and of real configs but what is wrong with them.
func TestReal(t *testing.T) {
	sample, err := filepath.Abs("../../assets/sample")
	if err != nil {
		t.Fatal(err)
	}
	corpora, err := filepath.Abs("../manifest/testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		dir  string
		want []string
	}{
		{dir: sample},
		{dir: filepath.Join(corpora, "corpus-nestos-master")},
		{dir: filepath.Join(corpora, "corpus-nestos-24.03")},
	} {
		t.Run(filepath.Base(tc.dir), func(t *testing.T) {
			c := config(t, tc.dir, tc.dir)
			c.Overlays = slices.DeleteFunc(c.Overlays, func(dir string) bool { // the corpora are without theirs
				_, err := os.Stat(dir)
				return err != nil
			})
			if diff := cmp.Diff(append([]string{}, tc.want...), brief(Check(t.Context(), c))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// BenchmarkSample is a look at the sample without bash, whose time is its own.
func BenchmarkSample(b *testing.B) {
	dir, err := filepath.Abs("../../assets/sample")
	if err != nil {
		b.Fatal(err)
	}
	c := config(b, dir, dir)
	b.Setenv("PATH", dir)
	for b.Loop() {
		Check(b.Context(), c)
	}
}
