package oci

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is one path of a commit, with the fields of builder/ostree's Entry.
type Entry struct {
	Path     string // absolute; the first of a list is "/"
	Mode     uint32 // st_mode, with the type bits
	UID, GID uint32
	Xattrs   []byte // GVariant a(ayay), as libostree stores them
	Size     int64  // of a regular file, in bytes
	Target   string // of a symbolic link
	Checksum string // of the content object, or of a directory's dirtree object
	Meta     string // of a directory: its dirmeta object's checksum
}

func (e Entry) isDir() bool     { return e.Mode&unix.S_IFMT == unix.S_IFDIR }
func (e Entry) isRegular() bool { return e.Mode&unix.S_IFMT == unix.S_IFREG }
func (e Entry) isEmpty() bool   { return e.isRegular() && e.Size == 0 }

// The extensions of objects; the last two are of layers only.
const (
	extFile       = "file"
	extDirtree    = "dirtree"
	extDirmeta    = "dirmeta"
	extCommit     = "commit"
	extCommitmeta = "commitmeta"
	extXattrs     = "file-xattrs"      // a set of attributes, named by its checksum
	extXattrsLink = "file-xattrs-link" // a hard link to one, named like the file object
)

// repoDir is where a layer has the repository.
const repoDir = "sysroot/ostree/repo"

// metaXattr holds owner, mode and attributes of a file object in a bare-user repository.
const metaXattr = "user.ostreemeta"

// objectName gives an object's path below a repository.
func objectName(sum, ext string) string { return "objects/" + sum[:2] + "/" + sum[2:] + "." + ext }

// parseObject reads the name of a layer's tar entry; ok is false for what is no object.
func parseObject(name string) (sum, ext string, ok bool) {
	rest, ok := strings.CutPrefix(path.Clean(name), repoDir+"/objects/")
	if !ok {
		return "", "", false
	}
	first, rest, _ := strings.Cut(rest, "/")
	rest, ext, _ = strings.Cut(rest, ".")
	sum = first + rest
	return sum, ext, len(first) == 2 && isChecksum(sum)
}

func isChecksum(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// owner gives what user.ostreemeta holds: GVariant (uuua(ayay)) with big-endian numbers. The
// attributes are the last member and need no alignment, so they follow as they are.
func (e Entry) owner() []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, e.UID)
	b = be.AppendUint32(b, e.GID)
	b = be.AppendUint32(b, e.Mode)
	return append(b, e.Xattrs...)
}

// contentHash begins the checksum of a file object; the content of a regular file follows. It is
// over a header, GVariant (uuuusa(ayay)) of owner, group, mode, device, link target and
// attributes, after its size in 4 bytes and 4 bytes of padding (ostree-core.c).
func (e Entry) contentHash() hash.Hash {
	be := binary.BigEndian
	head := be.AppendUint32(nil, e.UID)
	head = be.AppendUint32(head, e.GID)
	head = be.AppendUint32(head, e.Mode)
	head = be.AppendUint32(head, 0)
	head = append(append(head, e.Target...), 0)
	end := uint64(len(head))
	head = append(head, e.Xattrs...)
	width := 1
	for limit := 1 << 8; len(head)+width >= limit && width < 4; limit = 1 << (8 * width) {
		width *= 2
	}
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], end)
	head = append(head, word[:width]...)
	h := sha256.New()
	h.Write(be.AppendUint32(nil, uint32(len(head))))
	h.Write(make([]byte, 4))
	h.Write(head)
	return h
}

// checkSum compares a finished checksum with the name of an object.
func checkSum(h hash.Hash, sum, ext string) error {
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("object %s.%s: content has checksum %s", sum, ext, got)
	}
	return nil
}
