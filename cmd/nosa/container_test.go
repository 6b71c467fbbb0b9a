package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/nestos/nosa/builder/backend"
)

func TestBinds(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	for _, d := range []string{"ws/src/yumrepos", "ws/tmp/jobs/1", "configs/nestos/.git", "configs/nestos/sub", "main/.git/worktrees/w", "tree", "ws/inner", "disk/builds", "disk/cache"} {
		must(os.MkdirAll(at(d), 0o755))
	}
	must(os.Symlink(at("ws"), at("link")))
	must(os.Symlink(at("configs/nestos/sub"), at("ws/src/config")))
	must(os.Symlink(at("tree"), at("ws/src/more")))
	must(os.Symlink("yumrepos", at("ws/src/inside")))
	must(os.Symlink(at("nowhere"), at("ws/src/gone")))
	must(os.Symlink(at("disk"), at("alias")))
	must(os.Symlink(at("alias/builds"), at("ws/builds")))
	must(os.Symlink("../disk/cache", at("ws/cache")))
	must(os.Symlink("inner", at("ws/pool")))
	must(os.Symlink(at("nowhere"), at("ws/vms")))
	must(os.WriteFile(at("tree/.git"), []byte("gitdir: "+at("main/.git/worktrees/w")+"\n"), 0o644))
	must(os.WriteFile(at("main/.git/worktrees/w/commondir"), []byte("../..\n"), 0o644))
	must(os.WriteFile(at("some.ign"), nil, 0o644))
	self, err := os.Executable()
	must(err)

	got, err := bindsOf(containerRun{
		root: at("link"), dir: at("link/tmp/jobs/1"),
		binds: []backend.Mount{readOnly(at("some.ign")), readOnly(at("ws/src/yumrepos"))},
	})
	must(err)
	want := []string{
		"rw " + at("ws"), "rw " + at("link"), "ro " + at("tree"), "ro " + at("main/.git"),
		"ro " + at("some.ign"), "ro " + at("configs/nestos"), "ro " + innerNosa,
		"rw " + at("alias/builds"), "rw " + at("disk/builds"), "rw " + at("disk/cache"),
	}
	var have []string
	for _, m := range got {
		if m.Target != innerNosa && m.Source != m.Target || m.Target == innerNosa && m.Source != self {
			t.Errorf("%s is seen at %s", m.Source, m.Target)
		}
		have = append(have, map[bool]string{true: "ro ", false: "rw "}[m.ReadOnly]+m.Target)
	}
	slices.Sort(want)
	slices.Sort(have)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

func TestInnerEnv(t *testing.T) {
	env := []string{
		"PATH=/opt/bin", "HOME=/home/u", "NOSA_BACKEND=podman", "NOSA_OUTPUT=json", "NOSA_ENGINE=dnf", "COSA_NO_KVM=1", "SOURCE_DATE_EPOCH=5",
		"https_proxy=http://p", "HTTPS_PROXY=http://q", "SSH_AUTH_SOCK=/run/a", "AWS_SECRET_ACCESS_KEY=x", "NOSA_IN_CONTAINER=1",
	}
	base := []string{"NOSA_OUTPUT", "NOSA_ENGINE", "COSA_NO_KVM", "SOURCE_DATE_EPOCH"}
	if diff := cmp.Diff(base, innerEnv(env, nil)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(append(slices.Clone(base), "https_proxy", "HTTPS_PROXY", "SSH_AUTH_SOCK"), innerEnv(env, passed{"proxy", "ssh-agent"})); diff != "" {
		t.Error(diff)
	}
}

// What can be passed is checked, and what is not there is said by its name.
func TestPassed(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	if err := (passed{"proxy", "everything"}).check(); err == nil || !strings.Contains(err.Error(), "everything") {
		t.Errorf("check: %v", err)
	}
	for _, name := range []string{"ssh-agent", "gpg", "netrc"} {
		if _, err := (passed{name}).binds(); err == nil || !strings.Contains(err.Error(), "--pass "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every flag of a relayed command that names a file is known as one, so that the container sees the file.
func TestRelaysKnowFiles(t *testing.T) {
	root := newRootCommand(&app{})
	for name, r := range relays() {
		cmd, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		known := append(slices.Clone(r.reads), r.writes...)
		for _, flag := range known {
			if cmd.LocalFlags().Lookup(flag) == nil {
				t.Errorf("%s has no flag %s", name, flag)
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			what, usage := pflag.UnquoteUsage(f)
			isFile := strings.Contains(what, "FILE") || strings.Contains(what, "DIR") || strings.Contains(what, "SRC") || strings.Contains(what, "PATH")
			if isFile && f.Name != "workdir" && !slices.Contains(known, f.Name) { // an old name of -C
				t.Errorf("%s --%s %s: %s", name, f.Name, what, usage)
			}
		})
	}
}
