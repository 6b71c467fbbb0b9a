package lint

import (
	"testing"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/manifest"
)

// fuzzFile is in as a file of a config.
func fuzzFile(t *testing.T, name string, in []byte) *entry {
	t.Helper()
	if len(in) > doc.MaxBytes {
		t.Skip("larger than anything that is read")
	}
	return &entry{path: "/c/" + name, name: name, text: string(in), size: int64(len(in))}
}

// inside fails on a report that is incomplete or names a place that e does not have.
func inside(t *testing.T, e *entry, ds doc.Diagnostics) {
	t.Helper()
	lines := e.split()
	for _, d := range ds {
		if d.Code == "" || d.Message == "" || d.File == "" {
			t.Fatalf("incomplete: %#v", d)
		}
		if d.File != e.name || d.Line == 0 {
			continue
		}
		if d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Column > column(lines[d.Line-1], len(lines[d.Line-1])) {
			t.Fatalf("%v is outside of the file", d)
		}
	}
}

// FuzzRepoFile: whatever a .repo file holds, the places in the reports are in it.
func FuzzRepoFile(f *testing.F) {
	for _, seed := range []string{
		"[a]\nname=x\nbaseurl=https://a/$releasever\n  http://b/${x:-y}\nenabled=1\n", "x=1\n", "[a", "[]\n[a]x\n=1\n", "[a]\r\nb:c\r\n \r\n",
		"\xef\xbb\xbf[ä]\n", "[a]\nbaseurl=ä,ö http://ipaddress:1/\xff$ü$basarch\n[a]\n\tq\n", "[a]\nbaseurl=\n 'x'\ngpgcheck=\"1\"\n", "[main]\n[main]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		e := fuzzFile(t, "a.repo", in)
		k := newChecker(Config{Dir: "/c", Root: "/c", RepoDirs: []string{"/c"}, Manifest: &manifest.Manifest{
			File: "manifest.yaml", Repos: []manifest.Item{{Text: "a", Origin: doc.Origin{File: "manifest.yaml", Line: 1, Column: 1}}},
			LockfileRepos: []manifest.Item{{Text: "b", Origin: doc.Origin{File: "manifest.yaml", Line: 2, Column: 1}}},
		}})
		k.files = []*entry{e}
		k.repos()
		k.secrets()
		inside(t, e, k.found)
	})
}

// FuzzStatOverride: the same of a statoverride file, and a mode is never more than 07777.
func FuzzStatOverride(f *testing.F) {
	for _, seed := range []string{"=288 /etc/a\n+73 /etc/a\n", "=0755 /etc/a", "= /", "=99999999999999999999 /x", "# c\n\n=4755 ä", "=0o644 /etc/a # c", "\t=1  /etc/../etc/a\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		e := fuzzFile(t, "statoverride", in)
		k := newChecker(Config{Dir: "/c", Root: "/c", Manifest: &manifest.Manifest{}})
		k.byPath[e.path] = e
		file := &layerFile{entry: &entry{path: "/c/etc/a", name: "etc/a", text: "#!"}, rel: "etc/a", inDir: "etc/a"}
		k.statOverride(&layer{dir: "/c", name: "c", files: []*layerFile{file}, byPath: map[string]*layerFile{"etc/a": file}})
		if file.modes != nil && file.modes.mode > maxMode {
			t.Fatalf("mode %o", file.modes.mode)
		}
		inside(t, e, k.found)
	})
}

// FuzzConfLines: the same of units and lines of sysusers.d and tmpfiles.d.
func FuzzConfLines(f *testing.F) {
	for _, seed := range []string{"[Unit]\nA=b\\\n# c\n[Servce]\nx\n", "u a - \"b c\" /d /e f\n", "d /x 0755 a b - 'c\n", "\\", "L+ \\\n x\x00\xff", "m a b - - - - -"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, rel := range []string{"usr/lib/systemd/system/a.service", "usr/lib/sysusers.d/a.conf", "usr/lib/tmpfiles.d/a.conf"} {
			e := fuzzFile(t, rel, in)
			k := newChecker(Config{Dir: "/c", Root: "/c", Manifest: &manifest.Manifest{}})
			k.layerFile(&layerFile{entry: e, rel: rel, inDir: rel})
			k.secrets()
			inside(t, e, k.found)
		}
	})
}

// FuzzScript: the same of a script without bash, and of what bash might say of it.
func FuzzScript(f *testing.F) {
	f.Add([]byte("#!/bin/sh\ncat <<E\n E\ncat <<E\nE\n"), "/dev/stdin: line 2: warning: here-document at line 2 delimited by end-of-file (wanted `E')")
	f.Add([]byte("#! /usr/bin/env bash -e\r\nfi\r\n"), "/dev/stdin: line 2: syntax error near unexpected token `fi'")
	f.Add([]byte("\xef\xbb\xbf#!x"), "/dev/stdin: line 99999999999999999999: x")
	f.Add([]byte(""), "")
	f.Fuzz(func(t *testing.T, in []byte, said string) {
		e := fuzzFile(t, "script", in)
		s := newScript(script{text: e.text, what: "script", at: e.at, exact: true, finds: func(string) bool { return false }})
		var found doc.Diagnostics
		for _, ds := range []doc.Diagnostics{s.interpreter(), s.lineEnds(), s.hereDocs(), s.syntax([]string{said})} {
			found = append(found, ds...)
		}
		inside(t, e, found)
	})
}
