//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFullRepositories is about the keys by which packages are chosen, lockfiles
// and the user's overrides: which of four versions of a package comes.
func TestFullRepositories(t *testing.T) {
	n := keysWorkspace(t)
	extra := func(version string) []tinyPackage {
		return []tinyPackage{{Name: "tiny-extra", Version: version, Files: map[string]tinyFile{"/usr/share/tiny-extra/data": {Content: "version " + version + "\n"}}}}
	}
	for dir, version := range map[string]string{"pool/second": "2", "pool/locked-1": "9", "overrides/rpm": "5"} {
		if err := os.MkdirAll(filepath.Join(n.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		tinyRepo(t, filepath.Join(n.dir, dir), extra(version))
	}
	shell(t, n.dir, "mv overrides/rpm mine && mkdir -p overrides/rpm overrides/rootfs/usr/share")
	writeFiles(t, n.dir, map[string]tinyFile{
		"src/yumrepos/more.repo": {Content: "[second]\nname=second\nbaseurl=file://" + n.dir + "/pool/$kind\nenabled=0\ngpgcheck=0\n" +
			"[locked]\nname=locked\nbaseurl=file://" + n.dir + "/pool/locked-$releasever\nenabled=0\ngpgcheck=0\n"},
	})
	const common = "include: base.yaml\nrepovars: {kind: second}\nlockfile-repos: [locked, misspelt]\n"
	lock := map[string]tinyFile{"manifest-lock.overrides.yaml": {Content: "packages:\n  tiny-extra:\n    evr: 9-1\n"}}
	build := func(k keyCase) {
		t.Helper()
		t.Run(k.name, func(t *testing.T) {
			n.t = t
			config := filepath.Join(n.dir, "src", "config")
			writeFiles(t, config, k.files)
			writeFiles(t, config, map[string]tinyFile{"manifest.yaml": {Content: k.manifest}})
			if out := n.run(0, "fetch"); !strings.Contains(out, k.says) {
				t.Errorf("fetch does not say %q:\n%s", k.says, out)
			}
			k.says = ""
			k.run(t, n)
		})
	}
	version := func(v string) map[string]string { return map[string]string{"/usr/share/tiny-extra/data": v + "\n"} }
	build(keyCase{name: "repos", manifest: common + "repos: [second]\npackages: [tiny-extra]\n", content: version("version 2")})
	build(keyCase{name: "repo-packages", manifest: common + "repos: [second]\nrepo-packages:\n  - {repo: tiny, packages: [tiny-extra]}\n", content: version("extra")})
	build(keyCase{name: "a version", manifest: common + "repos: [second]\npackages: [\"'tiny-extra < 2'\"]\n", content: version("extra")})
	build(keyCase{name: "a lockfile", files: lock, manifest: common + "packages: [tiny-extra]\n", content: version("version 9"), says: "lockfile-repos has misspelt, which no .repo file defines"})
	shell(t, n.dir, "rm src/config/manifest-lock.overrides.yaml && cp mine/*.rpm overrides/rpm/ && echo mine >overrides/rootfs/usr/share/mine && mkdir -p overrides/rootfs/etc && echo mine >overrides/rootfs/etc/tiny.conf")
	build(keyCase{
		name: "overrides", manifest: common + "repos: [second]\nrepo-packages:\n  - {repo: tiny, packages: [tiny-extra]}\n",
		content: map[string]string{"/usr/share/tiny-extra/data": "version 5\n", "/usr/share/mine": "mine\n", "/usr/etc/tiny.conf": "mine\n"},
		want:    map[string]string{tinyModules + "/vmlinuz": "-00644"}, // every other package is still found
	})
	shell(t, n.dir, "rm -r overrides/rpm/* overrides/rootfs/*")
	build(keyCase{name: "overrides that are gone", manifest: common + "repos: [second]\npackages: [tiny-extra]\n", content: version("version 2"), want: map[string]string{"/usr/share/mine": ""}})
	n.t = t
	writeFiles(t, n.dir, map[string]tinyFile{"src/config/manifest.yaml": {Content: common + "packages: [tiny-extra]\nexclude-packages: [tiny-extra]\n"}})
	n.run(exitConfig, "build", "ostree")
}
