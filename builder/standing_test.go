package builder

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// standingWorkspace is a workspace whose last fetch and build are of its config as it is.
func standingWorkspace(t *testing.T) *Env {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"src/config/manifest.yaml":                 "ref: x/y\nautomatic-version-prefix: \"1\"\nrepos: [base]\npackages: [app]\ninclude: more.yaml\nrojig: {name: x, summary: X, license: MIT}\n",
		"src/config/more.yaml":                     "packages: [more]\n",
		"src/config/base.repo":                     "[base]\nname=base\nbaseurl=https://example.org/\n",
		"src/config/image.yaml":                    "size: 10\n",
		"src/config/platforms.yaml":                "x86_64: {}\naarch64: {}\n",
		"src/config/overlay.d/05core/usr/lib/core": "one\n",
		"cache/rpms/app.rpm":                       "rpm",
		"overrides/rpm/README":                     "",
		"builds/1.0/x.ociarchive":                  "",
	}
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	env, err := NewEnv(Env{Dir: dir, Now: time.Now, Job: "standing", Sink: &events{}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := LoadConfig(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	b := &build{config: config, resolve: packageRequest(env, config)}
	b.fetched = rpmmd.Fetched{Input: inputDigest(b.resolve), Packages: []rpmmd.FetchedPackage{{NEVRA: rpmmd.NEVRA{Name: "app", Version: "1", Release: "1", Arch: "noarch"}, File: "app.rpm", Size: 3}}}
	if _, err := b.fetched.Write(fetchedFile(env.WS)); err != nil {
		t.Fatal(err)
	}
	if err := b.layersWith(filepath.Join(t.TempDir(), "image.json")); err != nil {
		t.Fatal(err)
	}
	if b.inputs, err = b.collectInputs(env); err != nil {
		t.Fatal(err)
	}
	build := env.WS.BuildDir("1.0", env.Arch.Name)
	meta := workspace.Meta{
		BuildID: "1.0", Name: "x", Arch: env.Arch.Name, InputHash: b.inputs.Digest(), BuildTimestamp: workspace.Timestamp(time.Now()),
		Images: map[string]workspace.Artifact{"ostree": {Path: "x.ociarchive"}},
	}
	for name, v := range map[string]any{
		filepath.Join(build, InputsFile):         b.inputs,
		filepath.Join(build, workspace.MetaFile): meta,
		filepath.Join(env.WS.Builds(), "builds.json"): workspace.Index{
			SchemaVersion: "1.0.0", Builds: []workspace.IndexEntry{{ID: "1.0", Arches: []string{env.Arch.Name}}},
		},
	} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		put(t, name, string(data))
	}
	put(t, filepath.Join(build, PlatformsFile), string(config.Platforms))
	put(t, filepath.Join(build, "x.ociarchive"), "")
	return env
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFindStanding(t *testing.T) {
	const config = "src/config/"
	for _, c := range []struct {
		name         string
		change       func(put func(name, text string), dir string)
		fetch, build Outdated
	}{
		{"nothing changed", func(func(string, string), string) {}, Outdated{}, Outdated{}},
		{
			"an overlay", func(put func(string, string), _ string) { put(config+"overlay.d/05core/usr/lib/core", "two\n") },
			Outdated{},
			Outdated{Reasons: []string{"overlay/05core: usr/lib/core changed"}},
		},
		{
			"a package more", func(put func(string, string), _ string) { put(config+"more.yaml", "packages: [more, most]\n") },
			Outdated{Reasons: []string{"what is asked for changed since the last fetch: more.yaml"}},
			Outdated{Reasons: []string{"the packages are to be fetched", "manifest changed (more.yaml)"}},
		},
		{
			"only how images are made", func(put func(string, string), _ string) {
				put(config+"platforms.yaml", "x86_64: {qemu: {}}\naarch64: {qemu: {}}\n")
			},
			Outdated{},
			Outdated{Reasons: []string{"platforms.yaml changed"}},
		},
		{
			"the cache was cleaned", func(_ func(string, string), dir string) { _ = os.Remove(filepath.Join(dir, "cache/rpms/app.rpm")) },
			Outdated{Reasons: []string{"1 package is gone from the cache"}},
			Outdated{Reasons: []string{"the packages are to be fetched"}},
		},
		{
			"nothing is fetched any more", func(_ func(string, string), dir string) { _ = os.Remove(filepath.Join(dir, "cache/fetched.json")) },
			Outdated{Never: true},
			Outdated{Reasons: []string{"the packages are to be fetched"}},
		},
		{
			"packages of one's own", func(put func(string, string), _ string) { put("overrides/rpm/app-2-1.noarch.rpm", "") },
			Outdated{Reasons: []string{"overrides/rpm changed since the last fetch"}},
			Outdated{Reasons: []string{"the packages are to be fetched"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := standingWorkspace(t)
			old := time.Now().Add(-time.Hour) // what was there is older than the fetch, what is changed is not
			if err := os.Chtimes(fetchedFile(env.WS), old, old); err != nil {
				t.Fatal(err)
			}
			older := old.Add(-time.Hour)
			age(t, env.WS.Config(), older)
			age(t, filepath.Join(env.WS.Dir, "overrides"), older)
			metaOlder(t, env, old)
			c.change(func(name, text string) { put(t, filepath.Join(env.WS.Dir, name), text) }, env.WS.Dir)
			s, err := FindStanding(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Outdated{c.fetch, c.build}, []Outdated{s.Fetch, s.Build}); diff != "" {
				t.Error(diff)
			}
			if _, err := os.Stat(env.Work()); err == nil {
				t.Error("a scratch directory was left")
			}
		})
	}
}

// age gives all files below dir a time.
func age(t *testing.T, dir string, at time.Time) {
	t.Helper()
	err := filepath.Walk(dir, func(name string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(name, at, at)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// metaOlder sets the time of the build.
func metaOlder(t *testing.T, env *Env, at time.Time) {
	t.Helper()
	dir := env.WS.BuildDir("1.0", env.Arch.Name)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	meta.BuildTimestamp = workspace.Timestamp(at)
	data, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, workspace.MetaFile), string(data))
}
