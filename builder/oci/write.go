package oci

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"github.com/nestos/nosa/workspace/event"
)

// Compression is how layers are compressed.
type Compression string

// The compressions. Gzip, the default, is read by everything; zstd is smaller and faster, and
// needs readers of 2021 or later.
const (
	Gzip Compression = ""
	Zstd Compression = "zstd"
)

// Request asks for an archive.
type Request struct {
	Repo        string  // bare-user repository
	Commit      string  // checksum
	Entries     []Entry // all of the commit, in the order of a depth-first walk
	Dest        string  // the archive; written beside it, then renamed
	Arch        string  // RPM's name of the architecture
	Version     string  // of the commit; empty is none
	Linux       string  // version of the kernel; empty if the commit does not boot
	Created     time.Time
	Description string   // of the layer; empty names the commit
	Cmd         []string // what a container runs by default
	Labels      map[string]string
	Compression Compression
	Level       int // 1 (fast) to 9; 0 is the compressor's own default
}

// Image is an archive that was written.
type Image struct {
	Manifest []byte // JSON, as it is in the archive
	Digest   string // of the manifest: sha256:…
	DiffID   string // of the uncompressed layer
}

// Write writes a commit as an archive of the OCI image layout. The same request gives the same
// bytes.
func Write(ctx context.Context, req Request, r *event.Reporter) (img Image, err error) {
	if len(req.Entries) == 0 || req.Entries[0].Path != "/" {
		return Image{}, fmt.Errorf("encapsulating commit %s: no entries", req.Commit)
	}
	tmp, err := os.CreateTemp(filepath.Dir(req.Dest), "."+filepath.Base(req.Dest)+"-")
	if err != nil {
		return Image{}, fmt.Errorf("encapsulating commit %s: %w", req.Commit, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("encapsulating commit %s: %w", req.Commit, err)
		}
	}()
	img, err = req.archive(ctx, tmp, r)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return Image{}, err
	}
	return img, os.Rename(tmp.Name(), req.Dest)
}

// archive writes the layer before all other files, since it is the large one, and what depends on it
// after it; its name and size come into the tar header when they are known.
func (req Request) archive(ctx context.Context, f *os.File, r *event.Reporter) (Image, error) {
	// Without the directories skopeo makes them itself and fails to chown them unless it is root.
	dirs := layer{tar: tar.NewWriter(f)}
	for _, name := range []string{"blobs/", "blobs/sha256/"} {
		if err := dirs.dir(name, Entry{Mode: 0o755}); err != nil {
			return Image{}, err
		}
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(tarBlock, io.SeekCurrent)
	}
	if err != nil {
		return Image{}, err
	}
	blob, diffID, err := req.layer(ctx, f, r)
	if err != nil {
		return Image{}, err
	}
	head, err := blobHeader(blob.Digest, blob.Size)
	if err != nil {
		return Image{}, err
	}
	if _, err := f.WriteAt(head, at); err != nil {
		return Image{}, err
	}
	if _, err := f.Write(make([]byte, (tarBlock-blob.Size%tarBlock)%tarBlock)); err != nil {
		return Image{}, err
	}
	return req.describe(f, blob, diffID)
}

// tarBlock is the size of a tar header.
const tarBlock = 512

// blobHeader gives the tar header of a blob.
func blobHeader(digest string, size int64) ([]byte, error) {
	h := header(tar.TypeReg, "blobs/sha256/"+digest[len("sha256:"):], 0o644)
	h.Size = size
	var buf bytes.Buffer
	if err := tar.NewWriter(&buf).WriteHeader(h); err != nil {
		return nil, fmt.Errorf("header of blob %s: %w", digest, err)
	}
	return buf.Bytes(), nil
}

// layer writes the compressed layer to w.
func (req Request) layer(ctx context.Context, w io.Writer, r *event.Reporter) (blob descriptor, diffID string, err error) {
	outer := newMeter(w)
	buffered := bufio.NewWriterSize(outer, 1<<20)
	zip, media, err := req.compressor(buffered)
	if err != nil {
		return descriptor{}, "", err
	}
	inner := newMeter(zip)
	var total, done int64
	seen := map[string]bool{}
	for _, e := range req.Entries {
		if e.isRegular() && !seen[e.Checksum] {
			seen[e.Checksum] = true
			total += e.Size
		}
	}
	l := layer{
		tar: tar.NewWriter(inner), repo: req.Repo, commit: req.Commit, entries: req.Entries, done: map[string]bool{},
		copied: func(n int64) {
			done += n
			r.Progress(done, total, event.UnitBytes)
		},
	}
	if err := errors.Join(l.write(ctx), zip.Close()); err != nil {
		return descriptor{}, "", err
	}
	if err := buffered.Flush(); err != nil {
		return descriptor{}, "", fmt.Errorf("writing layer: %w", err)
	}
	return descriptor{MediaType: media, Digest: outer.digest(), Size: outer.n}, inner.digest(), nil
}

// compressor begins a compressed stream. Block size and concurrency are fixed, so that the bytes
// do not depend on the machine.
func (req Request) compressor(w io.Writer) (io.WriteCloser, string, error) {
	switch req.Compression {
	case Gzip:
		level := pgzip.DefaultCompression
		if req.Level != 0 {
			level = req.Level
		}
		zip, err := pgzip.NewWriterLevel(w, level)
		if err == nil {
			err = zip.SetConcurrency(1<<20, 8)
		}
		if err != nil {
			return nil, "", fmt.Errorf("compressing: %w", err)
		}
		return zip, mediaLayer + "+gzip", nil
	case Zstd:
		level := zstd.SpeedDefault
		if req.Level != 0 {
			level = zstd.EncoderLevelFromZstd(req.Level)
		}
		zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(2))
		if err != nil {
			return nil, "", fmt.Errorf("compressing: %w", err)
		}
		return zip, mediaLayer + "+zstd", nil
	}
	return nil, "", fmt.Errorf("unknown compression %q", req.Compression)
}

// labels are those of the image: the caller's and those of the commit.
func (req Request) labels(diffID string) map[string]string {
	labels := maps.Clone(req.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelCommit], labels[labelLast] = req.Commit, diffID
	if req.Version != "" {
		labels[labelVersion], labels[labelOCI] = req.Version, req.Version
	}
	if req.Linux != "" {
		labels[labelBootable], labels[labelBootc], labels[labelLinux] = "true", "1", req.Linux
	}
	return labels
}

// describe writes configuration, manifest and index, and ends the archive.
func (req Request) describe(w io.Writer, blob descriptor, diffID string) (Image, error) {
	labels, description := req.labels(diffID), req.Description
	if description == "" {
		description = "ostree export of commit " + req.Commit
	}
	arch := platform{Architecture: architecture(req.Arch), OS: "linux"}
	cfg, err := json.Marshal(config{
		Created: timestamp(req.Created), Architecture: arch.Architecture, OS: arch.OS,
		Config:  container{Cmd: req.Cmd, Labels: labels},
		RootFS:  rootfs{Type: "layers", DiffIDs: []string{diffID}},
		History: []history{{Created: timestamp(req.Created), CreatedBy: description}},
	})
	if err != nil {
		return Image{}, err
	}
	man, err := json.Marshal(manifest{
		SchemaVersion: 2, MediaType: mediaManifest, Layers: []descriptor{blob}, Annotations: labels,
		Config: descriptor{MediaType: mediaConfig, Digest: digestOf(cfg), Size: int64(len(cfg))},
	})
	if err != nil {
		return Image{}, err
	}
	idx, err := json.Marshal(index{SchemaVersion: 2, MediaType: mediaIndex, Manifests: []descriptor{
		{MediaType: mediaManifest, Digest: digestOf(man), Size: int64(len(man)), Platform: &arch},
	}})
	if err != nil {
		return Image{}, err
	}
	l := layer{tar: tar.NewWriter(w)}
	for _, f := range []struct {
		name    string
		content []byte
	}{
		{"blobs/sha256/" + digestOf(cfg)[len("sha256:"):], cfg},
		{"blobs/sha256/" + digestOf(man)[len("sha256:"):], man},
		{"index.json", idx},
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
	} {
		if err := l.data(f.name, f.content); err != nil {
			return Image{}, err
		}
	}
	return Image{Manifest: man, Digest: digestOf(man), DiffID: diffID}, l.tar.Close()
}
