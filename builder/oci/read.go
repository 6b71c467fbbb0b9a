package oci

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// maxDocument bounds index, manifest and configuration.
const maxDocument = 16 << 20

// span is where a file lies in an archive.
type span struct{ offset, size int64 }

// archive is an open archive of the OCI image layout.
type archive struct {
	file  *os.File
	spans map[string]span
}

// openArchive finds the files of an archive. The caller closes it.
func openArchive(name string) (*archive, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening image: %w", err)
	}
	a := &archive{file: f, spans: map[string]span{}}
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("reading image %s: %w", name, err)
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("reading image %s: %w", name, err)
		}
		if h.Typeflag == tar.TypeReg {
			a.spans[strings.TrimPrefix(h.Name, "./")] = span{at, h.Size}
		}
	}
}

func (a *archive) open(name string) (*io.SectionReader, error) {
	s, ok := a.spans[name]
	if !ok {
		return nil, fmt.Errorf("image %s has no %s", a.file.Name(), name)
	}
	return io.NewSectionReader(a.file, s.offset, s.size), nil
}

// document reads a whole file.
func (a *archive) document(name string) ([]byte, error) {
	r, err := a.open(name)
	if err != nil {
		return nil, err
	}
	if r.Size() > maxDocument {
		return nil, fmt.Errorf("image %s: %s has %d bytes", a.file.Name(), name, r.Size())
	}
	return io.ReadAll(r)
}

// blobName gives the name of a blob; digests other than sha256 are not supported.
func blobName(digest string) (string, error) {
	sum, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || !isChecksum(sum) {
		return "", fmt.Errorf("digest %q is not supported", digest)
	}
	return "blobs/sha256/" + sum, nil
}

// blob reads a small blob and checks its digest.
func (a *archive) blob(d descriptor) ([]byte, error) {
	name, err := blobName(d.Digest)
	if err != nil {
		return nil, err
	}
	b, err := a.document(name)
	if err != nil {
		return nil, err
	}
	if got := digestOf(b); got != d.Digest {
		return nil, fmt.Errorf("image %s: blob %s has digest %s", a.file.Name(), d.Digest, got)
	}
	return b, nil
}

// manifest reads the manifest of the archive's only image.
func (a *archive) manifest() (raw []byte, m manifest, err error) {
	doc, err := a.document("index.json")
	if err != nil {
		return nil, manifest{}, err
	}
	var idx index
	if err := json.Unmarshal(doc, &idx); err != nil {
		return nil, manifest{}, fmt.Errorf("image %s: index.json: %w", a.file.Name(), err)
	}
	if len(idx.Manifests) != 1 {
		return nil, manifest{}, fmt.Errorf("image %s has %d images, want one", a.file.Name(), len(idx.Manifests))
	}
	if raw, err = a.blob(idx.Manifests[0]); err != nil {
		return nil, manifest{}, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, manifest{}, fmt.Errorf("image %s: manifest: %w", a.file.Name(), err)
	}
	return raw, m, nil
}

// Manifest gives the manifest of an archive, as JSON.
func Manifest(name string) ([]byte, error) {
	a, err := openArchive(name)
	if err != nil {
		return nil, err
	}
	defer a.file.Close()
	raw, _, err := a.manifest()
	return raw, err
}

// layerReader reads a compressed layer and hashes it on the way.
type layerReader struct {
	descriptor
	in       io.Reader
	meter    *meter
	progress func(n int64)
}

func (a *archive) layer(d descriptor) (*layerReader, error) {
	name, err := blobName(d.Digest)
	if err != nil {
		return nil, err
	}
	section, err := a.open(name)
	if err != nil {
		return nil, err
	}
	return &layerReader{descriptor: d, in: bufio.NewReaderSize(section, 1<<20), meter: newMeter(io.Discard)}, nil
}

// Read implements io.Reader: the compressed bytes.
func (l *layerReader) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	_, _ = l.meter.Write(p[:n]) // never fails
	l.progress(l.meter.n)
	return n, err
}

// read gives the layer to f and checks its digest.
func (l *layerReader) read(f func(*tar.Reader) error) error {
	plain, err := decompress(l, l.MediaType)
	if err != nil {
		return err
	}
	err = f(tar.NewReader(plain))
	if err == nil {
		// What follows the end of the tar stream is of the digest too.
		_, err = io.Copy(io.Discard, plain)
	}
	if err := errors.Join(err, plain.Close()); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, l); err != nil {
		return err
	}
	if got := l.meter.digest(); got != l.Digest {
		return fmt.Errorf("content has digest %s", got)
	}
	return nil
}

// decompress begins to read a layer.
func decompress(r io.Reader, media string) (io.ReadCloser, error) {
	switch {
	case strings.HasSuffix(media, "gzip"):
		zip, err := pgzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		return zip, nil
	case strings.HasSuffix(media, "zstd"):
		zip, err := zstd.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		return zip.IOReadCloser(), nil
	case strings.HasSuffix(media, "tar"):
		return io.NopCloser(r), nil
	}
	return nil, fmt.Errorf("layers of type %q are not supported", media)
}
