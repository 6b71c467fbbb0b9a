package ostree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Aspect is in what two entries of one path differ.
type Aspect string

// The aspects. Another type of file is that alone.
const (
	AspectType    Aspect = "type"
	AspectContent Aspect = "content"
	AspectTarget  Aspect = "target"
	AspectMode    Aspect = "mode"
	AspectOwner   Aspect = "owner"
	AspectXattrs  Aspect = "xattrs"
)

// Compare says in what two entries of one path differ, whose objects this
// repository has.
func (r Repo) Compare(a, b Entry) ([]Aspect, error) {
	if a.Mode&unix.S_IFMT != b.Mode&unix.S_IFMT {
		return []Aspect{AspectType}, nil
	}
	var list []Aspect
	if a.Target != b.Target {
		list = append(list, AspectTarget)
	}
	if a.Mode != b.Mode {
		list = append(list, AspectMode)
	}
	if a.UID != b.UID || a.GID != b.GID {
		list = append(list, AspectOwner)
	}
	if !bytes.Equal(a.Xattrs, b.Xattrs) {
		list = append(list, AspectXattrs)
	}
	if !a.IsRegular() || a.Checksum == b.Checksum {
		return list, nil
	}
	// The checksum is of everything: the contents are read only when nothing
	// else tells.
	differ := len(list) == 0 || a.Size != b.Size
	if !differ {
		same, err := r.sameContent(a.Checksum, b.Checksum)
		if err != nil {
			return nil, fmt.Errorf("comparing %s: %w", a.Path, err)
		}
		differ = !same
	}
	if differ {
		list = append([]Aspect{AspectContent}, list...)
	}
	return list, nil
}

// sameContent compares the contents of two objects.
func (r Repo) sameContent(a, b string) (bool, error) {
	var files [2]*os.File
	for i, sum := range []string{a, b} {
		f, err := os.Open(r.object(sum, extFile))
		if err != nil {
			return false, err
		}
		defer f.Close()
		files[i] = f
	}
	var bufs [2][64 << 10]byte
	for {
		n, errA := io.ReadFull(files[0], bufs[0][:])
		m, errB := io.ReadFull(files[1], bufs[1][:])
		if !bytes.Equal(bufs[0][:n], bufs[1][:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			ended := func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
			if !ended(errA) || !ended(errB) {
				return false, errors.Join(errA, errB)
			}
			return true, nil
		}
	}
}
