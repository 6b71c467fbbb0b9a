package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// File is one path of a layer.
type File struct {
	Path   string      // below /, without a leading slash
	Mode   fs.FileMode // type (regular, directory, symbolic link) and permissions
	UID    int
	GID    int
	Link   string // target of a symbolic link
	Source string // absolute path of a regular file's content on the host
}

// Layer is a set of files that goes over the packages.
type Layer struct {
	Name     string // as reports name it, for example overlay/05core
	Override bool   // files replace what is there; otherwise that is a conflict
	Files    []File // directories before what is in them
}

// statOverride is the name of the file in a layer's directory that sets modes; it is not shipped.
const statOverride = "statoverride"

// ReadLayer reads a directory of overlay.d: files are root's, directories 0755, files 0644 or,
// with an x bit for the owner, 0555; modes of the file statoverride come last. Other mode bits, the
// owners, times and attributes on the host do not count.
func ReadLayer(name, dir string) (Layer, error) {
	overrides, err := readStatOverride(filepath.Join(dir, statOverride))
	if err != nil {
		return Layer{}, fmt.Errorf("layer %s: %w", name, err)
	}
	layer := Layer{Name: name}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." || rel == statOverride {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f, err := layerFile(rel, p, info)
		if err != nil {
			return err
		}
		if change, ok := overrides[rel]; ok {
			f.Mode = change.apply(f.Mode)
			delete(overrides, rel)
		}
		layer.Files = append(layer.Files, f)
		return nil
	})
	if err != nil {
		return Layer{}, fmt.Errorf("layer %s: %w", name, err)
	}
	var missing []string
	for _, c := range overrides {
		missing = append(missing, fmt.Sprintf("layer %s: %s:%d: no /%s in this layer", name, statOverride, c.line, c.path))
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return Layer{}, errors.New(strings.Join(missing, "\n"))
	}
	return layer, nil
}

func layerFile(rel, source string, info fs.FileInfo) (File, error) {
	f := File{Path: filepath.ToSlash(rel)}
	switch {
	case info.IsDir():
		f.Mode = fs.ModeDir | 0o755
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(source)
		if err != nil {
			return File{}, err
		}
		f.Mode, f.Link = fs.ModeSymlink|fs.ModePerm, target
	case !info.Mode().IsRegular():
		return File{}, fmt.Errorf("/%s: neither file, directory nor link (%s)", rel, info.Mode().Type())
	case info.Mode()&0o100 != 0:
		f.Mode, f.Source = 0o555, source
	default:
		f.Mode, f.Source = 0o644, source
	}
	return f, nil
}

// modeChange is a line of statoverride.
type modeChange struct {
	path string
	bits uint32
	set  bool // else the bits are added
	line int
}

func (c modeChange) apply(mode fs.FileMode) fs.FileMode {
	if c.set {
		return mode.Type() | fromUnix(c.bits)
	}
	return mode | fromUnix(c.bits)
}

// fromUnix turns the lower twelve bits of st_mode to Go's.
func fromUnix(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

func readStatOverride(file string) (map[string]modeChange, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]modeChange{}, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("%s is no file", statOverride)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseStatOverride(text)
}

// StatOverrideLine gives the line of the statoverride in a layer's directory that sets the mode of a
// path, from 1; 0 is none.
func StatOverrideLine(dir, name string) (int, error) {
	overrides, err := readStatOverride(filepath.Join(dir, statOverride))
	if err != nil {
		return 0, fmt.Errorf("reading the modes of %s: %w", dir, err)
	}
	return overrides[strings.TrimPrefix(name, "/")].line, nil
}

// parseStatOverride reads ostree's format: "=MODE /path" sets, "MODE /path" adds bits. MODE is
// decimal; an octal one, recognised by its leading zero, is refused because ostree would read it as
// decimal and set something else.
func parseStatOverride(text []byte) (map[string]modeChange, error) {
	changes := map[string]modeChange{}
	for i, raw := range bytes.Split(text, []byte("\n")) {
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			continue
		}
		where := fmt.Sprintf("%s:%d", statOverride, i+1)
		number, name, ok := strings.Cut(line, " ")
		name = strings.TrimSpace(name)
		if !ok || !strings.HasPrefix(name, "/") {
			return nil, fmt.Errorf("%s: want =MODE /path, got %q", where, line)
		}
		digits, set := strings.CutPrefix(number, "=")
		if !set {
			digits = strings.TrimPrefix(number, "+") // ostree reads it by strtoul
		}
		if len(digits) > 1 && digits[0] == '0' {
			if octal, err := strconv.ParseUint(digits, 8, 12); err == nil {
				return nil, fmt.Errorf("%s: modes are decimal here: write %d for %s", where, octal, digits)
			}
		}
		bits, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || bits > 0o7777 {
			return nil, fmt.Errorf("%s: mode %q: want a decimal number up to 4095", where, digits)
		}
		p := path.Clean(name)[1:]
		changes[p] = modeChange{path: p, bits: uint32(bits), set: set, line: i + 1}
	}
	return changes, nil
}
