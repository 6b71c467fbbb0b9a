package live

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// What is read of ISO 9660 (ECMA-119, 4th edition) and of Rock Ridge (IEEE P1282).
const (
	isoSector       = 2048
	isoDescriptors  = 16       // first sector of them (6.7.1)
	isoMaxSectors   = 64       // descriptors that are looked at
	isoMaxDirectory = 16 << 20 // size of a directory, in bytes
	isoDirectory    = 0x02     // file flags (9.1.6)
	isoMore         = 0x80     // the file goes on in the next record
)

// Disc is an ISO that exists. It holds no more than it says.
type Disc struct {
	VolumeID string

	in   io.ReaderAt
	root Extent
}

// Extent is where a file's bytes are in an ISO.
type Extent struct{ Offset, Size int64 } // in bytes

// discEntry is a file or directory.
type discEntry struct {
	name string
	dir  bool
	Extent
}

// ReadDisc reads the beginning of an ISO.
func ReadDisc(in io.ReaderAt) (*Disc, error) {
	sector := make([]byte, isoSector)
	for n := range int64(isoMaxSectors) {
		if _, err := in.ReadAt(sector, (isoDescriptors+n)*isoSector); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, errors.New("it is no ISO 9660 image")
			}
			return nil, err
		}
		if string(sector[1:6]) != "CD001" || sector[0] == 0xff {
			break
		}
		if sector[0] != 1 { // the primary one
			continue
		}
		if size := binary.LittleEndian.Uint16(sector[128:]); size != isoSector {
			return nil, fmt.Errorf("it is an ISO with blocks of %d bytes: want %d", size, isoSector)
		}
		root, _, err := isoRecord(sector[156:190])
		if err != nil {
			return nil, err
		}
		return &Disc{VolumeID: strings.TrimRight(string(sector[40:72]), " \x00"), in: in, root: root.Extent}, nil
	}
	return nil, errors.New("it is no ISO 9660 image")
}

// Find gives the place of a regular file, by its path from the ISO's root. What
// it does not find has an error that is fs.ErrNotExist.
func (d *Disc) Find(name string) (Extent, error) {
	if !fs.ValidPath(name) || name == "." {
		return Extent{}, fmt.Errorf("%q is no name of a file in an ISO", name)
	}
	at := discEntry{dir: true, Extent: d.root}
	for part := range strings.SplitSeq(name, "/") {
		list, err := d.list(at)
		if err != nil {
			return Extent{}, fmt.Errorf("/%s: %w", name, err)
		}
		i := slices.IndexFunc(list, func(e discEntry) bool { return e.name == part })
		if i < 0 {
			return Extent{}, fmt.Errorf("the ISO has no /%s: %w", name, fs.ErrNotExist)
		}
		at = list[i]
	}
	if at.dir {
		return Extent{}, fmt.Errorf("/%s of the ISO is a directory", name)
	}
	return at.Extent, nil
}

// Open gives a file's content.
func (d *Disc) Open(name string) (*io.SectionReader, error) {
	e, err := d.Find(name)
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(d.in, e.Offset, e.Size), nil
}

// read gives the content of a small file.
func (d *Disc) read(name string, limit int64) ([]byte, error) {
	in, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	if in.Size() > limit {
		return nil, fmt.Errorf("/%s of the ISO has %d bytes: more than %d are not read", name, in.Size(), limit)
	}
	data := make([]byte, in.Size())
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, fmt.Errorf("reading /%s of the ISO: %w", name, err)
	}
	return data, nil
}

// Glob gives the names of the files in a directory that match, see path.Match.
func (d *Disc) Glob(dir, pattern string) ([]string, error) {
	at := discEntry{dir: true, Extent: d.root}
	for part := range strings.SplitSeq(dir, "/") {
		list, err := d.list(at)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(e discEntry) bool { return e.name == part && e.dir })
		if i < 0 {
			return nil, fmt.Errorf("the ISO has no /%s: %w", dir, fs.ErrNotExist)
		}
		at = list[i]
	}
	list, err := d.list(at)
	var names []string
	for _, e := range list {
		if ok, matchErr := path.Match(pattern, e.name); ok && !e.dir && matchErr == nil {
			names = append(names, path.Join(dir, e.name))
		}
	}
	return names, err
}

// list reads a directory.
func (d *Disc) list(dir discEntry) ([]discEntry, error) {
	if !dir.dir {
		return nil, errors.New("a directory is wanted, the ISO has a file")
	}
	if dir.Size > isoMaxDirectory {
		return nil, fmt.Errorf("a directory of %d bytes", dir.Size)
	}
	data := make([]byte, dir.Size)
	if _, err := d.in.ReadAt(data, dir.Offset); err != nil {
		return nil, fmt.Errorf("reading a directory of the ISO: %w", err)
	}
	var list []discEntry
	goesOn := false
	for len(data) > 0 {
		// A record is in one sector; zeros fill up its end (6.8.1.1).
		length := int(data[0])
		if length == 0 {
			data = data[min(len(data), (len(data)-1)%isoSector+1):]
			continue
		}
		if length > len(data) {
			return nil, errors.New("a directory of the ISO is damaged: a record goes beyond its end")
		}
		e, more, err := isoRecord(data[:length])
		if err != nil {
			return nil, err
		}
		data = data[length:]
		if last := len(list) - 1; goesOn && last >= 0 {
			if e.Offset != list[last].Offset+list[last].Size {
				return nil, fmt.Errorf("%s is not in one piece in the ISO", e.name)
			}
			list[last].Size += e.Size
		} else {
			list = append(list, e)
		}
		goesOn = more
	}
	return list, nil
}

// isoRecord decodes a directory record (9.1); more says that the next one goes on with it.
func isoRecord(b []byte) (e discEntry, more bool, err error) {
	damaged := errors.New("a directory of the ISO is damaged")
	if len(b) < 34 || len(b) < 33+int(b[32]) || b[32] == 0 {
		return e, false, damaged
	}
	e.Offset = int64(binary.LittleEndian.Uint32(b[2:])) * isoSector
	e.Size = int64(binary.LittleEndian.Uint32(b[10:]))
	e.dir = b[25]&isoDirectory != 0
	n := int(b[32])
	id := string(b[33 : 33+n])
	switch id {
	case "\x00":
		e.name = "."
		return e, false, nil
	case "\x01":
		e.name = ".."
		return e, false, nil
	}
	e.name = rockRidgeName(b[min(len(b), 33+n+(n+1)%2):])
	if e.name == "" {
		e.name, _, _ = strings.Cut(id, ";")
		e.name = strings.TrimSuffix(e.name, ".")
	}
	return e, b[25]&isoMore != 0, nil
}

// rockRidgeName puts the parts of an alternate name together (NM, 4.1.4); empty is none.
func rockRidgeName(use []byte) string {
	var name bytes.Buffer
	for len(use) >= 4 {
		length := int(use[2])
		if length < 4 || length > len(use) {
			break
		}
		if string(use[:2]) == "NM" && length > 5 {
			name.Write(use[5:length])
		}
		use = use[length:]
	}
	return name.String()
}
