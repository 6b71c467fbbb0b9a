package oci

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// repoConfig marks the repository in a layer as one whose attributes are in objects of their own.
const repoConfig = "[core]\nrepo_version=1\nmode=bare-split-xattrs\n"

// member is an entry of a layer's tar stream. A content comes from data or from an object of the
// repository.
type member struct {
	kind           byte
	name           string
	mode, uid, gid uint32
	link           string
	data           []byte
	sum, ext       string // the object whose content it has; none where sum is empty
	file           *Entry // which file that object is of; nil is none
}

// header gives a tar header; GNU's form carries every name as its bytes.
func (m member) header() *tar.Header {
	return &tar.Header{
		Typeflag: m.kind, Name: m.name, Linkname: m.link, Mode: int64(m.mode &^ unix.S_IFMT),
		Uid: int(m.uid), Gid: int(m.gid), Size: int64(len(m.data)), ModTime: time.Unix(0, 0), Format: tar.FormatGNU,
	}
}

// appendTo appends all that the member's bytes depend on.
func (m member) appendTo(b []byte) []byte {
	b = append(b, m.kind)
	for _, n := range []uint32{m.mode &^ unix.S_IFMT, m.uid, m.gid} {
		b = append(strconv.AppendUint(b, uint64(n), 8), ' ')
	}
	for _, text := range []string{m.name, m.link, m.sum, m.ext} {
		b = append(strconv.AppendQuote(b, text), ' ')
	}
	if len(m.data) > 0 {
		sum := sha256.Sum256(m.data)
		b = append(b, sum[:]...)
	}
	return append(b, '\n')
}

func directory(name string, e Entry) member {
	return member{kind: tar.TypeDir, name: name + "/", mode: e.Mode, uid: e.UID, gid: e.GID}
}

func plainFile(name string, data []byte) member {
	return member{kind: tar.TypeReg, name: name, mode: 0o644, data: data}
}

// metaObject is an object of the repository that is only its content.
func metaObject(sum, ext string) member {
	return member{kind: tar.TypeReg, name: repoDir + "/" + objectName(sum, ext), mode: 0o644, sum: sum, ext: ext}
}

// members lists a layer in the order that importers rely on. Each has the directories of the
// repository. The first has the commit and then its directories and their objects; the others have
// files, each set of attributes before the object that it is of and that before the links to it.
// Nothing is named twice in a layer.
func (w *writer) members(l layer) iter.Seq[member] {
	return func(yield func(member) bool) {
		s := stream{yield: yield, done: map[string]bool{}}
		s.add(directory(".", w.Entries[0]))
		s.structure()
		if l.class == metadata {
			w.metadata(&s)
		}
		for _, f := range l.files {
			w.parents(&s, f.Path)
			s.file(f)
		}
	}
}

// metadata lists the commit, its directories and the objects of both.
func (w *writer) metadata(s *stream) {
	s.add(metaObject(w.Commit, extCommit))
	if w.commitmeta != nil {
		s.add(plainFile(repoDir+"/"+objectName(w.Commit, extCommitmeta), w.commitmeta))
	}
	for _, e := range w.Entries {
		if !e.isDir() {
			continue
		}
		s.add(metaObject(e.Meta, extDirmeta))
		s.add(metaObject(e.Checksum, extDirtree))
		if e.Path != "/" {
			s.add(directory(layerPath(e.Path), e))
		}
	}
	// A container has nobody who makes it.
	s.add(directory("var/tmp", Entry{Mode: 0o1777}))
}

// parents lists the directories that lead to a path. ostree-rs-ext leaves them out, and then a
// container of such layers has them with other modes and owners.
func (w *writer) parents(s *stream, name string) {
	dir := path.Dir(name)
	if dir == "/" || s.done[layerPath(dir)+"/"] {
		return
	}
	w.parents(s, dir)
	s.add(directory(layerPath(dir), w.dirs[dir]))
}

// stream passes the members of a layer on, each name once.
type stream struct {
	yield   func(member) bool
	done    map[string]bool
	stopped bool
}

func (s *stream) add(m member) {
	if s.stopped || s.done[m.name] {
		return
	}
	s.done[m.name] = true
	s.stopped = !s.yield(m)
}

// structure lists the repository's directories and configuration. sysroot is the repository's, not
// that of the commit.
func (s *stream) structure() {
	dirs := []string{"sysroot", "sysroot/ostree", repoDir, repoDir + "/objects"}
	for n := range 256 {
		dirs = append(dirs, fmt.Sprintf("%s/objects/%02x", repoDir, n))
	}
	for _, name := range []string{
		"extensions", "refs", "refs/heads", "refs/mirrors", "refs/remotes", "state", "tmp", "tmp/cache",
	} {
		dirs = append(dirs, repoDir+"/"+name)
	}
	for _, name := range dirs {
		s.add(directory(name, Entry{Mode: 0o755}))
	}
	s.add(plainFile(repoDir+"/config", []byte(repoConfig)))
}

// file lists a file as a hard link to its object, which comes before it.
func (s *stream) file(f placed) {
	object := repoDir + "/" + objectName(f.Checksum, extFile)
	if f.object && !s.done[object] {
		s.xattrs(*f.Entry)
		m := member{kind: tar.TypeReg, name: object, mode: f.Mode, uid: f.UID, gid: f.GID}
		if f.isRegular() {
			m.sum, m.ext, m.file = f.Checksum, extFile, f.Entry
		} else {
			m.kind, m.link = tar.TypeSymlink, f.Target
		}
		s.add(m)
	}
	m := member{kind: tar.TypeLink, name: layerPath(f.Path), mode: f.Mode, uid: f.UID, gid: f.GID, link: object}
	if f.isEmpty() {
		// Whoever changes one empty file in a container must not change the object.
		m.kind, m.link = tar.TypeReg, ""
	}
	s.add(m)
}

// xattrs lists the attributes of a file object.
func (s *stream) xattrs(e Entry) {
	sum := sha256.Sum256(e.Xattrs)
	set := plainFile(repoDir+"/"+objectName(hex.EncodeToString(sum[:]), extXattrs), e.Xattrs)
	s.add(set)
	s.add(member{
		kind: tar.TypeLink, name: repoDir + "/" + objectName(e.Checksum, extXattrsLink), mode: 0o644, link: set.name,
	})
}

// layerPath gives a path as a container has it: relative, and with usr/etc as etc.
func layerPath(name string) string {
	name = strings.TrimPrefix(name, "/")
	if name == "usr/etc" || strings.HasPrefix(name, "usr/etc/") {
		return strings.TrimPrefix(name, "usr/")
	}
	return name
}
