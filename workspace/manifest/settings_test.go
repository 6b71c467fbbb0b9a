package manifest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// settings prints where key is written, a line each.
func settings(m *Manifest, key string) string {
	var b strings.Builder
	for _, s := range m.Settings(key) {
		fmt.Fprintf(&b, "%s %s=%v %s %s\n", s.Origin, s.As, s.Value, s.Fate, s.Why)
	}
	return b.String()
}

func TestSettings(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"manifest.yaml": `edition: "2024"
include: [a.yaml, b.yaml]
boot_location: new
packages: [vim]
packages-aarch64: [efibootmgr]
variables: {stream: stable, n: 1}
conditional-include:
  - if: n == 2
    include: {selinux: false, units: [never.service]}
  - if: n == 1
    include: {units: [now.service]}
add-commit-metadata: {k: top}
`,
		"a.yaml": "include: c.yaml\nselinux: true\npackages: [bash]\nvariables: {stream: dev, m: x}\nadd-commit-metadata: {k: a}\n",
		"b.yaml": "selinux: false\ntmp-is-dir: false\nplatform-module: p\nunits: [b.service]\n",
		"c.yaml": "container: true\n",
	})
	m, _ := Load(filepath.Join(dir, "manifest.yaml"), Options{Arch: "x86_64"})
	for key, want := range map[string]string{
		"selinux": "manifest.yaml:9:15 selinux=false idle its condition does not hold\n" +
			"a.yaml:2:1 selinux=true wins \n" +
			"b.yaml:1:1 selinux=false loses a.yaml:2 wins\n" +
			"c.yaml:1:1 container=false loses implied by container; a.yaml:2 wins\n",
		"boot-location": "manifest.yaml:3:1 boot_location=new wins \n" +
			"c.yaml:1:1 container=modules loses implied by container; manifest.yaml:3 wins\n",
		"tmp-is-dir": "b.yaml:2:1 tmp-is-dir=false loses manifest.yaml:1 wins\n" +
			"manifest.yaml:1:1 edition=true wins implied by edition\n" +
			"c.yaml:1:1 container=true loses implied by container; manifest.yaml:1 wins\n",
		"packages": "manifest.yaml:4:1 packages=[vim] joins \n" +
			"manifest.yaml:5:1 packages-aarch64=[efibootmgr] idle it is for aarch64\n" +
			"a.yaml:3:1 packages=[bash] joins \n",
		"units": "manifest.yaml:9:31 units=[never.service] idle its condition does not hold\n" +
			"manifest.yaml:11:15 units=[now.service] joins \n" +
			"b.yaml:4:1 units=[b.service] joins \n",
		"variables": "manifest.yaml:6:1 variables=map[n:1 stream:stable] joins \n" +
			"a.yaml:4:1 variables=map[m:x stream:dev] joins stream of another file wins\n",
		"add-commit-metadata": "manifest.yaml:12:1 add-commit-metadata=map[k:top] joins \n" +
			"a.yaml:5:1 add-commit-metadata=map[k:a] loses the includer's or an earlier include's entries win\n",
		"platform-module": "b.yaml:3:1 platform-module=p loses it counts in the top-level treefile only\n",
		"include": "manifest.yaml:2:1 include=[a.yaml b.yaml] follows \n" +
			"a.yaml:1:1 include=c.yaml follows \n",
		"ima": "",
	} {
		if diff := cmp.Diff(want, settings(m, key)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	var got []string
	for _, key := range []string{"units", "packages", "variables", "add-commit-metadata", "selinux"} {
		for _, e := range m.Elements(key) {
			got = append(got, fmt.Sprintf("%s: %s %s", key, e.Text, e.Origin))
		}
	}
	want := []string{
		"units: b.service b.yaml:4:9", "units: now.service manifest.yaml:11:23",
		"packages: bash a.yaml:3:12", "packages: vim manifest.yaml:4:12",
		"variables: basearch = x86_64 ", "variables: m = x a.yaml:4:29", "variables: n = 1 manifest.yaml:6:32", "variables: stream = stable manifest.yaml:6:21",
		"add-commit-metadata: k = \"top\" manifest.yaml:12:26",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
}

func TestFindKey(t *testing.T) {
	for name, want := range map[string]string{
		"packages": "packages", "packages-aarch64": "packages", "boot_location": "boot-location",
		"packages-typo": "", "": "", "base-refspec": "",
	} {
		if key, ok := FindKey(name); key.Name != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", name, key.Name, ok)
		}
	}
}
