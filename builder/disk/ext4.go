package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// ext4Block is the block size: that of a page, and of the largest sector.
const ext4Block = 4096

// maxEpoch is the last second that an ext4 inode holds without its extra bits.
const maxEpoch = math.MaxInt32

// mke2fsConf replaces the host's mke2fs.conf, which otherwise changes the inode
// size and the features (measured). Everything is said in the arguments.
const mke2fsConf = "[defaults]\n[fs_types]\n\text4 = {\n\t}\n"

// features is the full list, so that no mke2fs adds what it thinks is good:
// GRUB 2.06 reads neither metadata_csum_seed nor orphan_file. resize_inode lets
// the mounted root grow to 1024 times its size on first boot.
func features() []string {
	return []string{
		"has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "64bit", "flex_bg",
		"sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum",
	}
}

// complete gives f with its defaults for the partition name.
func (f Filesystem) complete(name string) (Filesystem, error) {
	switch {
	case f.UUID != "":
	case name == Boot:
		f.UUID = BootUUID
	case name == Root:
		f.UUID = RootUUID
	default:
		return f, errors.New("it has no UUID")
	}
	if f.Label == "" {
		f.Label = name
	}
	var err error
	f.Dir, err = filepath.Abs(f.Dir)
	return f, err
}

// mke2fsArgs gives the command that makes f in the partition v and copies the
// stage into it. Few inodes are needed where files are large; inodes is how many the stage has.
func (v volume) mke2fsArgs(f Filesystem, inodes int) ([]string, error) {
	seed, err := f.UUID.derive("directory hash")
	if err != nil {
		return nil, err
	}
	args := []string{
		"mke2fs", "-q", "-F", "-t", "ext4", "-b", strconv.Itoa(ext4Block), "-I", "256",
		"-i", strconv.Itoa(inodeRatio(v.part.Size, inodes)), "-g", "32768", "-G", "16", "-m", "5", "-r", "1", "-e", "continue", "-o", "Linux",
		"-O", strings.Join(append(append([]string{"none"}, features()...), f.Features...), ","),
		"-J", "size=" + strconv.FormatInt(int64(journal(v.part.Size)/event.MiB), 10),
		"-L", f.Label, "-U", string(f.UUID),
		"-E", fmt.Sprintf("offset=%d,root_owner=0:0,hash_seed=%s,lazy_itable_init=0,lazy_journal_init=1,nodiscard", v.part.Start, seed),
		"-d", f.Dir,
	}
	args = append(args, f.Args...)
	return append(args, v.file, strconv.FormatInt(int64(v.part.Size/ext4Block), 10)), nil
}

// inodeRatio gives the bytes per inode: e2fsprogs' usual 16 KiB, or less where
// the stage would use more than half of those inodes.
func inodeRatio(size event.Bytes, inodes int) int {
	ratio := 16384
	for ratio > ext4Block && int64(inodes)*2 > int64(size)/int64(ratio) {
		ratio /= 2
	}
	return ratio
}

// journal gives the size of the journal: e2fsprogs' own steps, written down
// because they may change.
func journal(size event.Bytes) event.Bytes {
	switch {
	case size < 128*event.MiB:
		return 4 * event.MiB
	case size < event.GiB:
		return 16 * event.MiB
	case size < 2*event.GiB:
		return 32 * event.MiB
	}
	return 64 * event.MiB
}

// times is the environment that keeps the clock out of e2fsprogs: the first is
// read by 1.47.0 (0 means no time to it), the second by later versions.
func (v volume) times() []string {
	t := strconv.FormatInt(v.epoch.Unix(), 10)
	return []string{"E2FSPROGS_FAKE_TIME=" + t, "SOURCE_DATE_EPOCH=" + t}
}

// write makes the filesystem f, fills it from its stage and gives every inode its metadata.
func (v volume) write(ctx context.Context, f Filesystem, r *event.Reporter) error {
	f, err := f.complete(v.part.Name)
	if err != nil {
		return err
	}
	stage, err := scan(f.Dir)
	if err != nil {
		return err
	}
	if err := v.mke2fs(ctx, f, stage.count, r); err != nil {
		return err
	}
	nodes, err := v.nodes(ctx)
	if err != nil {
		return err
	}
	if f.Epoch.IsZero() {
		f.Epoch = v.epoch
	}
	inodes, err := assign(nodes, f.Inodes)
	if err != nil {
		return err
	}
	flags, err := v.flags(ctx, inodes)
	if err != nil {
		return err
	}
	s, err := metadata{f.Epoch, stage, inodes, flags}.script(nodes)
	if err != nil {
		return err
	}
	if err := s.run(ctx, v); err != nil {
		return fmt.Errorf("setting metadata: %w", err)
	}
	return nil
}

func (v volume) mke2fs(ctx context.Context, f Filesystem, inodes int, r *event.Reporter) error {
	args, err := v.mke2fsArgs(f, inodes)
	if err != nil {
		return err
	}
	conf, err := os.CreateTemp(v.dir, ".mke2fs-*.conf")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(conf.Name()) }()
	if _, err := conf.WriteString(mke2fsConf); err != nil {
		return errors.Join(err, conf.Close())
	}
	if err := conf.Close(); err != nil {
		return err
	}
	err = proc.Run(ctx, proc.Cmd{Args: args, Dir: v.dir, Env: append(v.times(), "MKE2FS_CONFIG="+conf.Name()), Line: r.Line})
	var exit *proc.ExitError
	if errors.As(err, &exit) && slices.ContainsFunc(exit.Tail, isFull) {
		return fmt.Errorf("the files of %s do not fit in %s: %w", f.Dir, v.part.Size, err)
	}
	return err
}

// isFull recognises libext2fs' words for a filesystem (not a host's disk) that has no room.
func isFull(line string) bool {
	return strings.Contains(line, "Could not allocate")
}

// metadata is what the inodes of a filesystem get.
type metadata struct {
	epoch  time.Time
	stage  files
	inodes map[uint32]*Inode
	flags  map[uint32]uint32 // as they are now
}

// script gives the commands that make the metadata of nodes m.
func (m metadata) script(nodes []node) (*script, error) {
	s := &script{}
	for _, n := range nodes {
		if n.again {
			continue
		}
		want := Inode{UID: n.uid, GID: n.gid, Mode: n.mode}
		listed := m.inodes[n.ino]
		switch {
		case listed != nil:
			want = *listed
		case n.path == "/":
			want.Mode = 0o040755
		}
		if want.Mode&modeType == 0 {
			want.Mode |= n.mode & modeType
		}
		if want.Mode&modeType != n.mode&modeType {
			return nil, fmt.Errorf("%s has the mode 0%o in the stage and 0%o in the list: not the same kind of file", n.path, n.mode, want.Mode)
		}
		s.owner(n, want)
		s.times(n.ino, m.epoch)
		for _, name := range m.stage.dropped(n.path, listed) {
			s.dropXattr(n.ino, name)
		}
		if err := s.setXattrs(n.ino, want.Xattrs); err != nil {
			return nil, fmt.Errorf("%s: %w", n.path, err)
		}
		if want.Flags != 0 {
			s.field(n.ino, "flags", fmt.Sprintf("0x%x", m.flags[n.ino]|want.Flags))
		}
	}
	return s, nil
}

// assign gives for each inode number its entry of the list. An entry without a
// file is an error, and so are two that do not agree on one file (a hard link).
func assign(nodes []node, list []Inode) (map[uint32]*Inode, error) {
	byPath := make(map[string]uint32, len(nodes))
	for _, n := range nodes {
		byPath[n.path] = n.ino
	}
	inodes := make(map[uint32]*Inode, len(list))
	for i := range list {
		path := filepath.Clean("/" + list[i].Path)
		ino, ok := byPath[path]
		if !ok {
			return nil, fmt.Errorf("metadata for %q: the stage has no such file", path)
		}
		if first, twice := inodes[ino]; twice && !first.same(list[i]) {
			return nil, fmt.Errorf("%q and %q are one file (a hard link) with different metadata", first.Path, path)
		}
		inodes[ino] = &list[i]
	}
	return inodes, nil
}

const modeType = 0o170000
