package manifest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/doc"
)

// FuzzConfig loads several files that include each other. The input is in the
// format of txtar (whose parser is no match for this), the first file is the top-level treefile; NAME@ is a symbolic link
// with the target as content, NAME* is executable.
func FuzzConfig(f *testing.F) {
	root, ds := doc.Read("testdata/cases.yaml", doc.Source{Name: "testdata/cases.yaml"})
	if ds.HasErrors() {
		f.Fatal(ds)
	}
	for _, c := range root.Items {
		var archive strings.Builder
		for _, e := range c.Get("files").Entries {
			archive.WriteString("-- " + e.Key.Text + " --\n" + e.Value.Text + "\n")
		}
		f.Add(archive.String())
	}
	for _, seed := range []string{
		"-- m.yaml --\ninclude: [a.yaml, b.yaml]\n-- a.yaml --\ninclude: c.yaml\n-- b.yaml --\ninclude: c.yaml\n-- c.yaml --\nref: x\n",
		"-- m.yaml --\ninclude: a.yaml\n-- a.yaml --\ninclude: m.yaml\n",
		"-- m.yaml --\ninclude: l/a.yaml\n-- d/a.yaml --\ninclude: ../b.json\nvariables: {v: 1}\n-- b.json --\n{\"ref\": \"${v}\", \"include\": \"d/a.yaml\"}\n-- l@ --\nd\n",
		"-- d/m.yaml --\ninclude: ../d/m.yaml\n-- x@ --\n../..\n-- d/y.yaml@ --\nm.yaml\n",
		"-- m.yaml --\nvariables: {a: true, b: 2}\nconditional-include:\n  - {if: 'a == true', include: a.yaml}\n  - {if: ['b > 1', 'basearch == \"x86_64\"'], include: {packages: ['a b'], units: [c]}}\n-- a.yaml --\nvariables: {a: false}\nref: ${b}\n",
		"-- m.yaml --\nadd-files: [[f, /usr/f]]\npostprocess-script: s\ninclude: d/m.json\n-- s* --\n#!/bin/sh\n-- f --\n1\n-- d/m.json --\n{\"add-files\": [[\"f\", \"/etc/f\"]], \"repo-packages\": [{\"repo\": \"r\", \"packages\": [\"a\"]}]}\n-- d/f --\n2\n-- d/finalize.d/x* --\n#!/bin/sh\n",
		"-- m.yaml --\nmetadata: {a: 1}\ncontainer: true\nselinux: true\ninclude: a.yaml\n-- a.yaml --\nmetadata: {a: 2, b: [x]}\nedition: 2024\ncheck-passwd: {type: data, entries: {root: 0, a: [1, 2]}}\nremove-from-packages: [[a, '/x.*'], [b]]\n",
		"-- m.yaml --\ninclude: [zero, pipe, /etc/hostname, .]\n-- zero@ --\n/dev/zero\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		dir := t.TempDir()
		top := unpack(dir, split(in))
		if top == "" {
			return
		}
		arch := []string{"x86_64", "aarch64"}[len(in)%2]
		checkConfig(t, top, Options{Arch: arch, Root: dir})
	})
}

// archived is a file of the input.
type archived struct{ name, data string }

func split(in string) []archived {
	var files []archived
	for line := range strings.Lines(in) {
		name, marker := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		name, end := strings.CutSuffix(name, " --")
		switch {
		case marker && end:
			files = append(files, archived{name: name})
		case len(files) > 0:
			files[len(files)-1].data += line
		}
	}
	return files[:min(len(files), 20)]
}

// unpack writes what has a usable name, links last, so that
// nothing is written through them. It returns the path of the first file.
func unpack(dir string, files []archived) string {
	top := ""
	write := func(file archived, put func(path string) error) {
		name := strings.TrimRight(file.name, "@*")
		path := filepath.Join(dir, name)
		if !filepath.IsLocal(name) || !utf8.ValidString(name) || os.MkdirAll(filepath.Dir(path), 0o755) != nil || put(path) != nil {
			return
		}
		if top == "" {
			top = path
		}
	}
	for _, file := range files {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(file.name, "*") {
			mode = 0o755
		}
		if !strings.HasSuffix(file.name, "@") {
			write(file, func(path string) error { return os.WriteFile(path, []byte(file.data), mode) })
		}
	}
	for _, file := range files {
		if target := strings.TrimSpace(file.data); strings.HasSuffix(file.name, "@") {
			write(file, func(path string) error { return os.Symlink(target, path) })
		}
	}
	return top
}

// checkConfig loads a treefile and looks at all that the load says.
func checkConfig(t *testing.T, top string, opts Options) {
	t.Helper()
	m, ds := Load(top, opts)
	printed, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	inside := func(what any, file string, line, column int) {
		if line == 0 {
			return
		}
		path := file
		if !filepath.IsAbs(file) {
			path = filepath.Join(opts.Root, file)
		}
		if _, ok := lines[file]; !ok {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v: %v", what, err)
			}
			lines[file] = strings.Split(strings.TrimPrefix(string(data), "\xef\xbb\xbf"), "\n")
		}
		all := lines[file]
		if line < 1 || line > len(all) || column < 0 || column > utf8.RuneCountInString(all[line-1])+1 {
			t.Fatalf("%v: %s has no place %d:%d", what, file, line, column)
		}
	}
	for _, d := range slices.Concat(ds, m.Unsupported(EngineDNF), m.Unsupported(EngineRPMOSTree)) {
		if d.File == "" || d.Code == "" || d.Message == "" || !utf8.ValidString(d.String()) {
			t.Fatalf("incomplete: %#v", d)
		}
		inside(d, d.File, d.Line, d.Column)
		for _, link := range d.Chain {
			file, line, _ := cutLast(link, ":")
			n, err := strconv.Atoi(line)
			if err != nil {
				t.Fatalf("%v: chain %q", d, link)
			}
			inside(d, file, n, 0)
		}
	}
	for _, key := range KeyTable() {
		for _, s := range m.Settings(key.Name) {
			inside(s, s.File, s.Line, s.Column)
		}
		for _, e := range m.Elements(key.Name) {
			inside(e, e.File, e.Line, e.Column)
		}
		if _, err := m.Value(key.Name); err != nil {
			t.Fatal(err)
		}
	}
	for i, file := range m.Files {
		if !filepath.IsAbs(file) || slices.Contains(m.Files[:i], file) {
			t.Fatalf("files: %q", m.Files)
		}
	}
	again, more := Load(top, opts)
	second, err := again.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ds, more); diff != "" || !bytes.Equal(printed, second) {
		t.Fatalf("the second load differs:\n%s\n%s\n%s", diff, printed, second)
	}
	if !ds.HasErrors() {
		checkPrinted(t, m, printed, opts)
	}
}

// checkPrinted loads the effective treefile, as JSON and as YAML: it prints the
// same. Left out is what rpm-ostree prints otherwise than it reads as well:
// version tests without their quotes, what container overrides again, and
// sources that lie in another directory.
func checkPrinted(t *testing.T, m *Manifest, printed []byte, opts Options) {
	t.Helper()
	spaced := func(i Item) bool {
		return strings.ContainsFunc(i.Text, unicode.IsSpace) || strings.Contains(i.Text, "'")
	}
	again := m.Container || slices.ContainsFunc(m.Packages, spaced) ||
		slices.ContainsFunc(m.RepoPackages, func(r RepoPackages) bool { return slices.ContainsFunc(r.Packages, spaced) })
	sources := len(m.AddFiles) > 0 || m.PostprocessScript.Path != "" || m.CheckPasswd.Mode == CheckFile || m.CheckGroups.Mode == CheckFile
	asYAML, err := doc.YAMLFromJSON(printed)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"printed.json": printed, "printed.yaml": asYAML} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		opts.Root = dir
		back, ds := Load(path, opts)
		if ds.HasErrors() && !sources && !again {
			t.Fatalf("%s: %v\n%s", name, ds, text)
		}
		if got, err := back.JSON(); !ds.HasErrors() && !again && (err != nil || !bytes.Equal(got, printed)) {
			t.Fatalf("%s prints otherwise: %v\n%s", name, err, cmp.Diff(string(printed), string(got)))
		}
	}
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
