package oci

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// repoConfig marks the repository in a layer as one whose attributes are in objects of their own.
const repoConfig = "[core]\nrepo_version=1\nmode=bare-split-xattrs\n"

// layer writes a whole commit as one layer.
type layer struct {
	tar     *tar.Writer
	repo    string
	commit  string
	entries []Entry
	done    map[string]bool // objects and sets of attributes that are written
	copied  func(n int64)   // told about each file's content
}

// write writes the layer in the order that importers rely on: the structure of the repository,
// the commit, the directories, then the files, each set of attributes before the file it is of.
func (l *layer) write(ctx context.Context) error {
	if err := l.dir("./", l.entries[0]); err != nil {
		return err
	}
	if err := l.structure(); err != nil {
		return err
	}
	if err := l.object(l.commit, extCommit); err != nil {
		return err
	}
	if err := l.object(l.commit, extCommitmeta); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := l.directories(); err != nil {
		return err
	}
	for _, e := range l.entries {
		if e.isDir() {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := l.file(e); err != nil {
			return err
		}
	}
	if err := l.tar.Close(); err != nil {
		return fmt.Errorf("writing layer: %w", err)
	}
	return nil
}

// header gives a tar header; GNU's form carries every name as its bytes.
func header(kind byte, name string, mode uint32) *tar.Header {
	return &tar.Header{
		Typeflag: kind, Name: name, Mode: int64(mode &^ unix.S_IFMT), ModTime: time.Unix(0, 0), Format: tar.FormatGNU,
	}
}

func (l *layer) head(h *tar.Header) error {
	if err := l.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("writing layer: %s: %w", h.Name, err)
	}
	return nil
}

func (l *layer) dir(name string, e Entry) error {
	h := header(tar.TypeDir, name, e.Mode)
	h.Uid, h.Gid = int(e.UID), int(e.GID)
	return l.head(h)
}

func (l *layer) data(name string, content []byte) error {
	h := header(tar.TypeReg, name, 0o644)
	h.Size = int64(len(content))
	if err := l.head(h); err != nil {
		return err
	}
	_, err := l.tar.Write(content)
	return err
}

// structure makes the repository's directories and configuration.
func (l *layer) structure() error {
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
		if err := l.dir(name+"/", Entry{Mode: 0o755}); err != nil {
			return err
		}
	}
	return l.data(repoDir+"/config", []byte(repoConfig))
}

// object copies a metadata object of the repository, once.
func (l *layer) object(sum, ext string) error {
	name := objectName(sum, ext)
	if l.done[name] {
		return nil
	}
	l.done[name] = true
	content, err := os.ReadFile(filepath.Join(l.repo, name))
	if err != nil {
		return fmt.Errorf("reading object: %w", err)
	}
	return l.data(repoDir+"/"+name, content)
}

// directories writes the directories and their objects. sysroot is there already: a layer must
// not name anything twice.
func (l *layer) directories() error {
	vartmp := false
	for _, e := range l.entries {
		if !e.isDir() {
			continue
		}
		if err := l.object(e.Meta, extDirmeta); err != nil {
			return err
		}
		if err := l.object(e.Checksum, extDirtree); err != nil {
			return err
		}
		if e.Path == "/" || e.Path == "/sysroot" {
			continue
		}
		vartmp = vartmp || e.Path == "/var/tmp"
		if err := l.dir(layerPath(e.Path)+"/", e); err != nil {
			return err
		}
	}
	if vartmp {
		return nil
	}
	// A container has nobody who makes it.
	return l.dir("var/tmp/", Entry{Mode: 0o1777})
}

// layerPath gives a path as a container has it: relative, and with usr/etc as etc.
func layerPath(name string) string {
	name = strings.TrimPrefix(name, "/")
	if name == "usr/etc" || strings.HasPrefix(name, "usr/etc/") {
		return strings.TrimPrefix(name, "usr/")
	}
	return name
}

// file writes the object of a file unless it is there, and the file as a hard link to it.
func (l *layer) file(e Entry) error {
	object := repoDir + "/" + objectName(e.Checksum, extFile)
	if !l.done[object] {
		l.done[object] = true
		if err := l.xattrs(e); err != nil {
			return err
		}
		if err := l.content(e, object); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	h := header(tar.TypeLink, layerPath(e.Path), e.Mode)
	h.Uid, h.Gid, h.Linkname = int(e.UID), int(e.GID), object
	if e.isRegular() && e.Size == 0 {
		// Whoever changes one empty file in a container must not change the object.
		h.Typeflag, h.Linkname = tar.TypeReg, ""
	}
	return l.head(h)
}

// xattrs writes the attributes of a file object.
func (l *layer) xattrs(e Entry) error {
	sum := sha256.Sum256(e.Xattrs)
	set := repoDir + "/" + objectName(hex.EncodeToString(sum[:]), extXattrs)
	if !l.done[set] {
		l.done[set] = true
		if err := l.data(set, e.Xattrs); err != nil {
			return err
		}
	}
	h := header(tar.TypeLink, repoDir+"/"+objectName(e.Checksum, extXattrsLink), 0o644)
	h.Linkname = set
	return l.head(h)
}

func (l *layer) content(e Entry, name string) error {
	h := header(tar.TypeReg, name, e.Mode)
	h.Uid, h.Gid, h.Size = int(e.UID), int(e.GID), e.Size
	if !e.isRegular() {
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Target
		return l.head(h)
	}
	f, err := os.Open(filepath.Join(l.repo, objectName(e.Checksum, extFile)))
	if err != nil {
		return fmt.Errorf("reading object: %w", err)
	}
	defer f.Close()
	if err := l.head(h); err != nil {
		return err
	}
	n, err := io.Copy(l.tar, f)
	if err != nil {
		return fmt.Errorf("copying object %s: %w", e.Checksum, err)
	}
	if n != e.Size {
		return fmt.Errorf("object %s has %d bytes, want %d", e.Checksum, n, e.Size)
	}
	l.copied(n)
	return nil
}
