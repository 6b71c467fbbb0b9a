package rpmostree

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/rpmmd"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (go test -update rewrites it):\n%s", name, diff)
	}
}

func TestArgs(t *testing.T) {
	base := Request{
		Treefile: "/ws/tmp/work/J/rpm-ostree/manifest.yaml", Repo: "/ws/cache/repo", CacheDir: "/ws/cache/rpm-ostree",
		WriteLock: "/ws/tmp/work/J/rpm-ostree/resolved.json",
	}
	build := base
	build.Offline = true
	build.Metadata, build.Result, build.Stamp = "/ws/tmp/work/J/rpm-ostree/metadata.json", "/ws/tmp/work/J/rpm-ostree/compose.json", "/ws/tmp/work/J/rpm-ostree/changed"
	for _, tt := range []struct {
		name string
		req  func() Request
	}{
		{"fetch", func() Request { r := base; r.Download = true; return r }},
		{"fetch-strict-offline", func() Request {
			r := base
			r.Download, r.Offline, r.Strict, r.Lock = true, true, true, "/ws/tmp/work/J/rpm-ostree/lock.json"
			return r
		}},
		{"build", func() Request { return build }},
		{"build-again", func() Request {
			r := build
			r.Previous, r.Lock = strings.Repeat("0c", 32), "/ws/tmp/work/J/rpm-ostree/lock.json"
			return r
		}},
		{"build-forced", func() Request {
			r := build
			r.Force, r.Strict, r.Parent = true, true, strings.Repeat("ab", 32)
			return r
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { golden(t, "args-"+tt.name+".txt", strings.Join(tt.req().Args(), "\n")+"\n") })
	}
}

func TestOverride(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Override
	}{
		{"plain", Override{Manifest: "/ws/src/config/manifest.yaml"}},
		{"full", Override{
			Manifest: `/ws/with "quotes" and: colons/manifest-x.yaml`, Repos: []string{"base", "nosa-overrides"},
			RepoPackages: []RepoPackages{{"nosa-overrides", []string{"bash", "yes"}}},
			Layers:       []string{"overlay/05core", "overlay/cosa-image-json"}, OverrideLayers: []string{"overlay/nosa-overrides-rootfs"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { golden(t, "override-"+tt.name+".yaml", string(tt.o.YAML())) })
	}
	golden(t, "local.repo", string(LocalRepo("nosa-overrides", "file:///ws/cache/overrides")))
}

func TestReadRepos(t *testing.T) {
	text := "# a comment\n[base]\nname=Base\nbaseurl = http://x/$releasever\nenabled=1\n\n[off]\nenabled = 0\nmetalink=https://m\n" +
		"[main-line]\r\nmirrorlist=http://l\r\nbaseurl=http://second\n;enabled=0\n[no]\nenabled=False\n"
	want := []Repo{
		{"base", "http://x/$releasever", "f.repo", true},
		{"off", "https://m", "f.repo", false},
		{"main-line", "http://l", "f.repo", true},
		{"no", "", "f.repo", false},
	}
	if diff := cmp.Diff(want, ReadRepos("f.repo", []byte(text))); diff != "" {
		t.Error(diff)
	}
}

func TestReadResult(t *testing.T) {
	// As json-glib writes it: one line, numbers as they are (src/app/rpmostree-composeutil.cxx).
	text := `{"ref":"tiny/x86_64/stable","ostree-n-metadata-total":6745,"ostree-n-metadata-written":1982,"ostree-n-content-total":11645,"ostree-n-content-written":9542,` +
		`"ostree-n-cache-hits":7,"ostree-content-bytes-written":463478661,"ostree-commit":"` + strings.Repeat("0c", 32) + `","ostree-content-checksum":"` + strings.Repeat("ab", 32) +
		`","ostree-version":"1.20240101.0","ostree-timestamp":"2024-01-01T00:00:00Z","rpm-ostree-inputhash":"` + strings.Repeat("12", 32) + `","pkgdiff":[]}`
	name := filepath.Join(t.TempDir(), "compose.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := Result{
		Commit: strings.Repeat("0c", 32), ContentChecksum: strings.Repeat("ab", 32), Version: "1.20240101.0", Timestamp: "2024-01-01T00:00:00Z",
		InputHash: strings.Repeat("12", 32), Ref: "tiny/x86_64/stable", MetadataTotal: 6745, MetadataWritten: 1982, ContentTotal: 11645, ContentWritten: 9542,
		CacheHits: 7, BytesWritten: 463478661,
	}
	got, err := ReadResult(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{`{}`, `{"ostree-commit":"x"}`, `[`} {
		if err := os.WriteFile(name, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadResult(name); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestReadResolved(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	text := `{"packages":{"kernel-core":{"evra":"6.5.1-300.fc39.x86_64","digest":"sha256:` + digest + `","metadata":{"sourcerpm":"kernel-6.5.1-300.fc39.src.rpm"}},` +
		`"bash":{"evra":"1:5.2-1.noarch"}},"metadata":{"generated":"2023-09-07T00:00:00Z","rpmmd_repos":{"fedora":{"generated":"2023-09-07T09:00:00Z"}}}}`
	name := filepath.Join(t.TempDir(), "resolved.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadResolved(name, "input")
	if err != nil {
		t.Fatal(err)
	}
	want := rpmmd.Fetched{
		Input: "input", Repos: []rpmmd.FetchedRepo{{ID: "fedora", Timestamp: 1694077200}},
		Packages: []rpmmd.FetchedPackage{
			{NEVRA: rpmmd.NEVRA{Name: "bash", Epoch: 1, Version: "5.2", Release: "1", Arch: "noarch"}},
			{NEVRA: rpmmd.NEVRA{Name: "kernel-core", Version: "6.5.1", Release: "300.fc39", Arch: "x86_64"}, SHA256: digest, Source: "kernel-6.5.1-300.fc39.src.rpm"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
