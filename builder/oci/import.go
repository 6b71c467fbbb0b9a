package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/event"
)

// Import puts the commit of an archive with all its objects into a bare-user repository and gives
// the commit's checksum. Every object's checksum is verified. The commit object comes last, so
// that an interrupted import leaves no commit; no ref is set.
func Import(ctx context.Context, name, repo string, r *event.Reporter) (string, error) {
	a, err := openArchive(name)
	if err != nil {
		return "", err
	}
	defer a.file.Close()
	commit, err := a.importTo(ctx, repo, r)
	if err != nil {
		return "", fmt.Errorf("importing image %s: %w", name, err)
	}
	return commit, nil
}

func (a *archive) importTo(ctx context.Context, repo string, r *event.Reporter) (string, error) {
	_, m, err := a.manifest()
	if err != nil {
		return "", err
	}
	layers, commit, err := a.commitLayers(m)
	if err != nil {
		return "", err
	}
	imp := importer{repo: repo, commit: commit, sets: map[string][]byte{}, links: map[string]string{}, last: map[string][]byte{}}
	var total int64
	for _, d := range layers {
		total += d.Size
	}
	var done int64
	for _, d := range layers {
		in, err := a.layer(d)
		if err != nil {
			return "", err
		}
		in.progress = func(n int64) { r.Progress(done+n, total, event.UnitBytes) }
		if err := in.read(func(t *tar.Reader) error { return imp.layer(ctx, t) }); err != nil {
			return "", fmt.Errorf("layer %s: %w", d.Digest, err)
		}
		done += d.Size
	}
	return commit, imp.finish(commit)
}

// config reads the configuration of the image.
func (a *archive) config(m manifest) (cfg config, err error) {
	raw, err := a.blob(m.Config)
	if err != nil {
		return config{}, err
	}
	if err := json.Unmarshal(raw, &cfg); err != nil {
		return config{}, fmt.Errorf("configuration: %w", err)
	}
	return cfg, nil
}

// commitLayers gives the layers that are of the commit: all up to the one that the label names.
func (a *archive) commitLayers(m manifest) (layers []descriptor, commit string, err error) {
	cfg, err := a.config(m)
	if err != nil {
		return nil, "", err
	}
	last := cfg.Config.Labels[labelLast]
	commit = cfg.Config.Labels[labelCommit]
	if !isChecksum(commit) || last == "" {
		return nil, "", errors.New("no ostree commit is in it")
	}
	if len(cfg.RootFS.DiffIDs) != len(m.Layers) {
		return nil, "", fmt.Errorf("%d layers, %d diff ids", len(m.Layers), len(cfg.RootFS.DiffIDs))
	}
	for i, id := range cfg.RootFS.DiffIDs {
		if id == last {
			return m.Layers[:i+1], commit, nil
		}
	}
	return nil, "", fmt.Errorf("no layer %s", last)
}

// importer puts objects into a repository.
type importer struct {
	repo   string
	commit string
	sets   map[string][]byte // attributes, by checksum
	room   int64             // bytes of sets
	links  map[string]string // file object to its set of attributes
	last   map[string][]byte // the commit's objects, written when all else is there
}

// What is kept in memory is bounded: a metadata object by ostree's own limit, all sets of
// attributes together by far more than the labels of a system.
const (
	maxMetadata = 128 << 20
	maxSets     = 64 << 20
)

func (imp *importer) layer(ctx context.Context, t *tar.Reader) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		sum, ext, ok := parseObject(h.Name)
		if !ok {
			continue
		}
		if err := imp.object(h, t, sum, ext); err != nil {
			return err
		}
	}
}

func (imp *importer) object(h *tar.Header, r io.Reader, sum, ext string) error {
	switch ext {
	case extXattrsLink:
		set, kind, ok := parseObject(h.Linkname)
		if h.Typeflag != tar.TypeLink || !ok || kind != extXattrs {
			return fmt.Errorf("object %s.%s links to %q", sum, ext, h.Linkname)
		}
		imp.links[sum] = set
		return nil
	case extFile:
		return imp.file(h, r, sum)
	case extXattrs, extDirtree, extDirmeta, extCommit, extCommitmeta:
	default:
		return nil
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxMetadata {
		return fmt.Errorf("object %s.%s: unexpected type or size %d", sum, ext, h.Size)
	}
	isCommit := ext == extCommit || ext == extCommitmeta
	if isCommit && sum != imp.commit {
		return nil // another one, as of a parent
	}
	if ext == extXattrs {
		if imp.room += h.Size; imp.room > maxSets {
			return fmt.Errorf("more than %d MiB of attributes", maxSets>>20)
		}
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if ext != extCommitmeta { // detached metadata is named by the commit
		digest := sha256.New()
		digest.Write(content)
		if err := checkSum(digest, sum, ext); err != nil {
			return err
		}
	}
	switch {
	case ext == extXattrs:
		imp.sets[sum] = content
		return nil
	case isCommit:
		imp.last[objectName(sum, ext)] = content
		return nil
	}
	return imp.metadata(objectName(sum, ext), content)
}

// metadata writes an object that is only its content.
func (imp *importer) metadata(name string, content []byte) error {
	o, err := imp.begin(name)
	if err != nil || o == nil {
		return err
	}
	if _, err := o.tmp.Write(content); err != nil {
		return o.discard(err)
	}
	return o.finish(0o644)
}

// file writes a file object.
func (imp *importer) file(h *tar.Header, r io.Reader, sum string) error {
	set, ok := imp.sets[imp.links[sum]]
	if !ok {
		return fmt.Errorf("object %s.%s has no attributes before it", sum, extFile)
	}
	e := Entry{Mode: uint32(h.Mode) &^ unix.S_IFMT, UID: uint32(h.Uid), GID: uint32(h.Gid), Xattrs: set}
	perm := os.FileMode(0o644)
	switch h.Typeflag {
	case tar.TypeReg:
		e.Mode |= unix.S_IFREG
		// As libostree has it: what the owner may not read could not be served.
		perm = os.FileMode(e.Mode&0o775 | 0o400)
	case tar.TypeSymlink:
		e.Mode, e.Target = e.Mode|unix.S_IFLNK, h.Linkname
	default:
		return fmt.Errorf("object %s.%s is of tar type %q", sum, extFile, h.Typeflag)
	}
	digest := e.contentHash()
	o, err := imp.begin(objectName(sum, extFile))
	if err != nil || o == nil {
		return err
	}
	if e.Target == "" {
		_, err = io.Copy(io.MultiWriter(o.tmp, digest), r)
	} else {
		_, err = o.tmp.WriteString(e.Target + "\x00")
	}
	if err == nil {
		err = checkSum(digest, sum, extFile)
	}
	if err == nil {
		err = unix.Fsetxattr(int(o.tmp.Fd()), metaXattr, e.owner(), 0)
	}
	if err != nil {
		return o.discard(err)
	}
	return o.finish(perm)
}

// finish writes the commit when everything that it refers to is on the disk.
func (imp *importer) finish(commit string) error {
	if _, ok := imp.last[objectName(commit, extCommit)]; !ok {
		return fmt.Errorf("commit %s is not in it", commit)
	}
	dir, err := os.Open(imp.repo)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("flushing objects: %w", err)
	}
	for _, ext := range []string{extCommitmeta, extCommit} {
		name := objectName(commit, ext)
		content, ok := imp.last[name]
		if !ok {
			continue
		}
		if old, err := os.ReadFile(filepath.Join(imp.repo, name)); err == nil && bytes.Equal(old, content) {
			continue
		}
		if err := imp.metadata(name, content); err != nil {
			return err
		}
	}
	return nil
}

// object is one that is being written.
type object struct {
	tmp  *os.File
	dest string
}

// begin starts an object; nil is one that is there already.
func (imp *importer) begin(name string) (*object, error) {
	dest := filepath.Join(imp.repo, name)
	if _, err := os.Lstat(dest); err == nil {
		return nil, nil
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return nil, fmt.Errorf("writing object: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Join(imp.repo, "tmp"), "import-")
	if err != nil {
		return nil, fmt.Errorf("writing object: %w", err)
	}
	return &object{tmp: tmp, dest: dest}, nil
}

func (o *object) discard(err error) error {
	o.tmp.Close()
	_ = os.Remove(o.tmp.Name())
	return fmt.Errorf("writing object %s: %w", o.dest, err)
}

// finish gives the object its mode, libostree's time, and its name.
func (o *object) finish(perm os.FileMode) error {
	if err := o.tmp.Chmod(perm); err != nil {
		return o.discard(err)
	}
	if err := o.tmp.Close(); err != nil {
		return o.discard(err)
	}
	epoch := time.Unix(0, 0)
	err := os.Chtimes(o.tmp.Name(), epoch, epoch)
	if err == nil {
		err = os.Rename(o.tmp.Name(), o.dest)
	}
	if err != nil {
		_ = os.Remove(o.tmp.Name())
		return fmt.Errorf("writing object: %w", err)
	}
	return nil
}
