package tree

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigure(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{
		"usr/lib/systemd/system/default.target":                   "-> graphical.target",
		"etc/systemd/system/multi-user.target.wants/have.service": "-> /elsewhere",
		"etc/a/b": "x", "usr/share/doc/x": "x", "bin": "-> usr/bin", "usr/bin/": "",
	})
	if err := tr.StateOverlay(); err == nil || !strings.Contains(err.Error(), "needs ostree-state-overlay@.service, which no package") {
		t.Errorf("without libostree's unit: %v", err)
	}
	const overlay = "usr/lib/systemd/system/ostree-state-overlay@.service"
	if err := os.WriteFile(filepath.Join(tr.Root, overlay), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	source := writeTree(t, map[string]string{"plain": "p", "tool": "t"})
	if err := os.Chmod(filepath.Join(source, "tool"), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		tr.Units([]string{"have.service", "sshd.service"}),
		tr.DefaultTarget("multi-user.target"),
		tr.DefaultTarget(""),
		tr.StateOverlay(),
		tr.Treefile([]byte("{}")),
		tr.RemoveFiles([]string{"usr/share/doc", "usr/etc/a/b", "not/there"}),
		tr.AddFiles([]Addition{{Source: filepath.Join(source, "plain"), Dest: "/etc/new/plain"}, {Source: filepath.Join(source, "tool"), Dest: "bin/tool"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"/ 0755", "bin -> usr/bin", "etc/ 0755", "etc/a/ 0755", "etc/new/ 0755", `etc/new/plain 0644 "p"`,
		"etc/systemd/ 0755", "etc/systemd/system/ 0755", "etc/systemd/system/multi-user.target.wants/ 0755",
		"etc/systemd/system/multi-user.target.wants/have.service -> /elsewhere",
		"etc/systemd/system/multi-user.target.wants/sshd.service -> /usr/lib/systemd/system/sshd.service",
		"usr/ 0755", "usr/bin/ 0755", `usr/bin/tool 0750 "t"`,
		"usr/lib/ 0755", "usr/lib/systemd/ 0755", "usr/lib/systemd/system/ 0755",
		"usr/lib/systemd/system/default.target -> multi-user.target",
		"usr/lib/systemd/system/local-fs.target.requires/ 0755",
		"usr/lib/systemd/system/local-fs.target.requires/ostree-state-overlay@usr-lib-opt.service -> ../ostree-state-overlay@.service",
		"usr/lib/systemd/system/local-fs.target.requires/ostree-state-overlay@usr-local.service -> ../ostree-state-overlay@.service",
		overlay + ` 0644 ""`,
		"usr/share/ 0755", "usr/share/rpm-ostree/ 0755", `usr/share/rpm-ostree/treefile.json 0644 "{}"`,
	}
	if diff := cmp.Diff(want, list(t, tr.Root)); diff != "" {
		t.Error(diff)
	}
}

func TestSysusersMissing(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{"usr/lib/sysusers.d/a.conf": "u a 900\n"})
	if err := tr.Sysusers(t.Context()); !errors.Is(err, ErrNoSysusers) {
		t.Errorf("got %v", err)
	}
}

func TestOSRelease(t *testing.T) {
	need(t)
	const before = "NAME=\"Debian\"\nVERSION=\"12 (x 12)\"\n\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"
	for _, tt := range []struct{ name, value, want string }{
		{"replaced", "12", "NAME=\"Debian\"\nVERSION=\"12.1 (x 12.1)\"\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12.1\"\nOSTREE_VERSION='12.1'\n"},
		{"only added", "", "NAME=\"Debian\"\nVERSION=\"12 (x 12)\"\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\nOSTREE_VERSION='12.1'\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, _ := newTree(t, map[string]string{"usr/lib/os-release": before, "etc/os-release": "-> ../usr/lib/os-release"})
			if err := tr.OSRelease(tt.value, "12.1"); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(tr.Root, "usr/lib/os-release"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if target, err := os.Readlink(filepath.Join(tr.Root, "etc/os-release")); err != nil || target != "../usr/lib/os-release" {
				t.Errorf("the link: %q, %v", target, err)
			}
		})
	}
}

// TestRefused are items that rpm-ostree notices late or never.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"remove absolute", CheckRemoveFile("/usr/x")},
		{"remove dots", CheckRemoveFile("usr/../x")},
		{"remove all", CheckRemoveFile("./")},
		{"add dots", CheckAddFile("usr/../../etc/passwd")},
		{"add local", CheckAddFile("/usr/local/bin/x")},
		{"add var", CheckAddFile("/var/x")},
		{"add directory", CheckAddFile("/etc/")},
		{"unit with a path", Tree{}.Units([]string{"a/b.service"})},
	} {
		if tt.err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestCompilePattern(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`/usr/share/.*\.mo$`, ""},
		{`/usr/(?!lib)`, `pattern "/usr/(?!lib)": look-around and atomic groups ((?!) are not supported, write the paths out`},
		{`(?<=x)y`, `pattern "(?<=x)y": look-around and atomic groups ((?<=x)y) are not supported, write the paths out`},
		{`(a)\1`, `pattern "(a)\\1": the back-reference \1 is not supported`},
		{`a++`, `pattern "a++": possessive or doubled quantifier ++ is not supported`},
		{`a[`, `pattern "a[": missing closing ]: [`},
	} {
		_, err := CompilePattern(tt.in)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s:\n%s", tt.in, diff)
		}
	}
}

func TestRemoveMatching(t *testing.T) {
	need(t)
	tr, _ := newTree(t, map[string]string{
		"etc/skel/a": "", "usr/share/x/1": "", "usr/share/x/2": "", "usr/share/x/other": "", "opt/v/tool": "", "usr/share/shared": "",
	})
	r, err := tr.open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	owners := packages{
		"etc/skel": {"p"}, "etc/skel/a": {"p"}, "usr/share/x": {"p"}, "usr/share/x/1": {"p"}, "usr/share/x/2": {"p"},
		"opt/v/tool": {"p"}, "usr/share/shared": {"p", "q"}, "usr/share/gone": {"p"},
	}
	var files []string
	for name := range owners {
		files = append(files, name)
	}
	removal := Removal{Patterns: []string{"^/usr/etc/skel", "share", "^/usr/lib/opt/v/"}}
	n, err := r.removeMatching(files, owners, patternsOf(t, removal))
	if err != nil || n != 5 {
		t.Fatalf("removed %d, %v", n, err)
	}
	want := []string{
		"/ 0755", "etc/ 0755", "opt/ 0755", "opt/v/ 0755", "usr/ 0755", "usr/share/ 0755", `usr/share/shared 0644 ""`, "usr/share/x/ 0755", `usr/share/x/other 0644 ""`,
	}
	if diff := cmp.Diff(want, list(t, tr.Root)); diff != "" {
		t.Error(diff)
	}
}

func patternsOf(t *testing.T, removal Removal) []*regexp.Regexp {
	t.Helper()
	var all []*regexp.Regexp
	for _, p := range removal.Patterns {
		re, err := CompilePattern(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, re)
	}
	return all
}
