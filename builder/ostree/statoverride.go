package ostree

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// StatOverride gives the content of a CommitRequest.StatOverride file under which a directory's
// files and directories have the modes that a checkout with umask 0022 has, without set-id bits
// and without write bits on executables, and then those that overrides asks for: "=MODE PATH" and
// "+MODE PATH" lines with MODE in decimal; "#" begins a comment. (Together with an override
// ostree's --canonical-permissions undoes it and --mode-ro-executables has no effect.)
func StatOverride(dir string, overrides []byte) ([]byte, error) {
	modes := map[string]uint32{}
	var order []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return &fs.PathError{Op: "lstat", Path: name, Err: err}
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(name, filepath.Clean(dir)), "/")
		if strings.Contains(rel, "\n") {
			return fmt.Errorf("%q has a line end in its name", name)
		}
		mode := st.Mode &^ (unix.S_IFMT | 0o6022)
		if mode&0o111 != 0 && !d.IsDir() {
			mode &^= 0o222
		}
		modes[rel] = mode
		order = append(order, rel)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading modes: %w", err)
	}
	n := 0
	for line := range strings.Lines(string(overrides)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := override(modes, line); err != nil {
			return nil, fmt.Errorf("statoverride line %d: %q: %w", n, line, err)
		}
	}
	var out strings.Builder
	for _, name := range order {
		fmt.Fprintf(&out, "=%d %s\n", modes[name], name)
	}
	return []byte(out.String()), nil
}

// override applies one line.
func override(modes map[string]uint32, line string) error {
	number, name, ok := strings.Cut(line[1:], " ")
	if !ok || line[0] != '=' && line[0] != '+' {
		return errors.New("want =MODE PATH or +MODE PATH")
	}
	mode, err := strconv.ParseUint(number, 10, 12)
	if err != nil {
		return errors.New("want a mode in decimal, at most 4095")
	}
	before, ok := modes[name]
	if !ok {
		return errors.New("no such file or directory")
	}
	if line[0] == '+' {
		mode |= uint64(before)
	}
	modes[name] = uint32(mode)
	return nil
}
