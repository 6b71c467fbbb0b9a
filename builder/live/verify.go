package live

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// initrdTail is where in an initramfs the archive of WriteInitrd is looked for: so many bytes from its end.
// A hash of 65 bytes for each block makes it 130 KiB for a rootfs.img of 4 GiB.
const initrdTail = 1 << 20

// memberMost is what is read of one file of an archive into memory, in bytes.
const memberMost = 1 << 20

// Rootfs is what a rootfs.img holds.
type Rootfs struct {
	Build string   // whose it is
	Files []string // what else is in it
}

// ReadRootfs reads a rootfs.img to its end and finds whether it is one: the squashfs where live systems
// look for it, the build's id, nothing cut off.
func ReadRootfs(in io.Reader) (Rootfs, error) {
	var found Rootfs
	start := make([]byte, SquashfsOffset+len(squashMagic))
	if _, err := io.ReadFull(in, start); err != nil {
		return found, fmt.Errorf("reading rootfs.img: %w", err)
	}
	if string(start[SquashfsOffset:]) != squashMagic {
		return found, fmt.Errorf("no squashfs at byte %d", SquashfsOffset)
	}
	archive := cpio.NewReader(io.MultiReader(bytes.NewReader(start), in))
	for n := 0; ; n++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found, found.complete()
		}
		if err != nil {
			return found, fmt.Errorf("reading the archive: %w", err)
		}
		switch {
		case n == 0 && h.Name != SquashfsName:
			return found, fmt.Errorf("its first file is %q, want %s", h.Name, SquashfsName)
		case h.Name == RootfsStamp:
			text, err := io.ReadAll(io.LimitReader(archive, memberMost))
			if err != nil {
				return found, fmt.Errorf("reading the archive: %w", err)
			}
			found.Build = strings.TrimSuffix(string(text), "\n")
		case n > 0 && h.Mode.IsRegular():
			found.Files = append(found.Files, h.Name)
		}
	}
}

func (r Rootfs) complete() error {
	if r.Build == "" {
		return errors.New("it does not say of which build it is")
	}
	return nil
}

// ReadInitrd gives the files that WriteInitrd added to an initramfs of that size in bytes.
func ReadInitrd(in io.ReaderAt, size int64) (map[string][]byte, error) {
	start := max(0, size-initrdTail) &^ (cpioAlign - 1)
	tail := make([]byte, size-start)
	if _, err := in.ReadAt(tail, start); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the initramfs: %w", err)
	}
	magic := []byte{0x1f, 0x8b, 8} // of gzip (RFC 1952)
	for end := len(tail); ; {
		at := bytes.LastIndex(tail[:end], magic)
		if at < 0 {
			return nil, errors.New("it has no archive of a live system behind the system's own")
		}
		if at%cpioAlign == 0 {
			if files := readMember(tail[at:]); files[InitramfsStamp] != nil {
				return files, nil
			}
		}
		end = at
	}
}

// readMember reads a compressed archive; nil is that it is none.
func readMember(data []byte) map[string][]byte {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	zip.Multistream(false) // padding follows
	files := map[string][]byte{}
	archive := cpio.NewReader(io.LimitReader(zip, 2*memberMost))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil || h.Size > memberMost {
			return nil
		}
		if files[h.Name], err = io.ReadAll(archive); err != nil {
			return nil
		}
	}
}
