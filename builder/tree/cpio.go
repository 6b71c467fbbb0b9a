package tree

import (
	"bytes"
	"fmt"
	"slices"
)

// cpioEntry is one name in a newc archive. All are root's, with time 0.
type cpioEntry struct {
	name         string // without a leading slash
	mode         uint32 // as in st_mode
	major, minor uint32 // of a device
	data         []byte
}

// The bits of st_mode that say what a name is.
const (
	cpioDir  = 0o040000
	cpioFile = 0o100000
	cpioChar = 0o020000
)

// cpioArchive writes the newc format of the kernel's initramfs (Documentation/driver-api/
// early-userspace/buffer-format.rst): headers of hexadecimal text, names and data padded to four.
// The same entries give the same bytes.
func cpioArchive(entries []cpioEntry) []byte {
	var out bytes.Buffer
	for i, e := range append(slices.Clip(entries), cpioEntry{name: "TRAILER!!!"}) {
		links := 1
		if e.mode&0o170000 == cpioDir {
			links = 2
		}
		inode := i + 1
		if i == len(entries) {
			inode = 0
		}
		fmt.Fprintf(&out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			inode, e.mode, 0, 0, links, 0, len(e.data), 0, 0, e.major, e.minor, len(e.name)+1, 0)
		out.WriteString(e.name + "\x00")
		pad4(&out)
		out.Write(e.data)
		pad4(&out)
	}
	return out.Bytes()
}

func pad4(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
