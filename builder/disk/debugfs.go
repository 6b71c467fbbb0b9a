package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// debugfsEcho is what debugfs -f writes before each command that it reads.
const debugfsEcho = "debugfs: "

// maxInline is the longest value that is written into a command: debugfs reads
// lines of at most 8191 bytes, and an escaped byte takes four.
const maxInline = 1500

// script is commands for debugfs. Files are named by inode number, so that no
// name has to be quoted.
type script struct {
	text   bytes.Buffer
	values [][]byte // values too long for a command; named by valueFile
}

// valueFile is replaced by the directory of the long values when the script runs.
const valueFile = "@values@"

func (s *script) field(ino uint32, name, value string) {
	fmt.Fprintf(&s.text, "sif <%d> %s %s\n", ino, name, value)
}

// owner sets what of owner and mode is not yet as it should be.
func (s *script) owner(have node, want Inode) {
	if have.mode != want.Mode {
		s.field(have.ino, "mode", fmt.Sprintf("0%o", want.Mode))
	}
	if have.uid != want.UID {
		s.field(have.ino, "uid", strconv.FormatUint(uint64(want.UID), 10))
	}
	if have.gid != want.GID {
		s.field(have.ino, "gid", strconv.FormatUint(uint64(want.GID), 10))
	}
}

// times sets all four times and takes away their nanoseconds.
func (s *script) times(ino uint32, t time.Time) {
	at := "@" + strconv.FormatInt(t.Unix(), 10)
	for _, name := range []string{"atime", "ctime", "mtime", "crtime"} {
		s.field(ino, name, at)
		s.field(ino, name+"_extra", "0")
	}
}

func (s *script) dropXattr(ino uint32, name string) {
	fmt.Fprintf(&s.text, "ea_rm <%d> %s\n", ino, escape([]byte(name)))
}

func (s *script) setXattrs(ino uint32, xattrs map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		if err := checkXattrName(name); err != nil {
			return err
		}
		value := xattrs[name]
		if len(value) > maxInline {
			fmt.Fprintf(&s.text, "ea_set -f %s/%d <%d> %s\n", valueFile, len(s.values), ino, name)
			s.values = append(s.values, value)
			continue
		}
		fmt.Fprintf(&s.text, "ea_set <%d> %s %s\n", ino, name, escape(value))
	}
	return nil
}

// checkXattrName refuses what debugfs would read as two words. The kernel
// allows any byte, but no attribute of a system has one of these.
func checkXattrName(name string) error {
	for _, c := range []byte(name) {
		if c <= ' ' || c == '"' || c >= 0x7f {
			return fmt.Errorf("extended attribute %q: its name has a byte that cannot be written", name)
		}
	}
	if !strings.Contains(name, ".") {
		return fmt.Errorf("extended attribute %q: its name has no namespace", name)
	}
	return nil
}

// escape gives value as debugfs reads it: C escapes in octal inside quotes.
func escape(value []byte) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range value {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c == '.' || c == '-'
		if plain {
			out.WriteByte(c)
			continue
		}
		fmt.Fprintf(&out, `\%03o`, c)
	}
	out.WriteByte('"')
	return out.String()
}

// run runs the script on v.
func (s *script) run(ctx context.Context, v volume) error {
	text := s.text.Bytes()
	if len(s.values) > 0 {
		dir, err := os.MkdirTemp(v.dir, ".xattr-*")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		for i, value := range s.values {
			if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), value, 0o600); err != nil {
				return err
			}
		}
		text = bytes.ReplaceAll(text, []byte(valueFile), []byte(filepath.Base(dir)))
	}
	out := &echoes{}
	if err := v.debugfs(ctx, text, out); err != nil {
		return err
	}
	return out.err()
}

// debugfs runs commands on v and gives their output to out. It ends with status
// 0 whatever happened (since 1.47 not always), so anything that it says on
// standard error beyond its name is an error.
func (v volume) debugfs(ctx context.Context, commands []byte, out interface{ Write([]byte) (int, error) }) error {
	var said []string
	err := proc.Run(ctx, proc.Cmd{
		Args:   []string{"debugfs", "-w", "-f", "-", fmt.Sprintf("%s?offset=%d", v.file, v.part.Start)},
		Dir:    v.dir,
		Env:    v.times(),
		Stdin:  bytes.NewReader(commands),
		Stdout: out,
		Line: func(text string) {
			if !isBanner(text) && len(said) < 10 {
				said = append(said, text)
			}
		},
	})
	if len(said) > 0 {
		return fmt.Errorf("debugfs: %s", strings.Join(said, "; "))
	}
	return err
}

// isBanner recognises "debugfs 1.47.0 (5-Feb-2023)".
func isBanner(line string) bool {
	rest, ok := strings.CutPrefix(line, "debugfs ")
	return ok && len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9'
}

// echoes takes the standard output of commands that print nothing: only their
// echoes may be in it.
type echoes struct {
	buf   []byte
	other []string
}

func (e *echoes) Write(p []byte) (int, error) {
	e.buf = append(e.buf, p...)
	for {
		line, rest, found := bytes.Cut(e.buf, []byte{'\n'})
		if !found {
			return len(p), nil
		}
		if len(line) > 0 && !bytes.HasPrefix(line, []byte(debugfsEcho)) && len(e.other) < 10 {
			e.other = append(e.other, string(line))
		}
		e.buf = rest
	}
}

func (e *echoes) err() error {
	if len(e.buf) > 0 {
		e.other = append(e.other, string(e.buf))
	}
	if len(e.other) > 0 {
		return fmt.Errorf("debugfs: %s", strings.Join(e.other, "; "))
	}
	return nil
}

// node is one name in the filesystem.
type node struct {
	path     string
	ino      uint32
	mode     uint32 // st_mode
	uid, gid uint32
	again    bool // another name of an inode that came before
}

// rootInode is the number of every ext4's root directory.
const rootInode = 2

// nodes lists every name of the filesystem with its inode number, level by level.
func (v volume) nodes(ctx context.Context) ([]node, error) {
	var all []node
	seen := map[uint32]bool{}
	dirs := []node{{path: "", ino: rootInode}}
	for len(dirs) > 0 {
		var commands, out bytes.Buffer
		for _, d := range dirs {
			fmt.Fprintf(&commands, "ls -p <%d>\n", d.ino)
		}
		if err := v.debugfs(ctx, commands.Bytes(), &out); err != nil {
			return nil, fmt.Errorf("listing inodes: %w", err)
		}
		level, err := parseListing(out.Bytes(), dirs)
		if err != nil {
			return nil, fmt.Errorf("listing inodes: %w", err)
		}
		dirs = dirs[:0:0]
		for _, n := range level {
			if n.ino == rootInode && seen[n.ino] {
				continue
			}
			n.again, seen[n.ino] = seen[n.ino], true
			all = append(all, n)
			if n.mode&modeType == 0o040000 && n.ino != rootInode {
				dirs = append(dirs, n)
			}
		}
	}
	return all, nil
}

// parseListing reads the output of "ls -p" of dirs: after each echo of the
// command, records "/INODE/MODE/UID/GID/NAME/SIZE/" and a newline. No field can
// hold a slash, so a newline in a name is no trouble.
func parseListing(text []byte, dirs []node) ([]node, error) {
	var nodes []node
	dir := -1
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		switch {
		case len(line) == 0:
			text = rest
			continue
		case bytes.HasPrefix(line, []byte(debugfsEcho)):
			dir++
			text = rest
			continue
		case line[0] != '/' || dir < 0 || dir >= len(dirs):
			return nil, fmt.Errorf("unexpected output %q", line)
		}
		fields := bytes.SplitN(text[1:], []byte{'/'}, 7)
		if len(fields) < 7 {
			return nil, fmt.Errorf("unexpected output %q", line)
		}
		text = fields[6]
		n, err := parseNode(fields)
		if err != nil {
			return nil, fmt.Errorf("unexpected output %q: %w", line, err)
		}
		name := string(fields[4])
		if n.ino == 0 || name == ".." || name == "." && n.ino != rootInode {
			continue // 0: the empty blocks of lost+found
		}
		n.path = dirs[dir].path + "/" + name
		if name == "." {
			n.path = "/"
		}
		nodes = append(nodes, n)
	}
	if dir+1 != len(dirs) {
		return nil, errors.New("it ends early")
	}
	return nodes, nil
}

func parseNode(fields [][]byte) (node, error) {
	ino, err1 := strconv.ParseUint(string(fields[0]), 10, 32)
	mode, err2 := strconv.ParseUint(string(fields[1]), 8, 32)
	uid, err3 := strconv.ParseInt(string(fields[2]), 10, 64) // printed as a signed number
	gid, err4 := strconv.ParseInt(string(fields[3]), 10, 64)
	return node{ino: uint32(ino), mode: uint32(mode), uid: uint32(uid), gid: uint32(gid)}, errors.Join(err1, err2, err3, err4)
}

// flags gives the flags that the inodes with Inode.Flags have now.
func (v volume) flags(ctx context.Context, inodes map[uint32]*Inode) (map[uint32]uint32, error) {
	var ask []uint32
	var commands, out bytes.Buffer
	for _, ino := range slices.Sorted(maps.Keys(inodes)) {
		if inodes[ino].Flags != 0 {
			ask = append(ask, ino)
			fmt.Fprintf(&commands, "stat <%d>\n", ino)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	if err := v.debugfs(ctx, commands.Bytes(), &out); err != nil {
		return nil, fmt.Errorf("reading inode flags: %w", err)
	}
	flags := make(map[uint32]uint32, len(ask))
	line := regexp.MustCompile(`(?m)^Inode: (\d+) .* Flags: 0x([0-9a-f]+)$`)
	for _, m := range line.FindAllSubmatch(out.Bytes(), -1) {
		ino, err1 := strconv.ParseUint(string(m[1]), 10, 32)
		value, err2 := strconv.ParseUint(string(m[2]), 16, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("reading inode flags: %w", err)
		}
		flags[uint32(ino)] = uint32(value)
	}
	if len(flags) != len(ask) {
		return nil, fmt.Errorf("reading inode flags: asked for %d, got %d", len(ask), len(flags))
	}
	return flags, nil
}
