package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"

	"github.com/nestos/nosa/workspace/event"
)

// Sizes of UEFI 2.10 §5.3; 128 entries is the number every program writes.
const (
	gptEntries    = 128
	gptEntrySize  = 128
	gptHeaderSize = 92
	gptNameUnits  = 36 // UTF-16LE code units
	mbrTable      = 446
	mbrSize       = 512
)

// gptHeader is the header on disk, little-endian, without its padding.
type gptHeader struct {
	Signature   [8]byte
	Revision    uint32
	HeaderSize  uint32
	HeaderCRC   uint32
	_           uint32
	Current     uint64
	Other       uint64
	FirstUsable uint64
	LastUsable  uint64
	Disk        [16]byte
	Table       uint64
	Entries     uint32
	EntrySize   uint32
	TableCRC    uint32
}

// gptEntry is one entry of the table on disk.
type gptEntry struct {
	Type  [16]byte
	UUID  [16]byte
	First uint64
	Last  uint64
	Attrs uint64
	Name  [gptNameUnits]uint16
}

// chunk is bytes and where on the disk they go.
type chunk struct {
	at   event.Bytes
	data []byte
}

// gpt gives the protective MBR with bootCode (at most 446 bytes; nil is none)
// and both copies of l's partition table.
func gpt(l Layout, bootCode []byte) ([]chunk, error) {
	sector := l.SectorSize
	sectors := uint64(l.Size / sector)
	table, err := gptTable(l)
	if err != nil {
		return nil, err
	}
	disk, err := l.GUID.mixed()
	if err != nil {
		return nil, err
	}
	tableSectors := uint64(len(table)) / uint64(sector)
	header := gptHeader{
		Revision: 0x10000, HeaderSize: gptHeaderSize, Current: 1, Other: sectors - 1,
		FirstUsable: 2 + tableSectors, LastUsable: sectors - 2 - tableSectors, Disk: disk, Table: 2,
		Entries: gptEntries, EntrySize: gptEntrySize, TableCRC: crc32.ChecksumIEEE(table),
	}
	copy(header.Signature[:], "EFI PART")
	for _, p := range l.Partitions {
		if first, last := uint64(p.Start/sector), uint64((p.Start+p.Size)/sector)-1; first < header.FirstUsable || last > header.LastUsable {
			return nil, fmt.Errorf("partition %s (sectors %d to %d) is not inside the disk (%d to %d)",
				p.Name, first, last, header.FirstUsable, header.LastUsable)
		}
	}
	second := header
	second.Current, second.Other, second.Table = sectors-1, 1, sectors-1-tableSectors
	mbr, err := protectiveMBR(sectors, bootCode)
	if err != nil {
		return nil, err
	}
	return []chunk{
		{0, mbr},
		{sector, header.encode()},
		{2 * sector, table},
		{event.Bytes(second.Table) * sector, table},
		{event.Bytes(second.Current) * sector, second.encode()},
	}, nil
}

// encode gives the header's bytes with its checksum.
func (h gptHeader) encode() []byte {
	h.HeaderCRC = 0
	raw := littleEndian(h)
	binary.LittleEndian.PutUint32(raw[16:], crc32.ChecksumIEEE(raw))
	return raw
}

// gptTable gives the partition entries, all of them.
func gptTable(l Layout) ([]byte, error) {
	if len(l.Partitions) > gptEntries {
		return nil, fmt.Errorf("%d partitions: a table has %d entries", len(l.Partitions), gptEntries)
	}
	table := make([]byte, 0, gptEntries*gptEntrySize)
	for _, p := range l.Partitions {
		e := gptEntry{First: uint64(p.Start / l.SectorSize), Last: uint64((p.Start+p.Size)/l.SectorSize) - 1}
		name := utf16.Encode([]rune(p.Name))
		if len(name) > gptNameUnits {
			return nil, fmt.Errorf("partition name %q: longer than %d characters", p.Name, gptNameUnits)
		}
		copy(e.Name[:], name)
		var err error
		if e.Type, err = p.Type.mixed(); err != nil {
			return nil, fmt.Errorf("type of partition %s: %w", p.Name, err)
		}
		if e.UUID, err = p.UUID.mixed(); err != nil {
			return nil, fmt.Errorf("UUID of partition %s: %w", p.Name, err)
		}
		table = append(table, littleEndian(e)...)
	}
	return append(table, make([]byte, cap(table)-len(table))...), nil
}

// protectiveMBR gives the first sector: boot code, and one partition of type
// 0xEE over everything so that a program that knows no GPT keeps its hands off.
func protectiveMBR(sectors uint64, bootCode []byte) ([]byte, error) {
	if len(bootCode) > mbrTable {
		return nil, fmt.Errorf("boot code of %d bytes: the first sector has room for %d", len(bootCode), mbrTable)
	}
	mbr := make([]byte, mbrSize)
	copy(mbr, bootCode)
	entry := mbr[mbrTable:]
	copy(entry, []byte{0, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff})
	binary.LittleEndian.PutUint32(entry[8:], 1)
	binary.LittleEndian.PutUint32(entry[12:], uint32(min(sectors-1, 0xffffffff)))
	mbr[510], mbr[511] = 0x55, 0xaa
	return mbr, nil
}

func littleEndian(v any) []byte {
	var buf bytes.Buffer
	if err := binary.Write(&buf, binary.LittleEndian, v); err != nil {
		panic(err) // only for a type without a fixed size
	}
	return buf.Bytes()
}

func writeChunks(w io.WriterAt, chunks []chunk) error {
	for _, c := range chunks {
		if _, err := w.WriteAt(c.data, int64(c.at)); err != nil {
			return fmt.Errorf("writing at byte %d: %w", c.at, err)
		}
	}
	return nil
}
