// Package assets is everything that is embedded in the programs: lists,
// templates, the sample. It holds files and hands them out; it decides nothing.
package assets

import (
	"embed"
	"fmt"
)

//go:embed deps
var deps embed.FS

// Deps gives the list of packages for a distribution family (debian, fedora or
// openeuler): a line is "package programs used-by", see deps/debian.txt.
func Deps(family string) ([]byte, error) {
	text, err := deps.ReadFile("deps/" + family + ".txt")
	if err != nil {
		return nil, fmt.Errorf("package list of %q: %w", family, err)
	}
	return text, nil
}

// DepsInstaller gives the shell script that installs the packages of the lists
// that lie beside it.
func DepsInstaller() ([]byte, error) {
	text, err := deps.ReadFile("deps/install.sh")
	if err != nil {
		return nil, fmt.Errorf("dependency installer: %w", err)
	}
	return text, nil
}
