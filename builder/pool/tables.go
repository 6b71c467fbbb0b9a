package pool

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// converterVersion is part of the cache key of a converted package: raise it
// whenever the same .deb would become another .rpm.
const converterVersion = "1"

// Tables is the data that steers a conversion, read from files: which
// packages, which dependencies are left out and why, what replaces the
// maintainer scripts, which files are added.
type Tables struct {
	roots      []string
	drop       dropList
	scriptlets []scriptlet
	added      map[string][]addedFile // by package
	filesystem []fsEntry
	accounts   map[string]string // file below /etc to content
	digest     string
}

// dropList tells which dependencies are not carried over.
type dropList []dropEntry

type dropEntry struct {
	name, of, reason string // of is a package name or "*"
}

func (l dropList) drops(of, name string) bool {
	return slices.ContainsFunc(l, func(e dropEntry) bool { return e.name == name && (e.of == "*" || e.of == of) })
}

// scriptlet is the %posttrans of the packages that match glob.
type scriptlet struct {
	glob, script string
}

// addedFile is a file that a converted package has beyond the .deb's: what
// Debian's maintainer scripts or tools make at installation.
type addedFile struct {
	path string
	body []byte
}

// fsEntry is a directory or link of the filesystem package.
type fsEntry struct {
	path   string
	mode   uint
	group  string
	target string // of a link
	ghost  bool   // named only, never installed
}

// ReadTables reads the tables below the directory pool of fsys (the embedded
// assets).
func ReadTables(fsys fs.FS) (*Tables, error) {
	t := &Tables{added: map[string][]addedFile{}, accounts: map[string]string{}}
	sub, err := fs.Sub(fsys, "pool")
	if err != nil {
		return nil, err
	}
	for _, read := range []func(fs.FS) error{t.readRoots, t.readDropped, t.readScriptlets, t.readAdded, t.readFilesystem, t.readAccounts} {
		if err := read(sub); err != nil {
			return nil, fmt.Errorf("reading pool tables: %w", err)
		}
	}
	t.digest, err = digestTree(sub)
	return t, err
}

// keyFor identifies all that decides what a .deb of this name becomes, beside
// the .deb: part of the cache key, so that a change of one package's tables
// converts one package.
func (t *Tables) keyFor(name string) string {
	h := sha256.New()
	fmt.Fprintln(h, converterVersion, t.scriptletFor(name))
	for _, a := range t.added[name] {
		fmt.Fprintf(h, "%s %d %s\n", a.path, len(a.body), a.body)
	}
	for _, e := range t.drop {
		if e.of == "*" || e.of == name {
			fmt.Fprintln(h, e.name)
		}
	}
	fmt.Fprintln(h, t.filesystem)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func digestTree(fsys fs.FS) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, converterVersion)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(fsys, name)
		fmt.Fprintln(h, name, len(body))
		h.Write(body)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

// rows gives the lines of a table: fields split by blanks, the last of n holding the
// rest; comments and empty lines left out.
func rows(fsys fs.FS, name string, n int) ([][]string, error) {
	body, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for i, line := range strings.Split(string(body), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var row []string
		for len(row) < n-1 {
			first, rest, ok := strings.Cut(line, " ")
			if !ok {
				return nil, fmt.Errorf("%s:%d: want %d fields", name, i+1, n)
			}
			row, line = append(row, first), strings.TrimSpace(rest)
		}
		out = append(out, append(row, line))
	}
	return out, nil
}

func (t *Tables) readRoots(fsys fs.FS) error {
	list, err := rows(fsys, "roots.txt", 1)
	for _, row := range list {
		t.roots = append(t.roots, strings.Fields(row[0])...)
	}
	return err
}

func (t *Tables) readDropped(fsys fs.FS) error {
	list, err := rows(fsys, "dropped.txt", 3)
	for _, row := range list {
		t.drop = append(t.drop, dropEntry{row[0], row[1], row[2]})
	}
	return err
}

// readScriptlets reads posttrans/*.sh. Their first lines are "# Package: GLOB"
// and "# Why: reason".
func (t *Tables) readScriptlets(fsys fs.FS) error {
	names, err := fs.Glob(fsys, "posttrans/*.sh")
	if err != nil {
		return err
	}
	for _, name := range names {
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		var glob, why string
		var lines []string
		for line := range strings.Lines(string(body)) {
			if v, ok := strings.CutPrefix(line, "# Package: "); ok {
				glob = strings.TrimSpace(v)
			} else if v, ok := strings.CutPrefix(line, "# Why: "); ok {
				why = strings.TrimSpace(v)
			} else if !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
		if _, err := path.Match(glob, ""); err != nil || glob == "" || why == "" {
			return fmt.Errorf("%s: wants the lines \"# Package: GLOB\" and \"# Why: …\"", name)
		}
		t.scriptlets = append(t.scriptlets, scriptlet{glob, strings.Join(lines, "")})
	}
	return nil
}

// scriptletFor gives the %posttrans of a package: all that match, in file order.
func (t *Tables) scriptletFor(name string) string {
	var b strings.Builder
	for _, s := range t.scriptlets {
		if ok, _ := path.Match(s.glob, name); ok {
			b.WriteString(s.script)
		}
	}
	return b.String()
}

// readAdded reads add/PACKAGE/PATH.
func (t *Tables) readAdded(fsys fs.FS) error {
	return fs.WalkDir(fsys, "add", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == "add" {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(fsys, name)
		pkg, file, ok := strings.Cut(strings.TrimPrefix(name, "add/"), "/")
		if !ok {
			return fmt.Errorf("%s: want add/PACKAGE/PATH", name)
		}
		t.added[pkg] = append(t.added[pkg], addedFile{"/" + file, body})
		return err
	})
}

// readFilesystem reads filesystem.txt: "dir MODE GROUP PATH",
// "ghost MODE GROUP PATH" and "link TARGET - PATH".
func (t *Tables) readFilesystem(fsys fs.FS) error {
	list, err := rows(fsys, "filesystem.txt", 4)
	for _, row := range list {
		e := fsEntry{path: row[3], group: "root"}
		switch row[0] {
		case "dir", "ghost":
			e.ghost = row[0] == "ghost"
			if _, err := fmt.Sscanf(row[1], "%o", &e.mode); err != nil {
				return fmt.Errorf("filesystem.txt: %s: mode %q: %w", row[3], row[1], err)
			}
			e.group = row[2]
		case "link":
			e.target = row[1]
		default:
			return fmt.Errorf("filesystem.txt: unknown kind %q", row[0])
		}
		t.filesystem = append(t.filesystem, e)
	}
	return err
}

// readAccounts reads accounts/{passwd,group,shadow,gshadow}.
func (t *Tables) readAccounts(fsys fs.FS) error {
	for _, name := range []string{"passwd", "group", "shadow", "gshadow"} {
		body, err := fs.ReadFile(fsys, "accounts/"+name)
		if err != nil {
			return err
		}
		t.accounts[name] = string(body)
	}
	return nil
}

// owns reports whether the filesystem package has path as a directory or link.
func (t *Tables) owns(path string) bool {
	return slices.ContainsFunc(t.filesystem, func(e fsEntry) bool { return e.path == path })
}
