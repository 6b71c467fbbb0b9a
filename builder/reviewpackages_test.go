package builder

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// pack writes a package without files; its requirements are "a, b >= 1".
func pack(t *testing.T, dir, nevra, requires string) {
	t.Helper()
	n, err := rpmmd.ParseNEVRA(nevra)
	if err != nil {
		t.Fatal(err)
	}
	meta := rpmpack.RPMMetaData{
		Name: n.Name, Version: n.Version, Release: n.Release, Arch: n.Arch, Epoch: rpmpack.NoEpoch,
		BuildTime: time.Unix(1700000000, 0), Compressor: "gzip:1",
	}
	for one := range strings.SplitSeq(requires, ", ") {
		if weak, ok := strings.CutPrefix(one, "recommends "); ok {
			err = errors.Join(err, meta.Recommends.Set(weak))
		} else if one != "" {
			err = errors.Join(err, meta.Requires.Set(one))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := rpmpack.NewRPM(meta)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, nevra+".rpm"), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func createrepo(t *testing.T, packages map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for nevra, requires := range packages {
		pack(t, dir, nevra, requires)
	}
	if out, err := exec.CommandContext(t.Context(), "createrepo_c", "-q", "--no-database", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// packageWorkspace is one with two repositories, debug not enabled, of which the
// metadata was fetched.
func packageWorkspace(t *testing.T) *Env {
	t.Helper()
	needTools(t, "createrepo_c", "dnf")
	dir := t.TempDir()
	base := createrepo(t, map[string]string{
		"podman-1-1.noarch": "containers-common >= 1", "containers-common-1-1.noarch": "crun", "crun-1-1.noarch": "", "grubby-1-1.noarch": "",
		"old-1-1.noarch": "", "red-1-1.noarch": "missing-thing", "app-1-1.noarch": "old >= 2", "old-2-1.noarch": "",
		"editor-1-1.noarch": "recommends speller", "speller-1-1.noarch": "", "python3-1-1.noarch": "",
	})
	debug := createrepo(t, map[string]string{"gdb-1-1.noarch": ""})
	for _, name := range []string{"builds", "src/config", "overrides/rpm"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	configFile(t, dir, "test.repo", fmt.Sprintf("[base]\nname=base\nbaseurl=file://%s\n[debug]\nname=debug\nbaseurl=file://%s\nenabled=0\n", base, debug))
	env, err := NewEnv(Env{Dir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	env.Arch = workspace.Arch{Name: "x86_64"}
	r := packageRequest(env, &Config{Manifest: &manifest.Manifest{}})
	r.Repos, r.Install = []string{"base", "debug"}, []compose.Item{{Text: "crun"}}
	if _, err := compose.Resolve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return env
}

func configFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "src/config", name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// packageConfig is the config whose treefile has this text.
func packageConfig(t *testing.T, env *Env, text string) *Config {
	t.Helper()
	configFile(t, env.Dir, "manifest.yaml", text)
	m, _ := manifest.Load(env.WS.Manifest(), manifest.Options{Arch: "x86_64", Root: env.Dir})
	return &Config{Manifest: m}
}

func reviewed(t *testing.T, env *Env, c *Config) (list []string, fresh bool) {
	t.Helper()
	ds, fresh, err := ReviewPackages(t.Context(), env, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		text := d.String()
		if d.Fix != "" {
			text += " [" + d.Fix + "]"
		}
		list = append(list, text)
	}
	return list, fresh
}

// TestReviewPackages finds everything in one look.
func TestReviewPackages(t *testing.T) {
	env := packageWorkspace(t)
	configFile(t, env.Dir, "more.yaml", `packages:
  - podman
  - editorr
exclude-packages:
  - crun
  - gruby
  - python2
  - speller
`)
	c := packageConfig(t, env, `include: more.yaml
packages:
  - gdb
  - grubby pythn3
  - "'old >= 3'"
  - red
  - app
repo-packages:
  - repo: debug
    packages: [editor]
exclude-packages: [app]
`)
	c.Lock = rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"old": {EVRA: "1-1.noarch"}}}
	c.Manifest.Packages = append(c.Manifest.Packages, manifest.Item{Text: "old = 2-1", Origin: doc.Origin{File: "x", Line: 1, Column: 1}})
	got, fresh := reviewed(t, env, c)
	if !fresh {
		t.Error("the metadata is that of the repositories")
	}
	const m, more = "src/config/manifest.yaml:", "src/config/more.yaml:"
	want := []string{
		m + "3:5: error[PK003]: package gdb is only in debug, which is not used; add it to repos:, or enable it in its .repo file",
		m + "4:12: error[PK001]: no repository has the package pythn3; did you mean python3? the repositories searched are base [python3]",
		m + "5:7: error[PK004]: no repository has the package old >= 3; there is old-2-1.noarch in base, old-1-1.noarch in base",
		m + "6:5: error[PK007]: red cannot be installed; nothing provides missing-thing needed by red-1-1.noarch; leave it out, or add a repository that has what it needs to repos:",
		m + "10:16: error[PK003]: package editor is asked of repository debug, which is not used; add debug to repos:, or enable it in its .repo file",
		more + "2:5: error[PK005]: podman requires containers-common requires crun, which is excluded at " + more + "5:5 (included by src/config/manifest.yaml:1); take crun out of exclude-packages:, or podman out of packages:",
		more + "3:5: error[PK001]: no repository has the package editorr (included by src/config/manifest.yaml:1); did you mean editor? the repositories searched are base [editor]",
		more + "6:5: warning[PK008]: no repository has a package gruby to exclude (included by src/config/manifest.yaml:1); did you mean grubby? [grubby]",
		more + "7:5: info[PK008]: no repository has a package python2 to exclude (included by src/config/manifest.yaml:1)",
		"x:1:1: error[PK002]: package old = 2-1 cannot be had: locked to another version; the repositories have old-2-1.noarch in base; nosa fetch --update-lockfile locks anew",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, fresh := reviewed(t, env, packageConfig(t, env, "packages: [podman, editor, red-1]\nrepos: [base]\n")); len(got) != 1 || !fresh {
		t.Errorf("got %q, %v", got, fresh)
	}
	if got, fresh := reviewed(t, env, packageConfig(t, env, "packages: [podman, editor]\nexclude-packages: [speller]\n")); len(got) != 0 || !fresh {
		t.Errorf("a good config: got %q, %v", got, fresh)
	}
}

// TestReviewPackagesUnasked says why the metadata could not be asked.
func TestReviewPackagesUnasked(t *testing.T) {
	env := packageWorkspace(t)
	good := packageConfig(t, env, "packages: [podman]\n")
	repo := filepath.Join(env.Dir, "src/config/test.repo")
	text, err := os.ReadFile(repo)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, repo string
		held       bool
		cache      string
		want       []string
	}{
		{name: "another repository", repo: string(text) + "[new]\nname=new\nbaseurl=file:///new\n", want: []string{"src/config/manifest.yaml: info[PK010]: the packages were not looked up: there is no metadata of new; nosa fetch brings the metadata"}},
		{
			name: "variables", repo: strings.Replace(string(text), "name=debug\n", "name=debug $releasever\n", 1) + "[new]\nname=$releasever\nbaseurl=http://é/${releasever}/x\nenabled=1\n[var]\nname=v\nmetalink=http://x/$stream/x\n",
			want: []string{
				"src/config/test.repo:10:18: error[PK009]: repository new: no value for $releasever; set releasever: in the manifest",
				"src/config/test.repo:14:19: error[PK009]: repository var: no value for $stream; set repovars: in the manifest",
			},
		},
		{name: "in use", repo: string(text), held: true, want: []string{"src/config/manifest.yaml: info[PK010]: the packages were not looked up: a stage is writing the cache; validate again when it has ended"}},
		{name: "no repository", want: []string{"src/config/manifest.yaml: info[PK010]: the packages were not looked up: no repository is enabled: no .repo file in " + env.Dir + "/src/config; repos: takes the ids of the .repo files in src/config and src/yumrepos"}},
		{name: "nothing fetched", repo: string(text), cache: "gone", want: []string{"src/config/manifest.yaml: info[PK010]: the packages were not looked up: nothing was fetched yet; nosa fetch brings the metadata"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			configFile(t, env.Dir, "test.repo", tt.repo)
			if tt.held {
				l, err := env.WS.LockCache(t.Context(), workspace.LockOptions{Kind: lock.Exclusive})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			}
			if tt.cache != "" {
				if err := os.Rename(env.WS.Cache(), filepath.Join(env.Dir, tt.cache)); err != nil {
					t.Fatal(err)
				}
			}
			got, fresh := reviewed(t, env, good)
			if diff := cmp.Diff(tt.want, got); diff != "" || fresh {
				t.Error(diff, fresh)
			}
		})
	}
	if _, err := os.Stat(env.WS.Cache()); err == nil {
		t.Error("a look made the cache")
	}
}

// TestReviewPackagesOfOthers looks as a user who may write nothing in the workspace.
func TestReviewPackagesOfOthers(t *testing.T) {
	if dir := os.Getenv("NOSA_TEST_WORKSPACE"); dir != "" {
		env, err := NewEnv(Env{Dir: dir, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		env.Arch = workspace.Arch{Name: "x86_64"}
		m, _ := manifest.Load(env.WS.Manifest(), manifest.Options{Arch: "x86_64", Root: env.Dir})
		got, fresh := reviewed(t, env, &Config{Manifest: m})
		if len(got) != 1 || !strings.Contains(got[0], "podmann") || !fresh {
			t.Errorf("got %q, %v", got, fresh)
		}
		return
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
			t.Fatal("needs uid 0, to be another user")
		}
		t.Skip("needs uid 0, to be another user")
	}
	env := packageWorkspace(t)
	packageConfig(t, env, "packages: [podmann]\n")
	for _, dir := range []string{env.Dir, filepath.Dir(env.Dir)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l, err := env.WS.LockCache(t.Context(), workspace.LockOptions{Kind: lock.Shared}) // others may look too
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	look := func() string {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestReviewPackagesOfOthers$", "-test.v")
		cmd.Env = append(os.Environ(), "NOSA_TEST_WORKSPACE="+env.Dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		return fmt.Sprintf("%v\n%s", err, out)
	}
	if out := look(); !strings.Contains(out, "PASS: TestReviewPackagesOfOthers") {
		t.Error(out)
	}
	if err := l.Lock(t.Context(), lock.Exclusive, 0); err != nil {
		t.Fatal(err)
	}
	if out := look(); !strings.Contains(out, "a stage is writing the cache") {
		t.Error(out)
	}
}

// TestPackagePlace finds a request in the line that it was split from.
func TestPackagePlace(t *testing.T) {
	dir := t.TempDir()
	text := "packages:\n  - é one two\n  - \"three four\"\n  - 'five'\n  - [six, seven]\n  - >\n    eight nine\n  - ten-a ten\r\n"
	if err := os.WriteFile(filepath.Join(dir, "m.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text         string
		line, column int
		want         int // column
		whole        bool
	}{
		{"one", 2, 5, 7, true},
		{"two", 2, 5, 11, true},
		{"three", 3, 5, 6, false},
		{"four", 3, 5, 12, false},
		{"five", 4, 5, 5, true},
		{"seven", 5, 11, 11, true},
		{"nine", 6, 5, 5, false},
		{"ten", 8, 5, 11, true},
		{"gone", 2, 5, 5, false},
		{"gone", 99, 5, 5, false},
	} {
		r := packageReview{root: dir, config: &Config{}, sources: map[string][]string{}}
		at, whole := r.place(compose.Item{Text: tt.text, Origin: doc.Origin{File: "m.yaml", Line: tt.line, Column: tt.column}})
		if at.Column != tt.want || whole != tt.whole {
			t.Errorf("%s: got column %d, %v, want %d, %v", tt.text, at.Column, whole, tt.want, tt.whole)
		}
	}
}
