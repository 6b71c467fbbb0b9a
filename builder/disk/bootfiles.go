package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// FileEdit is one change of a file in the boot partition.
type FileEdit struct {
	Path string // from the partition's root; links in it are followed
	Data []byte // the new content
	// Mode is the permissions; 0 keeps those of the file that is there, else it
	// is 0644. The owner of a new file is root.
	Mode   uint32
	Remove bool // instead; a file that is not there is fine
}

// BootFiles is the files of a boot partition.
type BootFiles struct{ vol volume }

// Read gives a file; links in its path are followed. A file that is not there is
// fs.ErrNotExist.
func (f *BootFiles) Read(ctx context.Context, name string) ([]byte, error) {
	t, err := f.tree(ctx)
	if err != nil {
		return nil, err
	}
	n, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if n.mode&modeType != modeFile {
		return nil, fmt.Errorf("%s is no file", name)
	}
	return f.vol.get(ctx, fmt.Sprintf("dump <%d> %s", n.ino, outFile))
}

// Entries lists the boot loader entries: "/loader.1/entries/ostree-1.conf".
func (f *BootFiles) Entries(ctx context.Context) ([]string, error) {
	t, err := f.tree(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := t.find(ctx, "/loader/entries")
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range t.nodes {
		if path.Dir(name) == dir.path && path.Ext(name) == ".conf" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// The types of st_mode.
const (
	modeFile = 0o100000
	modeDir  = 0o040000
	modeLink = 0o120000
)

// bootTree is every name of the filesystem.
type bootTree struct {
	vol   volume
	nodes map[string]node
}

func (f *BootFiles) tree(ctx context.Context) (bootTree, error) {
	t := bootTree{f.vol, map[string]node{}}
	all, err := f.vol.nodes(ctx)
	for _, n := range all {
		t.nodes[n.path] = n
	}
	return t, err
}

// maxLinks is how many links a path may lead through.
const maxLinks = 16

// find gives the file of a path.
func (t bootTree) find(ctx context.Context, name string) (node, error) {
	rest := path.Clean("/" + name)
	at := t.nodes["/"]
	for links := 0; rest != "" && rest != "/"; {
		first, after, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		next := path.Join(at.path, first)
		n, ok := t.nodes[next]
		if !ok {
			return node{}, &fs.PathError{Op: "finding", Path: next, Err: fs.ErrNotExist}
		}
		rest = after
		if n.mode&modeType != modeLink {
			at = n
			continue
		}
		if links++; links > maxLinks {
			return node{}, fmt.Errorf("%s leads through too many links", name)
		}
		target, err := t.vol.linkTarget(ctx, n)
		if err != nil {
			return node{}, err
		}
		if !path.IsAbs(target) {
			target = path.Join(at.path, target)
		}
		at, rest = t.nodes["/"], path.Join(target, rest)
	}
	return at, nil
}

// parent gives the directory of a file to be, and the file's name in it. The
// directories that are not there are made.
func (f *BootFiles) parent(ctx context.Context, name string) (dir node, t bootTree, err error) {
	if t, err = f.tree(ctx); err != nil {
		return dir, t, err
	}
	dir, err = t.find(ctx, path.Dir(name))
	if err == nil && dir.mode&modeType != modeDir {
		return dir, t, fmt.Errorf("%s is no directory", path.Dir(name))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, t, err
	}
	above, _, err := f.parent(ctx, path.Dir(name))
	if err != nil {
		return dir, t, err
	}
	base := path.Base(path.Dir(name))
	if err := checkBootName(base); err != nil {
		return dir, t, err
	}
	if _, err := f.vol.ask(ctx, fmt.Sprintf("cd <%d>\nmkdir %s\n", above.ino, base)); err != nil {
		return dir, t, err
	}
	if t, err = f.tree(ctx); err != nil {
		return dir, t, err
	}
	dir, ok := t.nodes[path.Join(above.path, base)]
	if !ok {
		return dir, t, fmt.Errorf("directory %s was not made", path.Dir(name))
	}
	label, err := f.vol.label(ctx, above.ino)
	if err != nil {
		return dir, t, err
	}
	return dir, t, f.vol.dress(ctx, dir, Inode{Mode: modeDir | 0o755, Xattrs: label})
}

// apply makes the edit.
func (e FileEdit) apply(ctx context.Context, f *BootFiles) error {
	name := path.Clean("/" + e.Path)
	if err := checkBootName(path.Base(name)); err != nil {
		return err
	}
	if e.Remove {
		return e.remove(ctx, f)
	}
	dir, t, err := f.parent(ctx, name)
	if err != nil {
		return err
	}
	old, err := t.find(ctx, path.Join(dir.path, path.Base(name)))
	want := Inode{Mode: modeFile | 0o644}
	labelOf := dir.ino
	var commands strings.Builder
	switch {
	case err == nil && old.mode&modeType != modeFile:
		return errors.New("it is there and no file")
	case err == nil: // a link was followed: it stays one
		dir = t.nodes[path.Dir(old.path)]
		name, labelOf = old.path, old.ino
		want.Mode, want.UID, want.GID = old.mode, old.uid, old.gid
		if err := checkBootName(path.Base(name)); err != nil {
			return err
		}
		fmt.Fprintf(&commands, "cd <%d>\nrm %s\n", dir.ino, path.Base(name))
	case errors.Is(err, fs.ErrNotExist) && t.nodes[path.Join(dir.path, path.Base(name))].ino == 0:
		fmt.Fprintf(&commands, "cd <%d>\n", dir.ino)
	default:
		return err
	}
	if e.Mode != 0 {
		want.Mode = modeFile | e.Mode&0o7777
	}
	if want.Xattrs, err = f.vol.label(ctx, labelOf); err != nil {
		return err
	}
	return f.vol.put(ctx, commands.String()+"write "+inFile+" "+path.Base(name)+"\n", e.Data, want)
}

// remove removes the name, of a link the link.
func (e FileEdit) remove(ctx context.Context, f *BootFiles) error {
	t, err := f.tree(ctx)
	if err != nil {
		return err
	}
	name := path.Clean("/" + e.Path)
	dir, err := t.find(ctx, path.Dir(name))
	n, ok := t.nodes[path.Join(dir.path, path.Base(name))]
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !ok:
		return nil
	case err != nil:
		return err
	case n.mode&modeType == modeDir:
		return errors.New("it is a directory")
	}
	_, err = f.vol.ask(ctx, fmt.Sprintf("cd <%d>\nrm %s\n", dir.ino, path.Base(name)))
	return err
}

// bootName is what debugfs reads as one word and not as an option or inode.
var bootName = regexp.MustCompile(`^[A-Za-z0-9._+@:~=,%][A-Za-z0-9._+@:~=,%-]*$`)

func checkBootName(name string) error {
	if !bootName.MatchString(name) || len(name) > 255 || name == "." || name == ".." {
		return fmt.Errorf("file name %q cannot be written", name)
	}
	return nil
}

// The files beside the volume through which debugfs takes and gives content.
const (
	inFile  = "in"
	outFile = "out"
)

// ask runs commands and gives what they print, without their echoes.
func (v volume) ask(ctx context.Context, commands string) (string, error) {
	var out bytes.Buffer
	if err := v.debugfs(ctx, []byte(commands), &out); err != nil {
		return "", err
	}
	var text strings.Builder
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, debugfsEcho) {
			text.WriteString(line)
		}
	}
	return text.String(), nil
}

// get runs a command that writes outFile and gives what is in it.
func (v volume) get(ctx context.Context, command string) ([]byte, error) {
	name := filepath.Join(v.dir, outFile)
	defer func() { _ = os.Remove(name) }()
	if _, err := v.ask(ctx, command+"\n"); err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}

var newInode = regexp.MustCompile(`(?m)^Allocated inode: (\d+)$`)

// put runs commands of which one writes inFile, with data in it, and gives the
// new file its metadata.
func (v volume) put(ctx context.Context, commands string, data []byte, want Inode) error {
	name := filepath.Join(v.dir, inFile)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(name) }()
	said, err := v.ask(ctx, commands)
	if err != nil {
		return err
	}
	m := newInode.FindStringSubmatch(said)
	if m == nil {
		return fmt.Errorf("debugfs: %s", strings.TrimSpace(said))
	}
	ino, err := strconv.ParseUint(m[1], 10, 32)
	if err != nil {
		return err
	}
	return v.dress(ctx, node{ino: uint32(ino), mode: ^uint32(0), uid: ^uint32(0), gid: ^uint32(0)}, want)
}

// dress gives an inode its metadata.
func (v volume) dress(ctx context.Context, have node, want Inode) error {
	s := &script{}
	s.owner(have, want)
	s.times(have.ino, v.epoch)
	if err := s.setXattrs(have.ino, want.Xattrs); err != nil {
		return err
	}
	return s.run(ctx, v)
}

const selinux = "security.selinux"

// label gives the SELinux label of a file, if it has one. A new file gets that
// of its directory.
func (v volume) label(ctx context.Context, ino uint32) (map[string][]byte, error) {
	list, err := v.ask(ctx, fmt.Sprintf("ea_list <%d>\n", ino))
	if err != nil || !strings.Contains(list, "\n  "+selinux+" (") {
		return nil, err
	}
	value, err := v.get(ctx, fmt.Sprintf("ea_get -f %s <%d> %s", outFile, ino, selinux))
	if err != nil {
		return nil, fmt.Errorf("reading the label: %w", err)
	}
	return map[string][]byte{selinux: value}, nil
}

var fastLink = regexp.MustCompile(`(?m)^Fast link dest: "(.*)"$`)

// linkTarget reads a link. One that does not fit into its inode (60 bytes) is
// on no boot partition.
func (v volume) linkTarget(ctx context.Context, n node) (string, error) {
	text, err := v.ask(ctx, fmt.Sprintf("stat <%d>\n", n.ino))
	if err != nil {
		return "", err
	}
	m := fastLink.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("%s: a link that cannot be read", n.path)
	}
	return m[1], nil
}

// superblock reads what is needed of it (ext4.h: struct ext4_super_block).
func (v volume) superblock() (written time.Time, dirty bool, err error) {
	f, err := os.Open(filepath.Join(v.dir, v.file))
	if err != nil {
		return written, false, err
	}
	defer f.Close()
	sb := make([]byte, 1024)
	if _, err := f.ReadAt(sb, 1024); err != nil {
		return written, false, fmt.Errorf("reading the superblock: %w", err)
	}
	if binary.LittleEndian.Uint16(sb[0x38:]) != 0xef53 {
		return written, false, errors.New("it holds no ext4")
	}
	const needsRecovery = 0x4
	at := max(1, min(int64(binary.LittleEndian.Uint32(sb[0x30:])), maxEpoch))
	return time.Unix(at, 0), binary.LittleEndian.Uint32(sb[0x60:])&needsRecovery != 0, nil
}

// written is when the filesystem was written last: the time of all edits, so
// that the same edits give the same bytes.
func (v volume) written() (time.Time, error) {
	at, _, err := v.superblock()
	return at, err
}

// recover replays the journal of a filesystem that was not unmounted.
func (v volume) recover(ctx context.Context) error {
	_, dirty, err := v.superblock()
	if err != nil || !dirty {
		return err
	}
	err = proc.Run(ctx, proc.Cmd{Args: []string{"e2fsck", "-p", v.file}, Dir: v.dir, Env: v.times()})
	if exit, ok := errors.AsType[*proc.ExitError](err); ok && exit.Code == 1 { // errors were corrected
		return nil
	}
	if err != nil {
		return fmt.Errorf("replaying the journal: %w", err)
	}
	return nil
}
