package pool

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// debFile is one entry of a package's data archive.
type debFile struct {
	path        string // absolute, clean
	mode        uint   // permission bits with setuid, setgid and sticky
	kind        byte   // tar.TypeReg, TypeDir or TypeSymlink
	user, group string
	mtime       int64
	target      string // of a link
	body        []byte
	ghost       bool // named in the package, but not in its payload
}

// debPackage is an unpacked .deb.
type debPackage struct {
	control   stanza
	conffiles map[string]bool
	files     []debFile
}

// arMagic begins every ar archive; deb(5).
const arMagic = "!<arch>\n"

// readDeb reads a .deb: an ar archive of debian-binary, control.tar.* and data.tar.*.
func readDeb(name string) (*debPackage, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	magic := make([]byte, len(arMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != arMagic {
		return nil, errors.New("not an ar archive")
	}
	d := &debPackage{conffiles: map[string]bool{}}
	for {
		member, size, err := arHeader(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		body := io.LimitReader(r, size)
		if err := d.readMember(member, body); err != nil {
			return nil, fmt.Errorf("%s: %w", member, err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, err
		}
		if size%2 == 1 {
			_, _ = r.Discard(1)
		}
	}
	if d.control == nil {
		return nil, errors.New("no control.tar")
	}
	return d, nil
}

// arHeader reads the 60 bytes before a member: name 16, mtime 12, uid 6, gid
// 6, mode 8, size 10, magic 2.
func arHeader(r io.Reader) (string, int64, error) {
	var h [60]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return "", 0, err
	}
	if string(h[58:]) != "`\n" {
		return "", 0, errors.New("damaged ar header")
	}
	size, err := strconv.ParseInt(strings.TrimSpace(string(h[48:58])), 10, 64)
	if err != nil || size < 0 {
		return "", 0, fmt.Errorf("ar member size %q", h[48:58])
	}
	return strings.TrimSuffix(strings.TrimSpace(string(h[:16])), "/"), size, nil
}

func (d *debPackage) readMember(name string, r io.Reader) error {
	var read func(*tar.Reader) error
	switch {
	case strings.HasPrefix(name, "control.tar"):
		read = d.readControl
	case strings.HasPrefix(name, "data.tar"):
		read = d.readData
	default:
		return nil
	}
	z, err := decompress(path.Ext(name), r)
	if err != nil {
		return err
	}
	defer z.Close()
	return read(tar.NewReader(z))
}

func decompress(ext string, r io.Reader) (io.ReadCloser, error) {
	switch ext {
	case ".tar":
		return io.NopCloser(r), nil
	case ".gz":
		return gzip.NewReader(r)
	case ".xz":
		z, err := xz.NewReader(r)
		return io.NopCloser(z), err
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("unknown compression %q", ext)
}

func (d *debPackage) readControl(t *tar.Reader) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch path.Clean(h.Name) {
		case "control":
			if err := readStanzas(t, nil, func(s stanza) error { d.control = s; return nil }); err != nil {
				return err
			}
		case "conffiles":
			b, err := io.ReadAll(t)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(b)) {
				d.conffiles[strings.TrimSpace(line)] = true
			}
		}
	}
}

func (d *debPackage) readData(t *tar.Reader) error {
	at := map[string]int{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f, err := newDebFile(h)
		if err != nil {
			return err
		}
		if f.path == "/" {
			continue
		}
		switch h.Typeflag {
		case tar.TypeReg:
			if f.body, err = io.ReadAll(t); err != nil {
				return err
			}
		case tar.TypeLink:
			i, ok := at[absPath(h.Linkname)]
			if !ok {
				return fmt.Errorf("hard link %s to %s, which is not before it", f.path, h.Linkname)
			}
			f.kind, f.body, f.target = tar.TypeReg, d.files[i].body, ""
		case tar.TypeDir, tar.TypeSymlink:
		default:
			return fmt.Errorf("%s: entries of type %q cannot be packaged", f.path, h.Typeflag)
		}
		at[f.path] = len(d.files)
		d.files = append(d.files, f)
	}
}

func newDebFile(h *tar.Header) (debFile, error) {
	for part := range strings.SplitSeq(h.Name, "/") {
		if part == ".." {
			return debFile{}, fmt.Errorf("path %q leaves the root", h.Name)
		}
	}
	f := debFile{path: absPath(h.Name), mode: uint(h.Mode & 0o7777), kind: h.Typeflag, mtime: h.ModTime.Unix(), target: h.Linkname}
	f.user, f.group = accountName(h.Uname, h.Uid), accountName(h.Gname, h.Gid)
	return f, nil
}

func absPath(name string) string { return path.Clean("/" + name) }

// accountName trusts the archive's names; only root may be a bare number.
func accountName(name string, id int) string {
	if name == "" && id == 0 {
		return "root"
	}
	if name == "" {
		return strconv.Itoa(id)
	}
	return name
}
