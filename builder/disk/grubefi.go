package disk

import (
	"bytes"
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// EFIProgram is what an EFI program, GRUB above all, says of itself.
type EFIProgram struct {
	Signed bool // it has signatures; whose and whether they are good is the firmware's to say
	// Prefix is the directory in which GRUB looks for its grub.cfg, "/EFI/debian";
	// Modules are those built in, sorted. Both are empty when it is no GRUB.
	Prefix  string
	Modules []string
}

// GRUB appends its modules to the program: a header, then objects with a header
// each (include/grub/kernel.h of grub 2.06).
const (
	grubMagic        = 0x676d696d
	grubObjectELF    = 0
	grubObjectPrefix = 3
	grubHeaderSize   = 24 // magic, padding, 64-bit offset of the first object, 64-bit size
	grubObjectHeader = 8  // type, size with the header
)

// ReadEFIProgram reads an EFI program.
func ReadEFIProgram(data []byte) (EFIProgram, error) {
	file, err := pe.NewFile(bytes.NewReader(data))
	if err != nil {
		return EFIProgram{}, fmt.Errorf("reading an EFI program: %w", err)
	}
	header, ok := file.OptionalHeader.(*pe.OptionalHeader64)
	if !ok {
		return EFIProgram{}, errors.New("reading an EFI program: it is no 64-bit PE file")
	}
	p := EFIProgram{Signed: header.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY].Size > 0}
	section := file.Section("mods")
	if section == nil {
		return p, nil
	}
	mods, err := section.Data()
	if err != nil {
		return p, fmt.Errorf("reading the modules of an EFI program: %w", err)
	}
	return p, p.readObjects(mods)
}

// readObjects reads GRUB's prefix and the names of its modules.
func (p *EFIProgram) readObjects(mods []byte) error {
	le := binary.LittleEndian
	if len(mods) < grubHeaderSize || le.Uint32(mods) != grubMagic {
		return errors.New("reading GRUB's modules: no header")
	}
	at, end := le.Uint64(mods[8:]), le.Uint64(mods[16:])
	if end > uint64(len(mods)) {
		return errors.New("reading GRUB's modules: the file is cut off")
	}
	for at < end {
		if end-at < grubObjectHeader {
			return errors.New("reading GRUB's modules: an object is cut off")
		}
		kind, size := le.Uint32(mods[at:]), uint64(le.Uint32(mods[at+4:]))
		if size < grubObjectHeader || size > end-at {
			return errors.New("reading GRUB's modules: an object is cut off")
		}
		body := mods[at+grubObjectHeader : at+size]
		switch kind {
		case grubObjectELF:
			name, err := moduleName(body)
			if err != nil {
				return err
			}
			p.Modules = append(p.Modules, name)
		case grubObjectPrefix:
			p.Prefix = cString(body)
		}
		at += size
	}
	slices.Sort(p.Modules)
	return nil
}

// moduleName gives the name that a GRUB module has in itself.
func moduleName(data []byte) (string, error) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("reading a GRUB module: %w", err)
	}
	section := file.Section(".modname")
	if section == nil {
		return "", errors.New("reading a GRUB module: it has no name")
	}
	name, err := section.Data()
	if err != nil {
		return "", fmt.Errorf("reading a GRUB module: %w", err)
	}
	return cString(name), nil
}

func cString(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	return text
}
