package kola

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/nestos/nosa/workspace/doc"
)

// config makes a config directory of a txtar archive: NAME* is executable, NAME@
// a link.
func config(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(dir, strings.TrimRight(f.Name, "*@"))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch f.Name[len(f.Name)-1] {
		case '@':
			err = os.Symlink(strings.TrimSpace(string(f.Data)), name)
		case '*':
			if err = os.WriteFile(name, f.Data, 0o600); err == nil {
				err = os.Chmod(name, 0o755) // whatever the umask
			}
		default:
			err = os.WriteFile(name, f.Data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func shapes(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "shapes.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return config(t, string(data))
}

func TestDiscover(t *testing.T) {
	tests, problems := Discover(shapes(t))
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	want := []Test{
		{Name: "ext.config.basic", Exe: "tests/kola/basic", Data: "tests/kola/data", Meta: Meta{Platforms: Filter{Only: []string{"qemu"}}}},
		{
			Name: "ext.config.files.license", Exe: "tests/kola/files/license", Data: "tests/kola/files/data",
			Meta: Meta{Shared: true, Created: "2026-09-22", Description: "Several\nlines.\n"},
		},
		{Name: "ext.config.files.symlinks", Exe: "tests/kola/files/symlinks", Data: "tests/kola/files/data", Meta: Meta{
			Tags: []string{"platform-independent", "needs-internet"}, Shared: true, Conflicts: []string{"ext.config.files.license"},
			Description: "Verify that there is no broken link.",
		}},
		{Name: "ext.config.ignition.units.first", Exe: "tests/kola/ignition/units/first"},
		{
			Name: "ext.config.ignition.units.second", Exe: "tests/kola/ignition/units/second",
			Meta: Meta{Shared: true, Tags: []string{"platform-independent", "reprovision"}},
		},
		{
			Name: "ext.config.ignition.users", Exe: "tests/kola/ignition/users/test.sh", Data: "tests/kola/ignition/users/data",
			Meta: Meta{Distros: Filter{Only: []string{"nestos"}}, Platforms: Filter{Only: []string{"qemu-unpriv"}}},
		},
		{Name: "ext.config.root-reprovision.raid.inline", Exe: "tests/kola/root-reprovision/raid/inline", Meta: Meta{Unsupported: []string{"bootFrom"}}},
		{Name: "ext.config.root-reprovision.raid.test.sh", Exe: "tests/kola/root-reprovision/raid/test.sh", Meta: Meta{
			Architectures: Filter{Not: []string{"s390x"}}, Tags: []string{"reprovision"}, RequiredTag: "reprovision",
			PrimaryDisk: "20G:mpath", Disks: []string{"5G", "1G:mpath,4k"}, MemoryMiB: 4096, DiskGiB: 15, NICs: 2,
			Kargs: "enforcing=0", FirstbootKargs: "rd.neednet=1", InjectContainer: true, Timeout: 15 * time.Minute, Description: "RAID",
		}},
	}
	if diff := cmp.Diff(want, tests, cmpopts.IgnoreUnexported(Test{}), cmpopts.IgnoreFields(Test{}, "Config"), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	for _, test := range tests {
		if has, want := len(test.Config) > 0, strings.Contains(test.Name, "ignition"); has != want {
			t.Errorf("%s: a config for the first boot: %v, want %v", test.Name, has, want)
		}
	}
}

func TestDiscoverProblems(t *testing.T) {
	for _, tc := range []struct {
		name, config string
		want         []string // place, severity and code, a piece of the text; the test's name
	}{
		{
			"unknown key", "-- tests/kola/a* --\n#!/bin/sh\n# kola: {\"timoutMin\": 3}\n",
			[]string{`tests/kola/a:2:10: warning[KT003]: "timoutMin" is no key of a test's metadata: it does nothing; did you mean timeoutMin? (ext.config.a)`},
		},
		{
			"YAML of the wrong type", "-- tests/kola/a* --\n#!/bin/sh\n\n## kola:\n##   tags: x\n##   exclusive: \"no\"\n",
			[]string{`tests/kola/a:5:17: error[KT002]: exclusive: want true or false, got text "no"; write false; no, off and 0 are not truth values here (ext.config.a)`},
		},
		{
			"JSON that breaks off", "-- tests/kola/a* --\n# kola: {\"tags\": \"x\"\n",
			[]string{`tests/kola/a:1:9: error[TF027]: this '{' is never closed (ext.config.a)`},
		},
		{
			"negative number", "-- tests/kola/a/kola.json --\n{\"minMemory\": -1}\n-- tests/kola/a/test.sh* --\n",
			[]string{`tests/kola/a/kola.json:1:15: error[KT002]: minMemory: want a number from 0 to 1048576, got the number -1 (ext.config.a)`},
		},
		{
			"not executable", "-- tests/kola/a --\n#!/bin/sh\n",
			[]string{`tests/kola/a: warning[KT001]: it begins with #! and is not executable, so it is no test; chmod a+x, or put it into data/ ()`},
		},
		{
			"broken config", "-- tests/kola/a/config.bu --\nvariant: fcos\nversion: 1.4.0\nstorge: {}\n-- tests/kola/a/test.sh* --\n",
			[]string{`tests/kola/a/config.bu:3:1: warning[KT004]: unused key storge (storge) (ext.config.a)`},
		},
		{
			"two of a name", "-- tests/kola/a.b* --\n-- tests/kola/a/b* --\n",
			[]string{`tests/kola/a.b: error[KT001]: its name ext.config.a.b is that of tests/kola/a/b too ()`},
		},
		{
			"link out of the config", "-- tests/kola/a/data@ --\n/etc\n-- tests/kola/a/test.sh* --\n",
			[]string{`tests/kola/a/data: error[KT001]: path escapes from parent; a test has only what is in the config: copy it there ()`},
		},
		{
			"link in a circle", "-- tests/kola/a/b@ --\n.\n",
			[]string{`tests/kola/a` + strings.Repeat("/b", 9) + `: error[KT001]: too many levels of symbolic links ()`},
		},
		{"no tests", "-- manifest.yaml --\n", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, problems := Discover(config(t, tc.config))
			var got []string
			for _, p := range problems {
				got = append(got, p.Diagnostic.String()+" ("+p.Test+")")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzMeta(f *testing.F) {
	f.Add("#!/bin/sh\n# kola: {\"tags\": \"a\"}\n")
	f.Add("## kola:\n##   tags: a\n")
	f.Add("# kola: {\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		node, ds := inlineMeta(doc.Source{Name: "x"}, []byte(text))
		meta, more := readMeta(node)
		for _, d := range append(ds, more...) {
			if d.Line < 0 || d.Line > strings.Count(text, "\n")+2 {
				t.Errorf("place %s is not in the text", d.Origin)
			}
		}
		if meta.MemoryMiB < 0 || meta.Timeout < 0 {
			t.Errorf("negative: %+v", meta)
		}
	})
}
