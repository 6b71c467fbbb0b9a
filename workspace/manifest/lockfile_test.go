package manifest

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/rpmmd"
)

func TestReadLockfile(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"manifest-lock.x86_64.json": `{"packages": {"bash": {"evra": "1:5.2-1.x86_64", "digest": "sha256:` + digest + `"}},
			"metadata": {"generated": "2026-11-02T00:00:00Z", "rpmmd_repos": {"os": {"generated": "2026-11-01T00:00:00Z"}}}}`,
		"manifest-lock.overrides.yaml": "# why\npackages:\n  ignition:\n    evr: 2.14.0-1\n    metadata:\n      reason: http://x\n",
	})
	base, ds := ReadLockfile(filepath.Join(dir, "manifest-lock.x86_64.json"), "manifest-lock.x86_64.json")
	if len(ds) > 0 {
		t.Error(ds)
	}
	want := rpmmd.Lockfile{
		Packages: map[string]rpmmd.Locked{"bash": {EVRA: "1:5.2-1.x86_64", Digest: "sha256:" + digest}},
		Metadata: &rpmmd.LockMetadata{
			Generated: "2026-11-02T00:00:00Z",
			Repos:     map[string]rpmmd.LockRepo{"os": {Generated: "2026-11-01T00:00:00Z"}},
		},
	}
	if diff := cmp.Diff(want, base); diff != "" {
		t.Errorf("base (-want +got):\n%s", diff)
	}
	overrides, ds := ReadLockfile(filepath.Join(dir, "manifest-lock.overrides.yaml"), "manifest-lock.overrides.yaml")
	if len(ds) > 0 {
		t.Error(ds)
	}
	want = rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"ignition": {EVR: "2.14.0-1", Metadata: map[string]string{"reason": "http://x"}}}}
	if diff := cmp.Diff(want, overrides); diff != "" {
		t.Errorf("overrides (-want +got):\n%s", diff)
	}
}

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestLockfileReports(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "error TF034 l.yaml:1:1"},
		{"no packages", "metadata: {}\n", "error TF037 l.yaml:1:1"},
		{"unknown member", "packages: {a: {evr: 1-1, why: x}}\n", "error TF001 l.yaml:1:26"},
		{"both", "packages: {a: {evr: 1-1, evra: 1-1.noarch}}\n", "error TF037 l.yaml:1:15"},
		{"no architecture", "packages: {a: {evra: 1-1}}\n", "error TF037 l.yaml:1:22"},
		{"number", "packages: {a: {evr: 11}}\n", "error TF002 l.yaml:1:21"},
		{"digest", "packages: {a: {evr: 1-1, digest: md5:0}}\n", "error TF037 l.yaml:1:34"},
		{"twice", "packages:\n  a: {evr: 1-1}\n  a: {evr: 1-2}\n", "error TF003 l.yaml:3:3"},
		{"date", "packages: {}\nmetadata: {generated: yesterday}\n", "error TF037 l.yaml:2:23"},
		{"word", "packages: {a: 1-1}\n", "error TF002 l.yaml:1:15"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"l.yaml": tc.text})
			_, ds := ReadLockfile(filepath.Join(dir, "l.yaml"), "l.yaml")
			wantDiagnostic(t, ds, tc.want)
		})
	}
}
