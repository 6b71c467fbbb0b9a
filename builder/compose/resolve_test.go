package compose

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nestos/nosa/workspace/rpmmd"
)

// zoo is a repository with one of everything.
func zoo(t *testing.T) string {
	t.Helper()
	return makeRepo(
		t,
		testPackage{name: "app", requires: []string{"lib >= 2"}, recommends: []string{"extra"}},
		testPackage{name: "lib"},
		testPackage{name: "lib", version: "2-1"},
		testPackage{name: "lib", version: "3~rc1-1"},
		testPackage{name: "extra", files: map[string]string{"/usr/bin/extra": "x"}},
		testPackage{name: "red", conflicts: []string{"blue"}, provides: []string{"colour(red)"}},
		testPackage{name: "blue"},
		testPackage{name: "wants-blue", requires: []string{"blue"}},
		testPackage{name: "broken", requires: []string{"nothing-has-this"}},
		testPackage{name: "lib-tools"},
	)
}

func TestResolve(t *testing.T) {
	dir := zoo(t)
	for _, tc := range []struct {
		name    string
		install []string
		change  func(*ResolveRequest)
		want    []string
	}{
		{name: "newest and recommended", install: []string{"app"}, want: []string{"app-1-1 base", "extra-1-1 base", "lib-3~rc1-1 base"}},
		{
			name: "no weak dependencies", install: []string{"app"}, want: []string{"app-1-1 base", "lib-3~rc1-1 base"},
			change: func(r *ResolveRequest) { r.NoWeak = true },
		},
		{
			name: "excluded recommendation", install: []string{"app"}, want: []string{"app-1-1 base", "lib-3~rc1-1 base"},
			change: func(r *ResolveRequest) { r.Exclude = items("extra") },
		},
		{
			name: "provides, path, version test, glob", install: []string{"colour(red)", "/usr/bin/extra", "lib = 2-1", "lib-t*"},
			want: []string{"extra-1-1 base", "lib-2-1 base", "lib-tools-1-1 base", "red-1-1 base"},
		},
		{
			name: "relaxed lock", install: []string{"app", "blue"}, want: []string{"app-1-1 base", "blue-1-1 base", "extra-1-1 base", "lib-2-1 base"},
			change: func(r *ResolveRequest) {
				r.Lock = rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"lib": {EVRA: "2-1.noarch"}, "gone": {EVR: "1-1"}}}
			},
		},
		{
			name: "strict lock", install: []string{"app"}, want: []string{"app-1-1 base", "lib-2-1 base"},
			change: func(r *ResolveRequest) {
				r.Strict = true
				r.Lock = rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"lib": {EVR: "2-1"}, "app": {EVR: "0:1-1"}}}
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := request(t, dir, tc.install...)
			if tc.change != nil {
				tc.change(&r)
			}
			if diff := cmp.Diff(tc.want, resolved(t, r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSolution(t *testing.T) {
	dir := zoo(t)
	s, err := Resolve(t.Context(), request(t, dir, "blue"))
	if err != nil {
		t.Fatal(err)
	}
	p := s.Packages[0]
	data, err := os.ReadFile(filepath.Join(dir, "blue-1-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Size != int64(len(data)) || p.BuildTime != 1700000000 || p.File != p.SHA256+"/blue-1-1.noarch.rpm" {
		t.Errorf("got %+v", p)
	}
	if diff := cmp.Diff([]string{"file://" + dir + "/blue-1-1.noarch.rpm"}, p.URLs); diff != "" {
		t.Error(diff)
	}
	if r := s.Repos[0]; len(s.Repos) != 1 || r.ID != "base" || r.Revision == "" || r.Timestamp == 0 || r.GPGCheck {
		t.Errorf("got %+v", s.Repos)
	}
	if f := s.Fetched("in"); f.Input != "in" || len(f.Packages) != 1 || f.Packages[0].SHA256 != p.SHA256 || f.Repos[0].ID != "base" {
		t.Errorf("got %+v", f)
	}
}

func TestNotFound(t *testing.T) {
	dir := zoo(t)
	r := request(t, dir, "blue", "wants-bleu", "extra", "zzz", "lib >= 9", "one")
	r.Exclude = items("extra")
	r.Install = append(r.Install, Item{Text: "red", Repo: "other", Origin: origin(9)})
	debug := makeRepo(t, testPackage{name: "one"})
	r.RepoDirs = []string{repoFile(t, section("base", "file://"+dir), section("other", "file://"+makeRepo(t, testPackage{name: "two"})), section("debug", "file://"+debug, "enabled=0"))}
	before := r
	before.Repos, before.Install, before.Exclude = []string{"debug"}, items("one"), nil
	resolved(t, before) // leaves the metadata of a repository that is not used afterwards
	got := refused[*NotFoundError](t, r)
	want := &NotFoundError{
		Searched: []string{"base", "other"},
		Items: []NotFound{
			{Item: r.Install[1], Near: []string{"wants-blue"}},
			{Item: r.Install[2], Near: []string{"extra"}, Hidden: []string{"exclude"}, Repos: []string{"base"}, Available: []Found{{Package: "extra-1-1.noarch", Repo: "base"}}},
			{Item: r.Install[3]},
			{Item: r.Install[4], Near: []string{"lib"}, Available: []Found{
				{Package: "lib-3~rc1-1.noarch", Repo: "base"}, {Package: "lib-2-1.noarch", Repo: "base"}, {Package: "lib-1-1.noarch", Repo: "base"},
			}},
			{Item: r.Install[5], Unused: []string{"debug"}},
			{Item: r.Install[6], Near: []string{"red"}, Repos: []string{"base"}, Available: []Found{{Package: "red-1-1.noarch", Repo: "base"}}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	text := `m.yaml:2:3: package wants-bleu not found (near: wants-blue)
m.yaml:3:3: package extra not found (hidden by exclude)
m.yaml:4:3: package zzz not found
m.yaml:5:3: package lib >= 9 not found (there is lib-3~rc1-1.noarch in base, lib-2-1.noarch in base, lib-1-1.noarch in base)
m.yaml:6:3: package one not found (it is in debug, not enabled)
m.yaml:9:3: package red not found in repository other (it is in base)
repositories searched: base, other`
	if diff := cmp.Diff(text, got.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestStrictLockHides(t *testing.T) {
	r := request(t, zoo(t), "blue")
	r.Strict = true
	r.Lock = rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"lib": {EVR: "2-1"}}}
	got := refused[*NotFoundError](t, r)
	if diff := cmp.Diff([]string{"strict"}, got.Items[0].Hidden); diff != "" {
		t.Error(diff)
	}
}

func TestConflict(t *testing.T) {
	r := request(t, zoo(t), "lib-tools", "red", "broken", "app", "extra", "wants-blue")
	r.Exclude = items("lib")
	got := refused[*ConflictError](t, r)
	var groups [][]string
	for _, g := range got.Groups {
		var names []string
		for _, item := range g.Items {
			names = append(names, item.Text)
		}
		groups = append(groups, names)
		if len(g.Lines) == 0 {
			t.Errorf("%v: no explanation", names)
		}
		wantExcluded := 0
		if slices.Contains(names, "app") {
			wantExcluded = 1
		}
		if len(g.Excluded) != wantExcluded {
			t.Errorf("%v: excluded %v", names, g.Excluded)
		}
	}
	slices.SortFunc(groups, slices.Compare)
	if diff := cmp.Diff([][]string{{"app"}, {"broken"}, {"red", "wants-blue"}}, groups); diff != "" {
		t.Errorf("%s\n%v", diff, got)
	}
	for _, part := range []string{
		"cannot install m.yaml:2:3: red together with m.yaml:6:3: wants-blue", "nothing provides nothing-has-this", "app requires lib, which is excluded at m.yaml:1:3",
	} {
		if !strings.Contains(got.Error(), part) {
			t.Errorf("no %q in\n%v", part, got)
		}
	}
}

func TestLockfileRepos(t *testing.T) {
	pool := makeRepo(t, testPackage{name: "lib", version: "9-1"}, testPackage{name: "app", version: "5-1"})
	r := request(t, zoo(t), "app", "lib")
	r.RepoDirs = append(r.RepoDirs, repoFile(t, section("pool", "file://"+pool, "enabled=0")))
	r.Repos, r.LockfileRepos, r.NoWeak = []string{"base"}, []string{"pool"}, true
	without := []string{"app-1-1 base", "lib-3~rc1-1 base"}
	if diff := cmp.Diff(without, resolved(t, r)); diff != "" {
		t.Errorf("without a lock: %s", diff)
	}
	r.Lock = rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{"lib": {EVRA: "9-1.noarch"}}}
	for _, tt := range []struct{ repos, locked []string }{
		{[]string{"base"}, []string{"pool"}},
		{nil, []string{"pool"}},            // the others are those that are enabled, as without a lock
		{nil, []string{"pool", "no-such"}}, // as release branches of NestOS have it
	} {
		r.Repos, r.LockfileRepos = tt.repos, tt.locked
		if diff := cmp.Diff([]string{"app-1-1 base", "lib-9-1 pool"}, resolved(t, r)); diff != "" {
			t.Errorf("%v: %s", tt, diff)
		}
	}
}

func TestOverrides(t *testing.T) {
	dir := t.TempDir()
	repo := filepath.Join(t.TempDir(), "repo")
	if got, err := ReadOverrides(t.Context(), dir, repo, nil); err != nil || got != nil {
		t.Fatalf("empty directory: %v, %v", got, err)
	}
	testPackage{name: "lib", version: "2.1-1"}.write(t, dir)
	testPackage{name: "lib", version: "2.0-1"}.write(t, dir)
	testPackage{name: "unused"}.write(t, dir)
	over, err := ReadOverrides(t.Context(), dir, repo, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, zoo(t), "app")
	r.Install = append(r.Install, Item{Text: "lib", Repo: "base"})
	r.Overrides, r.Repos = over, []string{"base"}
	for _, offline := range []bool{false, true} {
		r.Offline = offline
		want := []string{"app-1-1 base", "extra-1-1 base", "lib-2.1-1 nosa-overrides"}
		if diff := cmp.Diff(want, resolved(t, r)); diff != "" {
			t.Errorf("offline %v: %s", offline, diff)
		}
	}
	s, err := Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"file://" + dir + "/lib-2.1-1.noarch.rpm"}, s.Packages[2].URLs); diff != "" {
		t.Error(diff)
	}
}

func TestUnusableRepos(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + listener.Addr().String() + "/x"
	listener.Close()
	r := request(t, zoo(t), "app")
	r.ReleaseVer = ""
	r.RepoDirs = append(r.RepoDirs, repoFile(t, section("dead", dead), section("unset", "http://127.0.0.1/$releasever/$what/"), "[none]\nname=none\n"))
	got := refused[*RepoError](t, r)
	if len(got.Problems) != 3 {
		t.Fatal(got)
	}
	p := got.Problems[0]
	if p.ID != "dead" || p.URL != dead || !strings.Contains(p.Reason, "connect") || filepath.Base(p.File) != "test.repo" {
		t.Errorf("got %+v", p)
	}
	if diff := cmp.Diff([]string{"releasever", "what"}, got.Problems[2].Unset); diff != "" {
		t.Error(diff)
	}
	r.Repos = []string{"base", "mian"}
	if text := "no value for $releasever, $what: set releasever: in the manifest, the others in repovars:"; !strings.Contains(got.Error(), text) {
		t.Errorf("no %q in %v", text, got)
	}
	unknown := refused[*UnknownRepoError](t, r)
	if diff := cmp.Diff("unknown repository mian: there are base, dead, none, unset", unknown.Error()); diff != "" {
		t.Error(diff)
	}
}

// TestSignedMetadata takes a signed repository and refuses it when it was changed.
func TestSignedMetadata(t *testing.T) {
	need(t, "gpg")
	dir := zoo(t)
	key := newKey(t)
	repomd := filepath.Join(dir, "repodata/repomd.xml")
	key.sign(t, repomd)
	r := request(t, dir, "blue")
	r.RepoDirs = []string{repoFile(t, section("base", "file://"+dir, "repo_gpgcheck=1", "gpgkey=file://"+key.public))}
	if diff := cmp.Diff([]string{"blue-1-1 base"}, resolved(t, r)); diff != "" {
		t.Fatal(diff)
	}
	r.Offline = true
	if diff := cmp.Diff([]string{"blue-1-1 base"}, resolved(t, r)); diff != "" {
		t.Fatal(diff)
	}
	r.Offline = false
	data, err := os.ReadFile(repomd)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(repomd, []byte(strings.Replace(string(data), "<revision>", "<revision>9", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := refused[*SignatureError](t, r); got.Repo != "base" || got.Package != "" {
		t.Errorf("got %+v", got)
	}
	if err := os.Remove(repomd + ".asc"); err != nil {
		t.Fatal(err)
	}
	r.CacheDir = t.TempDir()
	if got := refused[*SignatureError](t, r); got.Repo != "base" {
		t.Errorf("no signature: got %+v", got)
	}
}

type testKey struct{ home, public string }

func newKey(t *testing.T) testKey {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "gpg") //nolint:usetesting // gpg's socket must have a short name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sh(t, "gpgconf", "--homedir", home, "--kill", "all")
		os.RemoveAll(home)
	})
	k := testKey{home: home, public: filepath.Join(t.TempDir(), "key.asc")}
	sh(t, "gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-gen-key", "test <test@example.com>", "rsa2048", "sign", "never")
	sh(t, "gpg", "--homedir", home, "--armor", "--output", k.public, "--export")
	return k
}

func (k testKey) sign(t *testing.T, name string) {
	t.Helper()
	sh(t, "gpg", "--homedir", k.home, "--batch", "--yes", "--armor", "--detach-sign", "--output", name+".asc", name)
}

// TestOffline resolves without a network from what an earlier run left.
func TestOffline(t *testing.T) {
	if os.Getenv("NOSA_TEST_OFFLINE") != "" {
		r := request(t, "", "app")
		r.RepoDirs, r.CacheDir, r.Offline = []string{os.Getenv("NOSA_TEST_OFFLINE")}, os.Getenv("NOSA_TEST_CACHE"), true
		if len(resolved(t, r)) != 3 {
			t.Error("not all packages")
		}
		return
	}
	need(t, "root", "unshare")
	server := serve(t, zoo(t))
	r := request(t, "", "app")
	r.RepoDirs = []string{repoFile(t, section("base", server.URL))}
	online := resolved(t, r)
	if len(online) != 3 {
		t.Fatal(online)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-n", os.Args[0], "-test.run=^TestOffline$", "-test.v")
	cmd.Env = append(os.Environ(), "NOSA_TEST_OFFLINE="+r.RepoDirs[0], "NOSA_TEST_CACHE="+r.CacheDir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestOffline") {
		t.Errorf("%v\n%s", err, out)
	}
	r.Offline, r.CacheDir = true, t.TempDir()
	if got := refused[*RepoError](t, r); got.Problems[0].ID != "base" {
		t.Errorf("got %v", got)
	}
}

func TestInterpreter(t *testing.T) {
	for line, want := range map[string]string{
		"#!/usr/bin/python3\n": "/usr/bin/python3", "#!/usr/libexec/platform-python -s\n": "/usr/libexec/platform-python",
		"#!/usr/bin/env python3\n": "python3", "\x7fELF\x02\n": "", "#!/bin/sh\n": "", "#!\n": "",
	} {
		argv, ok := interpreter(line)
		if ok != (want != "") || ok && argv[0] != want {
			t.Errorf("%q: got %q, %v", line, argv, ok)
		}
	}
	t.Setenv("PATH", t.TempDir())
	fake := filepath.Join(os.Getenv("PATH"), "dnf")
	if err := os.WriteFile(fake, []byte("\x7fELF\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := python(); err == nil || !strings.Contains(err.Error(), "version 5") {
		t.Errorf("got %v", err)
	}
}
