package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nestos/nosa/workspace"
)

// errOutside is a path that does not stay within the sources.
var errOutside = errors.New("it lies outside of the sources")

// rootOf gives the source root that a path (relative to the workspace) lies in; "" is none.
func rootOf(path string) string {
	for _, root := range workspace.SourceRoots() {
		if path == root || strings.HasPrefix(path, root+"/") {
			return root
		}
	}
	return ""
}

// place gives the absolute path of a file whose directory is there and, symbolic links
// followed, lies within its root. The file itself need not be there, and is not followed.
func place(dir, path string) (string, error) {
	path = filepath.Clean(path)
	root := rootOf(path)
	if root == "" || path == root {
		return "", fmt.Errorf("%s: %w", path, errOutside)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == ".git" {
			return "", fmt.Errorf("%s: %w", path, errOutside)
		}
	}
	top, err := filepath.EvalSymlinks(filepath.Join(dir, root))
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", root, err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Join(dir, filepath.Dir(path)))
	if err != nil {
		return "", fmt.Errorf("finding the directory of %s: %w", path, err)
	}
	if !within(parent, top) {
		return "", fmt.Errorf("%s: %w", path, errOutside)
	}
	return filepath.Join(parent, filepath.Base(path)), nil
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// target follows the file at an absolute path through symbolic links; where these lead
// out of the sources it is an error.
func target(dir, abs string) (string, error) {
	led, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		if info, lstat := os.Lstat(abs); lstat == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", errors.New("it is a symbolic link to what is not there")
		}
		return abs, nil
	}
	if err != nil {
		return "", err
	}
	for _, root := range workspace.SourceRoots() {
		top, err := filepath.EvalSymlinks(filepath.Join(dir, root))
		if err == nil && within(led, top) {
			return led, nil
		}
	}
	return "", fmt.Errorf("it is a symbolic link to %s: %w", led, errOutside)
}

// checkName says what is wrong with the name of a new file; "" is nothing. It may have
// directories in it.
func checkName(name string) string {
	switch {
	case name == "":
		return "a name is needed"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "a name has no control characters"
	case !filepath.IsLocal(name):
		return "the name leads out of the directory"
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		switch {
		case part == "" || part == ".":
			return "a part of the name is empty"
		case part == ".git":
			return ".git is git's own"
		case len(part) > 255:
			return "the name is too long"
		}
	}
	return ""
}
