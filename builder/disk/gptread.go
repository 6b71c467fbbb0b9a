package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/nestos/nosa/workspace/event"
)

// maxTable bounds the entries that are read of a partition table, in bytes.
const maxTable = 1 << 20

// ReadGPT reads the partition table of a disk of size bytes and checks all of
// it: the protective MBR, both headers and both copies of the entries with
// their checksums, that the second copy ends the disk and is the same table,
// that every partition lies inside and none in another. The error joins what is
// wrong; the partitions are those of the first copy that is whole.
func ReadGPT(in io.ReaderAt, size, sector event.Bytes) (Layout, error) {
	l := Layout{SectorSize: sector, Size: size}
	if size%sector != 0 || size < 4*sector {
		return l, fmt.Errorf("the disk has %d bytes: no multiple of its sectors of %d", size, sector)
	}
	last := uint64(size/sector) - 1
	errs := []error{checkMBR(in)}
	first, firstErr := readGPTCopy(in, sector, 1)
	if firstErr != nil {
		errs = append(errs, fmt.Errorf("first copy of the table: %w", firstErr))
	}
	second, secondErr := readGPTCopy(in, sector, last)
	if secondErr != nil {
		errs = append(errs, fmt.Errorf("second copy of the table, at the end of the disk: %w", secondErr))
	}
	good := first
	switch {
	case firstErr == nil && secondErr == nil:
		errs = append(errs, first.agrees(second, last))
	case firstErr != nil && secondErr != nil:
		return l, errors.Join(errs...)
	case firstErr != nil:
		good = second
	}
	l.GUID = guidOf(good.header.Disk)
	var err error
	l.Partitions, err = good.partitions(last, sector)
	return l, errors.Join(append(errs, err)...)
}

// checkMBR looks for the one partition that keeps other programs off the disk.
func checkMBR(in io.ReaderAt) error {
	mbr := make([]byte, mbrSize)
	if _, err := in.ReadAt(mbr, 0); err != nil {
		return fmt.Errorf("reading the first sector: %w", err)
	}
	if mbr[510] != 0x55 || mbr[511] != 0xaa {
		return errors.New("the first sector is no MBR")
	}
	for i := range 4 {
		if mbr[mbrTable+16*i+4] == 0xee {
			return nil
		}
	}
	return errors.New("the MBR does not protect the partition table")
}

// gptCopy is one of a disk's two copies of the table.
type gptCopy struct {
	header gptHeader
	table  []byte
}

// readGPTCopy reads the copy with its header in sector at.
func readGPTCopy(in io.ReaderAt, sector event.Bytes, at uint64) (gptCopy, error) {
	var c gptCopy
	raw := make([]byte, sector)
	if _, err := in.ReadAt(raw, int64(at)*int64(sector)); err != nil {
		return c, fmt.Errorf("reading the header: %w", err)
	}
	h := &c.header
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, h); err != nil {
		return c, fmt.Errorf("reading the header: %w", err)
	}
	if string(h.Signature[:]) != "EFI PART" {
		return c, fmt.Errorf("sector %d holds no header", at)
	}
	if h.HeaderSize < gptHeaderSize || event.Bytes(h.HeaderSize) > sector {
		return c, fmt.Errorf("the header says that it has %d bytes", h.HeaderSize)
	}
	clear(raw[16:20]) // the checksum is over itself as zero
	if got := crc32.ChecksumIEEE(raw[:h.HeaderSize]); got != h.HeaderCRC {
		return c, fmt.Errorf("the header's checksum is %08x, want %08x", got, h.HeaderCRC)
	}
	if h.Current != at {
		return c, fmt.Errorf("the header says that it is in sector %d, it is in %d", h.Current, at)
	}
	if h.EntrySize < gptEntrySize || uint64(h.Entries)*uint64(h.EntrySize) > maxTable || h.Table > 1<<52 {
		return c, fmt.Errorf("the header has %d entries of %d bytes in sector %d", h.Entries, h.EntrySize, h.Table)
	}
	c.table = make([]byte, h.Entries*h.EntrySize)
	if _, err := in.ReadAt(c.table, int64(h.Table)*int64(sector)); err != nil {
		return c, fmt.Errorf("reading the entries: %w", err)
	}
	if got := crc32.ChecksumIEEE(c.table); got != h.TableCRC {
		return c, fmt.Errorf("the entries' checksum is %08x, want %08x", got, h.TableCRC)
	}
	return c, nil
}

// agrees says in what the second copy is not that of the first.
func (c gptCopy) agrees(second gptCopy, last uint64) error {
	a, b := c.header, second.header
	switch {
	case a.Other != last:
		return fmt.Errorf("the second copy of the table is said to be in sector %d, the disk ends with %d", a.Other, last)
	case b.Other != a.Current:
		return fmt.Errorf("the second copy of the table says that the first is in sector %d", b.Other)
	case a.Disk != b.Disk || a.FirstUsable != b.FirstUsable || a.LastUsable != b.LastUsable || !bytes.Equal(c.table, second.table):
		return errors.New("the two copies of the table differ")
	}
	return nil
}

// partitions decodes the entries that are in use.
func (c gptCopy) partitions(last uint64, sector event.Bytes) ([]Partition, error) {
	h := c.header
	var list []Partition
	var errs []error
	if h.FirstUsable < 2 || h.LastUsable >= last || h.FirstUsable > h.LastUsable {
		errs = append(errs, fmt.Errorf("the table gives sectors %d to %d to partitions, the disk ends with %d", h.FirstUsable, h.LastUsable, last))
	}
	for raw := range slices.Chunk(c.table, int(h.EntrySize)) {
		var e gptEntry
		if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, &e); err != nil {
			return list, fmt.Errorf("reading an entry: %w", err)
		}
		if e.Type == [16]byte{} {
			continue
		}
		p := Partition{Name: entryName(e), Type: guidOf(e.Type), UUID: guidOf(e.UUID)}
		if e.First < h.FirstUsable || e.Last > min(h.LastUsable, last) || e.First > e.Last {
			errs = append(errs, fmt.Errorf("partition %s (sectors %d to %d) is not inside the disk (%d to %d)", p.Name, e.First, e.Last, h.FirstUsable, min(h.LastUsable, last)))
			continue
		}
		p.Start, p.Size = event.Bytes(e.First)*sector, event.Bytes(e.Last-e.First+1)*sector
		for _, other := range list {
			if p.Start < other.Start+other.Size && other.Start < p.Start+p.Size {
				errs = append(errs, fmt.Errorf("partitions %s and %s overlap", other.Name, p.Name))
			}
		}
		list = append(list, p)
	}
	if len(list) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("the table has no partitions"))
	}
	return list, errors.Join(errs...)
}

func entryName(e gptEntry) string {
	return strings.TrimRight(string(utf16.Decode(e.Name[:])), "\x00")
}

// guidOf is the text of a GUID as GPT stores it.
func guidOf(b [16]byte) GUID {
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
	text := hex.EncodeToString(b[:])
	return GUID(strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-"))
}
