package rpmmd

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Repomd is a repomd.xml: which metadata files a repository has.
type Repomd struct {
	Revision string
	Data     []Data
}

// Data is one metadata file of a repository.
type Data struct {
	Type      string // "primary", "filelists", …
	Location  string // path below the repository
	Checksum  Checksum
	Size      int64 // bytes, as it lies there; 0 is not known
	Timestamp int64 // Unix seconds
}

// Checksum is a digest of a file.
type Checksum struct {
	Type string // "sha256", "sha512", …
	Hex  string
}

// Package is what a repository's primary.xml says of one package.
type Package struct {
	NEVRA
	Checksum      Checksum // of the file
	Size          int64    // of the file, in bytes
	InstalledSize int64    // bytes
	BuildTime     int64    // Unix seconds
	Location      string   // path below the repository
	Source        string   // file name of the source package
	Provides      []Dep
	Requires      []Dep
}

// Dep is a capability that a package provides or requires. Version is [epoch:]version[-release],
// empty like Flags when any will do.
type Dep struct {
	Name    string
	Flags   string // EQ LT LE GT GE
	Version string
}

type xmlLocation struct {
	Href string `xml:"href,attr"`
}

type xmlChecksum struct {
	Type string `xml:"type,attr"`
	Hex  string `xml:",chardata"`
}

func (c xmlChecksum) checksum() Checksum {
	return Checksum{Type: c.Type, Hex: strings.TrimSpace(c.Hex)}
}

// ReadRepomd reads a repomd.xml. Its signature is not looked at.
func ReadRepomd(r io.Reader) (Repomd, error) {
	var doc struct {
		Revision string `xml:"revision"`
		Data     []struct {
			Type      string      `xml:"type,attr"`
			Location  xmlLocation `xml:"location"`
			Checksum  xmlChecksum `xml:"checksum"`
			Size      int64       `xml:"size"`
			Timestamp float64     `xml:"timestamp"` // yum's createrepo wrote fractions
		} `xml:"data"`
	}
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		return Repomd{}, fmt.Errorf("reading repomd.xml: %w", err)
	}
	md := Repomd{Revision: doc.Revision}
	for _, d := range doc.Data {
		md.Data = append(md.Data, Data{
			Type: d.Type, Location: d.Location.Href, Checksum: d.Checksum.checksum(),
			Size: d.Size, Timestamp: int64(d.Timestamp),
		})
	}
	return md, nil
}

// Find gives the metadata file of a type.
func (r Repomd) Find(kind string) (Data, bool) {
	for _, d := range r.Data {
		if d.Type == kind {
			return d, true
		}
	}
	return Data{}, false
}

type xmlDep struct {
	Name    string `xml:"name,attr"`
	Flags   string `xml:"flags,attr"`
	Epoch   string `xml:"epoch,attr"`
	Version string `xml:"ver,attr"`
	Release string `xml:"rel,attr"`
}

type xmlPackage struct {
	Name    string `xml:"name"`
	Arch    string `xml:"arch"`
	Version struct {
		Epoch   string `xml:"epoch,attr"`
		Version string `xml:"ver,attr"`
		Release string `xml:"rel,attr"`
	} `xml:"version"`
	Checksum xmlChecksum `xml:"checksum"`
	Time     struct {
		Build int64 `xml:"build,attr"`
	} `xml:"time"`
	Size struct {
		Package   int64 `xml:"package,attr"`
		Installed int64 `xml:"installed,attr"`
	} `xml:"size"`
	Location xmlLocation `xml:"location"`
	Format   struct {
		Source   string   `xml:"sourcerpm"`
		Provides []xmlDep `xml:"provides>entry"`
		Requires []xmlDep `xml:"requires>entry"`
	} `xml:"format"`
}

// ReadPrimary reads an uncompressed primary.xml, package by package, in its order. The first error
// is the last thing that it yields.
func ReadPrimary(r io.Reader) iter.Seq2[Package, error] {
	return func(yield func(Package, error) bool) {
		dec := xml.NewDecoder(r)
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Package{}, fmt.Errorf("reading primary.xml: %w", err))
				return
			}
			start, ok := token.(xml.StartElement)
			if !ok || start.Name.Local != "package" {
				continue
			}
			var p xmlPackage
			if err := dec.DecodeElement(&p, &start); err != nil {
				yield(Package{}, fmt.Errorf("reading primary.xml: %w", err))
				return
			}
			pkg, err := p.pkg()
			if !yield(pkg, err) || err != nil {
				return
			}
		}
	}
}

func (p xmlPackage) pkg() (Package, error) {
	epoch := 0
	if p.Version.Epoch != "" {
		var err error
		if epoch, err = strconv.Atoi(p.Version.Epoch); err != nil {
			return Package{}, fmt.Errorf("reading primary.xml: package %s: epoch %q", p.Name, p.Version.Epoch)
		}
	}
	return Package{
		NEVRA:    NEVRA{Name: p.Name, Epoch: epoch, Version: p.Version.Version, Release: p.Version.Release, Arch: p.Arch},
		Checksum: p.Checksum.checksum(), Size: p.Size.Package, InstalledSize: p.Size.Installed,
		BuildTime: p.Time.Build, Location: p.Location.Href, Source: p.Format.Source,
		Provides: deps(p.Format.Provides), Requires: deps(p.Format.Requires),
	}, nil
}

func deps(entries []xmlDep) []Dep {
	var list []Dep
	for _, e := range entries {
		d := Dep{Name: e.Name, Flags: e.Flags, Version: e.Version}
		if e.Epoch != "" && e.Epoch != "0" {
			d.Version = e.Epoch + ":" + d.Version
		}
		if e.Release != "" {
			d.Version += "-" + e.Release
		}
		list = append(list, d)
	}
	return list
}

// ReadRepo lists the packages of the repository in a local directory, in the order of its
// primary.xml. A checksum that does not fit is an error.
func ReadRepo(dir string) ([]Package, error) {
	file, err := os.Open(filepath.Join(dir, "repodata/repomd.xml"))
	if err != nil {
		return nil, fmt.Errorf("reading repository: %w", err)
	}
	defer file.Close()
	md, err := ReadRepomd(file)
	if err != nil {
		return nil, fmt.Errorf("reading repository %s: %w", dir, err)
	}
	primary, ok := md.Find("primary")
	if !ok {
		return nil, fmt.Errorf("reading repository %s: repomd.xml names no primary.xml", dir)
	}
	if !filepath.IsLocal(primary.Location) {
		return nil, fmt.Errorf("reading repository %s: primary.xml at %q is outside of it", dir, primary.Location)
	}
	list, err := readPrimaryFile(filepath.Join(dir, primary.Location), primary.Checksum)
	if err != nil {
		return nil, fmt.Errorf("reading repository %s: %w", dir, err)
	}
	return list, nil
}

func readPrimaryFile(name string, want Checksum) ([]Package, error) {
	sum, err := newHash(want.Type)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	tee := bufio.NewReader(io.TeeReader(file, sum))
	plain, err := decompress(tee)
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", filepath.Base(name), err)
	}
	defer plain.Close()
	list := []Package{}
	for pkg, err := range ReadPrimary(plain) {
		if err != nil {
			return nil, err
		}
		list = append(list, pkg)
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Base(name), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.Hex {
		return nil, fmt.Errorf("%s: %s is %s, repomd.xml says %s", filepath.Base(name), want.Type, got, want.Hex)
	}
	return list, nil
}

func newHash(kind string) (hash.Hash, error) {
	switch kind {
	case "sha256":
		return sha256.New(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("checksums of type %q are not supported: make the repository with sha256", kind)
}

// decompress tells gzip, zstd, xz and plain text by their first bytes.
func decompress(r *bufio.Reader) (io.ReadCloser, error) {
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case strings.HasPrefix(string(magic), "\x1f\x8b"):
		return gzip.NewReader(r)
	case string(magic) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case string(magic) == "\xfd7zX":
		x, err := xz.NewReader(r)
		return io.NopCloser(x), err
	}
	return io.NopCloser(r), nil
}
