package ostree

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The file name extensions of objects.
const (
	extFile       = "file"
	extDirtree    = "dirtree"
	extDirmeta    = "dirmeta"
	extCommit     = "commit"
	extCommitmeta = "commitmeta"
)

// metaXattr holds owner, mode and extended attributes of an object in a bare-user repository.
const metaXattr = "user.ostreemeta"

// checksumLen is the length of a checksum in hexadecimal.
const checksumLen = 64

// isChecksum reports whether text is a checksum in hexadecimal.
func isChecksum(text string) bool {
	return len(text) == checksumLen && strings.Trim(text, "0123456789abcdef") == ""
}

// objectName gives the path of an object below a repository.
func objectName(sum, ext string) string {
	return "objects/" + sum[:2] + "/" + sum[2:] + "." + ext
}

func (r Repo) object(sum, ext string) string { return filepath.Join(r.Path, objectName(sum, ext)) }

// readObject reads a metadata object.
func (r Repo) readObject(sum, ext string) ([]byte, error) {
	if !isChecksum(sum) {
		return nil, fmt.Errorf("%q is no checksum", sum)
	}
	b, err := os.ReadFile(r.object(sum, ext))
	if err != nil {
		return nil, fmt.Errorf("reading %s object: %w", ext, err)
	}
	return b, nil
}

// commitType is the type of commit objects (ostree-core.h, OSTREE_COMMIT_GVARIANT_FORMAT):
// metadata, parent, related objects, subject, body, time, dirtree, dirmeta.
const commitType = "(a{sv}aya(say)sstayay)"

// Commit is a commit object.
type Commit struct {
	Metadata map[string]Variant
	Parent   string // checksum, or empty
	Subject  string
	Body     string
	Time     time.Time
	tree     string // checksum of the root's dirtree
	meta     string // checksum of the root's dirmeta
}

// Version is the commit's "version", or empty.
func (c Commit) Version() string {
	text, _ := c.Metadata["version"].Value.(string)
	return text
}

// ReadCommit reads the commit object of a checksum.
func (r Repo) ReadCommit(sum string) (Commit, error) {
	raw, err := r.readObject(sum, extCommit)
	if err != nil {
		return Commit{}, err
	}
	c, err := parseCommit(raw)
	if err != nil {
		return Commit{}, fmt.Errorf("commit %s: %w", sum, err)
	}
	return c, nil
}

func parseCommit(raw []byte) (Commit, error) {
	v, err := decodeVariant(commitType, raw)
	if err != nil {
		return Commit{}, err
	}
	f := v.([]any)
	c := Commit{
		Metadata: dict(f[0]),
		Parent:   hex.EncodeToString(f[1].([]byte)),
		Subject:  f[3].(string),
		Body:     f[4].(string),
		Time:     time.Unix(int64(f[5].(uint64)), 0).UTC(),
		tree:     hex.EncodeToString(f[6].([]byte)),
		meta:     hex.EncodeToString(f[7].([]byte)),
	}
	if !isChecksum(c.tree) || !isChecksum(c.meta) {
		return Commit{}, errVariant
	}
	return c, nil
}

// dict gives a decoded a{sv} as a map.
func dict(v any) map[string]Variant {
	m := map[string]Variant{}
	for _, item := range v.([]any) {
		pair := item.([]any)
		m[pair[0].(string)] = pair[1].(Variant)
	}
	return m
}

// owner is the metadata of an object: what (uuua(ayay)) says.
type owner struct {
	UID, GID uint32
	Mode     uint32 // st_mode, with the type bits
	Xattrs   []byte // the a(ayay) as it is
}

// parseOwner reads a dirmeta object or the user.ostreemeta attribute. The attributes come last
// and need no alignment, so they are simply the rest.
func parseOwner(b []byte) (owner, error) {
	if len(b) < 12 {
		return owner{}, fmt.Errorf("owner of %d bytes: %w", len(b), errVariant)
	}
	be := binary.BigEndian
	return owner{UID: be.Uint32(b), GID: be.Uint32(b[4:]), Mode: be.Uint32(b[8:]), Xattrs: b[12:]}, nil
}

// ParseXattrs reads extended attributes as libostree stores them (GVariant a(ayay)); names are
// without the terminating NUL.
func ParseXattrs(raw []byte) (map[string][]byte, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	v, err := decodeVariant("a(ayay)", raw)
	if err != nil {
		return nil, err
	}
	attrs := map[string][]byte{}
	for _, item := range v.([]any) {
		pair := item.([]any)
		name := bytes.TrimRight(pair[0].([]byte), "\x00")
		attrs[string(name)] = pair[1].([]byte)
	}
	return attrs, nil
}

// fileOwner reads the metadata of a content object of a bare-user repository.
func (r Repo) fileOwner(sum string) (owner, error) {
	name := r.object(sum, extFile)
	buf := make([]byte, 1024)
	for {
		n, err := unix.Lgetxattr(name, metaXattr, buf)
		if errors.Is(err, unix.ERANGE) {
			buf = make([]byte, 8*len(buf))
			continue
		}
		if err != nil {
			return owner{}, fmt.Errorf("reading metadata of object %s: %w", name, err)
		}
		return parseOwner(bytes.Clone(buf[:n]))
	}
}

// child is one name of a dirtree.
type child struct {
	name string
	sum  string // content object, or the directory's dirtree
	meta string // the directory's dirmeta; empty for files
}

// parseDirtree reads a dirtree object: files, then directories, each sorted by name.
func parseDirtree(raw []byte) (files, dirs []child, err error) {
	v, err := decodeVariant("(a(say)a(sayay))", raw)
	if err != nil {
		return nil, nil, err
	}
	lists := v.([]any)
	for _, item := range lists[0].([]any) {
		f := item.([]any)
		files = append(files, child{name: f[0].(string), sum: hex.EncodeToString(f[1].([]byte))})
	}
	for _, item := range lists[1].([]any) {
		f := item.([]any)
		dirs = append(dirs, child{
			name: f[0].(string), sum: hex.EncodeToString(f[1].([]byte)), meta: hex.EncodeToString(f[2].([]byte)),
		})
	}
	for _, c := range slices.Concat(files, dirs) {
		if c.name == "" || c.name == "." || c.name == ".." || strings.ContainsAny(c.name, "/\x00") {
			return nil, nil, fmt.Errorf("name %q: %w", c.name, errVariant)
		}
		if !isChecksum(c.sum) || c.meta != "" && !isChecksum(c.meta) {
			return nil, nil, fmt.Errorf("checksum of %q: %w", c.name, errVariant)
		}
	}
	return files, dirs, nil
}
