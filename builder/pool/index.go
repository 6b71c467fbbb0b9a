package pool

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// archivePackage is what an archive's index says of one .deb.
type archivePackage struct {
	name     string
	version  debVersion
	arch     string // amd64 or all
	base     string // URL of the archive
	filename string // below base
	size     int64
	sha256   string
	depends  [2]string // Pre-Depends and Depends, unparsed: most packages are never asked
	provides []relation
}

// clauses gives what p needs, Pre-Depends first.
func (p *archivePackage) clauses() ([]clause, error) {
	var out []clause
	for _, field := range p.depends {
		c, err := parseRelations(field)
		if err != nil {
			return nil, fmt.Errorf("package %s: %w", p.name, err)
		}
		out = append(out, c...)
	}
	return out, nil
}

// nevra is the name, version, release and architecture of the converted
// package, with the epoch where there is one.
func (p *archivePackage) nevra() string {
	return p.name + "-" + p.version.full() + "." + rpmArch(p.arch)
}

// rpmFile is the file name of the converted package: like nevra without the epoch.
func (p *archivePackage) rpmFile() string {
	return p.name + "-" + p.version.rpmVersion() + "-" + p.version.rpmRelease() + "." + rpmArch(p.arch) + ".rpm"
}

func rpmArch(deb string) string {
	switch deb {
	case "all":
		return "noarch"
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return deb
}

// index is the newest version of each package over all suites.
type index struct {
	packages map[string]*archivePackage
	provides map[string][]string // virtual name → providers, sorted
}

func newIndex() *index {
	return &index{packages: map[string]*archivePackage{}, provides: map[string][]string{}}
}

// indexFields are what is read of a package index.
func indexFields() []string {
	return []string{"Package", "Version", "Architecture", "Filename", "Size", "SHA256", "Depends", "Pre-Depends", "Provides"}
}

// read reads a compressed Packages file of the archive at base.
func (x *index) read(r io.Reader, ext, base string) error {
	z, err := decompress(ext, r)
	if err != nil {
		return fmt.Errorf("decompressing: %w", err)
	}
	defer z.Close()
	return readStanzas(z, indexFields(), func(s stanza) error { return x.add(s, base) })
}

func (x *index) add(s stanza, base string) error {
	p, err := newArchivePackage(s, base)
	if err != nil {
		return fmt.Errorf("package %q: %w", s["Package"], err)
	}
	if old := x.packages[p.name]; old != nil && compareVersions(old.version, p.version) >= 0 {
		return nil
	}
	x.packages[p.name] = p
	return nil
}

// seal makes the table of virtual names; call it when all suites are in.
func (x *index) seal() {
	for name, p := range x.packages {
		for _, v := range p.provides {
			x.provides[v.name] = append(x.provides[v.name], name)
		}
	}
	for name := range x.provides {
		slices.Sort(x.provides[name])
	}
}

func newArchivePackage(s stanza, base string) (*archivePackage, error) {
	p := &archivePackage{name: s["Package"], arch: s["Architecture"], base: base, filename: s["Filename"], sha256: s["SHA256"]}
	if err := checkName(p.name); err != nil {
		return nil, err
	}
	var err error
	if p.version, err = parseVersion(s["Version"]); err != nil {
		return nil, err
	}
	if p.size, err = strconv.ParseInt(s["Size"], 10, 64); err != nil || p.size <= 0 {
		return nil, fmt.Errorf("size %q is not a number", s["Size"])
	}
	if !isSHA256(p.sha256) {
		return nil, fmt.Errorf("no SHA256")
	}
	if p.filename == "" || path.IsAbs(p.filename) || path.Clean(p.filename) != p.filename || strings.HasPrefix(p.filename, "..") {
		return nil, fmt.Errorf("file name %q leaves the archive", p.filename)
	}
	p.depends = [2]string{s["Pre-Depends"], s["Depends"]}
	provides, err := parseRelations(s["Provides"])
	if err != nil {
		return nil, fmt.Errorf("provides: %w", err)
	}
	for _, c := range provides {
		p.provides = append(p.provides, c...)
	}
	return p, nil
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
