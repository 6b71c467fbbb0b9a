//go:build e2e

package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keyCase is a manifest and what becomes of it. Cases are built one after the
// other in the same workspace, so each is the previous commit of the next.
type keyCase struct {
	name     string
	short    bool   // one that make test runs
	manifest string // the whole treefile; it includes base.yaml or os.yaml
	files    map[string]tinyFile
	without  string   // a file of the config that is put away meanwhile
	args     []string // of nosa build, before the target
	target   string   // empty is ostree

	fails string // what nosa says instead of building
	says  string // what it says besides building

	want    map[string]string // path → entry of the commit as composed.entry has it
	content map[string]string // path → content
	meta    map[string]string // key of the commit's metadata → as ostree show prints it; "" is absent
	beside  map[string]string // the same of detached metadata
	check   func(t *testing.T, c composed)
}

// composed is a commit that was built.
type composed struct {
	n       nosa
	commit  string
	entries map[string]string
}

// keysWorkspace is one in which every case can be built without a fetch.
func keysWorkspace(t *testing.T) nosa {
	t.Helper()
	n := tiny{}.workspace(t)
	config := filepath.Join(n.dir, "src", "config")
	tinyRepo(t, filepath.Join(n.dir, "pool", "repo"), append(tinyPackages(t), keysPackages()...))
	writeFiles(t, config, map[string]tinyFile{
		"os.yaml": {Content: `ref: tiny/${basearch}/${stream}
variables: {stream: keys}
repos: [tiny]
selinux: false
recommends: false
rojig: {name: tiny, summary: tiny, license: none}
releasever: "1"
automatic-version-prefix: "${releasever}.<date:%Y%m%d>"
packages: [tiny-base tiny-conf]
ostree-layers: [overlay/10tiny]
`},
		"base.yaml": {Content: `include: os.yaml
packages: [tiny-kernel, tiny-dracut, tiny-systemd]
initramfs-args: [--no-hostonly]
`},
		"manifest.yaml": {Content: "include: base.yaml\npackages: [keys-files, keys-weak, keys-unwanted, keys-altfiles, keys-overlay]\n"},
	})
	n.run(0, "fetch", "-q")
	return n
}

func keysPackages() []tinyPackage {
	return []tinyPackage{
		{Name: "keys-files", Version: "1", Requires: []string{"tiny-base"}, Recommends: []string{"keys-weak", "keys-unwanted"}, Files: map[string]tinyFile{
			"/usr/bin/keys-tool":            {Mode: 0o775, Content: "#!/bin/sh\n: tool\n"},
			"/usr/share/keys/manual":        {Content: "read me\n", Doc: true},
			"/usr/share/keys/de":            {Content: "Deutsch\n", Lang: "de"},
			"/usr/share/keys/fr":            {Content: "français\n", Lang: "fr"},
			"/usr/share/keys/gone":          {Content: "gone\n"},
			"/usr/share/keys/stays":         {Content: "stays\n"},
			"/etc/keys/gone.conf":           {Content: "gone\n"},
			"/opt/keys/tool":                {Mode: 0o755, Content: "opt\n"},
			"/usr/local/share/keys":         {Content: "local\n"},
			"/usr/share/keys/removed/a":     {Content: "a\n"},
			"/usr/share/keys/replaced.conf": {Content: "of the package\n"},
		}},
		{Name: "keys-weak", Version: "1", Files: map[string]tinyFile{"/usr/share/keys-weak": {Content: "weak\n"}}},
		{Name: "keys-unwanted", Version: "1", Files: map[string]tinyFile{"/usr/share/keys-unwanted": {Content: "unwanted\n"}}},
		{Name: "keys-altfiles", Version: "1", Files: map[string]tinyFile{"/usr/lib64/libnss_altfiles.so.2": {Mode: 0o755, Content: "a library\n"}}},
		{Name: "keys-overlay", Version: "1", Files: map[string]tinyFile{
			"/usr/lib/systemd/system/ostree-state-overlay@.service": {Content: "[Service]\n"},
		}},
	}
}

func writeFiles(t *testing.T, dir string, files map[string]tinyFile) {
	t.Helper()
	for name, f := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(f.Content), os.FileMode(f.mode())); err != nil { //nolint:gosec // modes are the point
			t.Fatal(err)
		}
		if err := os.Chmod(name, os.FileMode(f.mode())); err != nil {
			t.Fatal(err)
		}
	}
}

// run builds the case and compares.
func (k keyCase) run(t *testing.T, n nosa) {
	n.t = t
	writeFiles(t, filepath.Join(n.dir, "src", "config"), map[string]tinyFile{"manifest.yaml": {Content: k.manifest}})
	writeFiles(t, filepath.Join(n.dir, "src", "config"), k.files)
	if k.without != "" {
		name := filepath.Join(n.dir, "src", "config", k.without)
		shell(t, n.dir, "mv "+name+" "+name+".away")
		defer shell(t, n.dir, "mv "+name+".away "+name)
	}
	args := append([]string{"build"}, k.args...)
	switch k.target {
	case "":
		args = append(args, "ostree")
	case "none":
	default:
		args = append(args, k.target)
	}
	out, code := n.try(t.Context(), args...)
	if k.fails != "" {
		if code == 0 || !strings.Contains(out, k.fails) {
			t.Errorf("exit %d, want an error with %q:\n%s", code, k.fails, out)
		}
		return
	}
	if code != 0 || !strings.Contains(out, k.says) {
		t.Fatalf("exit %d, want 0 and %q:\n%s", code, k.says, out)
	}
	c := n.composed()
	for path, want := range k.want {
		if got := c.entry(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for path, want := range k.content {
		if diff := cmp.Diff(want, c.cat(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	for key, want := range k.meta {
		if got := c.show("--print-metadata-key=" + key); got != want {
			t.Errorf("metadata %s is %s, want %s", key, got, want)
		}
	}
	for key, want := range k.beside {
		if got := c.show("--print-detached-metadata-key=" + key); got != want {
			t.Errorf("detached metadata %s is %s, want %s", key, got, want)
		}
	}
	if k.check != nil {
		k.check(t, c)
	}
}

// composed reads the newest commit.
func (n nosa) composed() composed {
	n.t.Helper()
	c := composed{n: n, commit: n.meta("latest").Commit, entries: map[string]string{}}
	for line := range strings.Lines(shell(n.t, n.dir, "ostree --repo=cache/repo ls -R "+c.commit)) {
		f := strings.Fields(line)
		entry, path := f[0], f[4]
		if len(f) == 7 {
			entry = "-> " + f[6]
		}
		if f[1] != "0" || f[2] != "0" {
			entry += " " + f[1] + ":" + f[2]
		}
		c.entries[path] = entry
	}
	return c
}

// entry is "-00644", "d00755" or "-> target", with " UID:GID" behind it unless
// that is root's, or "" if there is none. In path * stands for anything.
func (c composed) entry(path string) string {
	if !strings.Contains(path, "*") {
		return c.entries[path]
	}
	re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, ".*") + "$")
	for _, name := range slices.Sorted(maps.Keys(c.entries)) {
		if re.MatchString(name) {
			return c.entries[name]
		}
	}
	return ""
}

func (c composed) cat(path string) string {
	c.n.t.Helper()
	return shell(c.n.t, c.n.dir, "ostree --repo=cache/repo cat "+c.commit+" "+path)
}

// show is what ostree prints of the commit, or "" for what it has not.
func (c composed) show(args string) string {
	c.n.t.Helper()
	return strings.TrimSpace(shell(c.n.t, c.n.dir, "ostree --repo=cache/repo show "+args+" "+c.commit+" 2>/dev/null || true"))
}

// account is the line of a user in a file of the commit.
func (c composed) account(file, name string) string {
	c.n.t.Helper()
	for line := range strings.Lines(c.cat(file)) {
		if strings.HasPrefix(line, name+":") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// TestFullKeys builds manifests with every key that the engine acts on and looks
// at the commits.
func TestFullKeys(t *testing.T) {
	n := keysWorkspace(t)
	for _, k := range slices.Concat(treeKeyCases(), accountKeyCases(), commitKeyCases()) {
		t.Run(k.name, func(t *testing.T) { k.run(t, n) })
	}
}

// TestE2EKeys is the part of TestFullKeys that make test runs.
func TestE2EKeys(t *testing.T) {
	n := keysWorkspace(t)
	for _, k := range slices.Concat(treeKeyCases(), accountKeyCases(), commitKeyCases()) {
		if k.short {
			t.Run(k.name, func(t *testing.T) { k.run(t, n) })
		}
	}
}
