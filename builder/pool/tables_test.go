package pool

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// TestDropList holds the list of dependencies that are not carried over: it may
// shrink, but grow only with a reason and a change here.
func TestDropList(t *testing.T) {
	want := []string{
		"adduser of *", "debconf of *", "dpkg of *", "init-system-helpers of *", "install-info of *", "linux-base of *", "lsb-base of *", "perl-base of *",
		"runit-helper of *", "sysvinit-utils of *", "ucf of *", "usrmerge of *", "initramfs-tools of *", "linux-initramfs-tool of *", "perl of rpm", "python3 of xfsprogs",
	}
	var got []string
	for _, e := range realTables(t).drop {
		got = append(got, e.name+" of "+e.of)
		if len(strings.Fields(e.reason)) < 3 {
			t.Errorf("%s: no reason: %q", e.name, e.reason)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestScriptletsAreShell(t *testing.T) {
	need(t, "sh")
	tables := realTables(t)
	if len(tables.scriptlets) < 15 {
		t.Errorf("only %d scriptlets", len(tables.scriptlets))
	}
	for _, s := range tables.scriptlets {
		if err := proc.Run(t.Context(), proc.Cmd{Args: []string{"sh", "-n"}, Stdin: strings.NewReader(s.script)}); err != nil {
			t.Errorf("%s: %v", s.glob, err)
		}
	}
	if got := tables.scriptletFor("linux-image-6.1.0-56-cloud-amd64"); !strings.Contains(got, "depmod") {
		t.Errorf("kernel: %q", got)
	}
	if got := tables.scriptletFor("linux-image-cloud-amd64"); got != "" {
		t.Errorf("the package without files has a scriptlet: %q", got)
	}
}

// TestEveryTableIsUsed finds entries for packages that the pool cannot have.
func TestEveryTableIsUsed(t *testing.T) {
	tables := realTables(t)
	if slices.Contains(tables.roots, "perl") || len(tables.roots) < 60 {
		t.Errorf("roots: %v", tables.roots)
	}
	for i, name := range tables.roots {
		if err := checkName(name); err != nil {
			t.Error(err)
		}
		if slices.Contains(tables.roots[:i], name) {
			t.Errorf("%s is there twice", name)
		}
	}
	for _, name := range []string{"/bin", "/usr/bin", "/proc", "/var/run"} {
		if !tables.owns(name) {
			t.Errorf("the filesystem package does not have %s", name)
		}
	}
	for _, e := range tables.filesystem {
		if path.Clean(e.path) != e.path || !path.IsAbs(e.path) {
			t.Errorf("filesystem path %q", e.path)
		}
	}
}

// TestAccountsAgree holds the four account files against each other.
func TestAccountsAgree(t *testing.T) {
	accounts := realTables(t).accounts
	names := func(file string, fields int) []string {
		var out []string
		for line := range strings.Lines(accounts[file]) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) != fields {
				t.Errorf("%s: %q has %d fields, want %d", file, line, len(f), fields)
			}
			out = append(out, f[0])
			if (file == "shadow" || file == "gshadow") && !strings.HasPrefix(f[1], "*") && !strings.HasPrefix(f[1], "!") {
				t.Errorf("%s: %s is not locked", file, f[0])
			}
		}
		return out
	}
	if diff := cmp.Diff(names("passwd", 7), names("shadow", 9)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(names("group", 4), names("gshadow", 4)); diff != "" {
		t.Error(diff)
	}
}

// TestKeyForIsNarrow changes one package's table and nothing else.
func TestKeyForIsNarrow(t *testing.T) {
	a, b := realTables(t), realTables(t)
	b.added["sudo"] = append(b.added["sudo"], addedFile{"/etc/x", []byte("x")})
	if a.keyFor("sudo") == b.keyFor("sudo") {
		t.Error("an added file does not count")
	}
	if a.keyFor("bash") != b.keyFor("bash") {
		t.Error("another package's file counts")
	}
}
