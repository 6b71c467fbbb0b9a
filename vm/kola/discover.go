package kola

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/vm/ignition"
	"github.com/nestos/nosa/workspace/doc"
)

// prefix begins the name of every test: external, of the project that kola calls
// src/config.
const prefix = "ext.config"

// defaultExe is left out of a test's name where a directory has no other.
const defaultExe = "test.sh"

// maxDepth is how deep directories go: links may lead in circles.
const maxDepth = 16

// Discover finds the tests of the config in dir. Links are followed as far as
// they stay within it. What is wrong with a test is among the problems; without a
// tests/kola there are neither tests nor problems.
func Discover(dir string) ([]Test, []Problem) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, []Problem{problem(doc.Source{Name: dir}.At(0, 0).Errorf(codeFiles, "%v", errors.Unwrap(err)), "")}
	}
	defer func() { _ = root.Close() }()
	f := finder{root: root, dir: dir}
	if _, err := root.Lstat(Dir); !errors.Is(err, fs.ErrNotExist) {
		f.walk(Dir, prefix, 0)
	}
	f.unique()
	slices.SortFunc(f.tests, func(a, b Test) int { return cmp.Compare(a.Name, b.Name) })
	return f.tests, f.problems
}

// finder walks through a config's tests.
type finder struct {
	root     *os.Root
	dir      string
	tests    []Test
	problems []Problem
}

func problem(d doc.Diagnostic, test string) Problem { return Problem{Diagnostic: d, Test: test} }

func (f *finder) report(test string, ds ...doc.Diagnostic) {
	for _, d := range ds {
		f.problems = append(f.problems, problem(d, test))
	}
}

// broken reports what cannot be read.
func (f *finder) broken(test, name string, err error) {
	text := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		text = e.Err.Error()
	}
	d := doc.Source{Name: name}.At(0, 0).Errorf(codeFiles, "%s", text)
	if strings.Contains(text, "escapes") {
		d = d.WithHint("a test has only what is in the config: copy it there")
	}
	f.report(test, d)
}

// found is what a directory has for its tests.
type found struct {
	executables []string // names in the directory
	meta, data  string   // kola.json and data, below the config
	config      string   // config.ign or config.bu
}

// walk looks at a directory; name is that of a test in it whose program has none.
func (f *finder) walk(dir, name string, depth int) {
	if depth > maxDepth {
		f.broken("", dir, errors.New("the directories go too deep: does a link lead in a circle?"))
		return
	}
	entries, err := readDir(f.root, dir)
	if err != nil {
		f.broken("", dir, err)
		return
	}
	var have found
	for _, entry := range entries {
		file := path.Join(dir, entry)
		info, err := f.root.Stat(file)
		switch {
		case err != nil:
			f.broken("", file, err)
		case info.IsDir() && entry == "data":
			have.data = file
		case info.IsDir():
			f.walk(file, name+"."+entry, depth+1)
		case !info.Mode().IsRegular():
		case info.Mode()&0o001 != 0:
			have.executables = append(have.executables, entry)
		default:
			f.other(&have, file)
		}
	}
	f.add(dir, name, have)
}

// other takes a file that is no program.
func (f *finder) other(have *found, file string) {
	switch path.Base(file) {
	case "kola.json":
		have.meta = file
	case "config.ign", "config.bu":
		if have.config != "" {
			f.report("", doc.Source{Name: file}.At(0, 0).Warnf(codeConfig, "%s is there too and is left out", path.Base(have.config)))
		}
		have.config = file
	case "config.fcc":
		f.report("", doc.Source{Name: file}.At(0, 0).Errorf(codeConfig, "this name is not read any more").WithHint("rename it to config.bu"))
	default:
		if text, err := readFile(f.root, file, 2); err == nil && string(text) == "#!" {
			f.report("", doc.Source{Name: file}.At(0, 0).Warnf(codeFiles, "it begins with #! and is not executable, so it is no test").WithHint("chmod a+x, or put it into data/"))
		}
	}
}

// add makes the tests of a directory.
func (f *finder) add(dir, name string, have found) {
	for _, exe := range have.executables {
		t := Test{Name: name, Exe: path.Join(dir, exe), Data: have.data, dir: f.dir}
		if len(have.executables) > 1 || exe != defaultExe {
			t.Name += "." + exe
		}
		f.meta(&t, have.meta)
		f.config(&t, have.config)
		f.tests = append(f.tests, t)
	}
}

// meta reads the metadata in the program, else that of the directory.
func (f *finder) meta(t *Test, file string) {
	text, err := readFile(f.root, t.Exe, metaBytes)
	if err != nil {
		f.broken(t.Name, t.Exe, err)
		return
	}
	node, ds := inlineMeta(doc.Source{Name: t.Exe}, text)
	f.report(t.Name, ds...)
	if node == nil && len(ds) == 0 && file != "" {
		if text, err = readFile(f.root, file, doc.MaxBytes); err != nil {
			f.broken(t.Name, file, err)
			return
		}
		node, ds = doc.ParseJSON(doc.Source{Name: file}, text)
		f.report(t.Name, ds...)
	}
	t.Meta, ds = readMeta(node)
	f.report(t.Name, ds...)
}

// config reads what the machine's first boot is told.
func (f *finder) config(t *Test, file string) {
	if file == "" {
		return
	}
	text, err := readFile(f.root, file, doc.MaxBytes)
	if err != nil {
		f.broken(t.Name, file, err)
		return
	}
	var list []ignition.Diagnostic
	if path.Ext(file) == ".bu" {
		t.Config, list, err = ignition.FromButane(path.Join(f.dir, file), text)
	} else {
		t.Config = text
		list, err = ignition.Check(file, text)
	}
	if invalid, ok := errors.AsType[*ignition.InvalidError](err); ok {
		list = invalid.Diagnostics
	} else if err != nil {
		f.broken(t.Name, file, err)
	}
	for _, d := range list {
		at := doc.Source{Name: file}.At(d.Line, d.Col)
		text := d.Text
		if d.Path != "" {
			text += " (" + d.Path + ")"
		}
		if d.Warning || err == nil {
			f.report(t.Name, at.Warnf(codeConfig, "%s", text))
		} else {
			f.report(t.Name, at.Errorf(codeConfig, "%s", text))
		}
	}
}

// unique reports names that two programs have: a/b and a.b.
func (f *finder) unique() {
	seen := map[string]string{}
	f.tests = slices.DeleteFunc(f.tests, func(t Test) bool {
		first, twice := seen[t.Name]
		if twice {
			f.report("", doc.Source{Name: t.Exe}.At(0, 0).Errorf(codeFiles, "its name %s is that of %s too", t.Name, first))
		}
		seen[t.Name] = t.Exe
		return twice
	})
}

// readDir gives the names in a directory, sorted.
func readDir(root *os.Root, dir string) ([]string, error) {
	d, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// readFile reads a regular file, at most so many bytes of it.
func readFile(root *os.Root, name string, most int64) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would block
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(file, most))
	return b.Bytes(), err
}
