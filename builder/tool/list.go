package tool

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/assets"
)

// Family is a group of distributions that name their packages alike.
type Family string

// The families that have a package list.
const (
	Debian    Family = "debian"
	Fedora    Family = "fedora"
	OpenEuler Family = "openeuler"
)

// Families is all of them.
func Families() []Family { return []Family{Debian, Fedora, OpenEuler} }

// FamilyOf says which family the text of an os-release file (os-release(5))
// belongs to; "" when no list fits.
func FamilyOf(osRelease string) Family {
	var ids []string
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			ids = append([]string{value}, ids...)
		case "ID_LIKE":
			ids = append(ids, strings.Fields(value)...)
		}
	}
	for _, id := range ids {
		switch strings.ToLower(id) {
		case "debian", "ubuntu":
			return Debian
		case "openeuler", "nestos":
			return OpenEuler
		case "fedora", "rhel", "centos":
			return Fedora
		}
	}
	return ""
}

// Package is one line of a family's list.
type Package struct {
	Name     string
	Programs []string // called by name; may be empty
	UsedBy   []string // parts of nosa: init pool fetch build disk live check verify compress run build-sign live-bios, options of run (run-…), engine, image, inside, or test
}

// Packages reads the embedded list of a family.
func Packages(f Family) ([]Package, error) {
	text, err := assets.Deps(string(f))
	if err != nil {
		return nil, err
	}
	return parseList(string(text))
}

func parseList(text string) ([]Package, error) {
	var list []Package
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("package list, line %d: want three columns, got %q", n, line)
		}
		p := Package{Name: fields[0], UsedBy: strings.Split(fields[2], ",")}
		if fields[1] != "-" {
			p.Programs = strings.Split(fields[1], ",")
		}
		list = append(list, p)
	}
	return list, nil
}

// packageOf names the package with a program; "" when the list has none.
func packageOf(list []Package, program string) string {
	for _, p := range list {
		if slices.Contains(p.Programs, program) {
			return p.Name
		}
	}
	return ""
}
