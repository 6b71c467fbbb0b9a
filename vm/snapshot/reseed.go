package snapshot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"

	"github.com/nestos/nosa/vm"
)

// reseedX86 and reseedARM ask the kernel to make new keys for its random numbers
// from its pool, at once instead of within a minute; no program of a usual
// system does. Standard input is /dev/urandom; the exit status is the errno.
//
//	mov $16, %eax      // ioctl            mov x0, #0
//	xor %edi, %edi                         mov x1, #0x5207
//	mov $0x5207, %esi  // RNDRESEEDCRNG    mov x2, #0
//	xor %edx, %edx                         mov x8, #29
//	syscall                                svc #0
//	mov %eax, %edi                         neg x0, x0
//	neg %edi                               mov x8, #93
//	mov $60, %eax      // exit             svc #0
//	syscall
const (
	reseedX86 = "b81000000031ffbe0752000031d20f0589c7f7dfb83c0000000f05"
	reseedARM = "000080d2e1408ad2020080d2a80380d2010000d4e00300cba80b80d2010000d4"
)

// The parts of the program's file.
const (
	elfHeader  = 64
	elfSegment = 56
	elfBase    = 0x400000 // where it is loaded
)

// reseedProgram is an executable for a guest, as small as the kernel takes it:
// a header, one segment, the code (elf(5)).
func reseedProgram(arch vm.Arch) []byte {
	text, machine := reseedX86, elf.EM_X86_64
	if arch == vm.AArch64 {
		text, machine = reseedARM, elf.EM_AARCH64
	}
	code, err := hex.DecodeString(text)
	if err != nil {
		panic("snapshot: code is not hex: " + err.Error())
	}
	var b bytes.Buffer
	size := uint64(elfHeader + elfSegment + len(code))
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	_ = binary.Write(&b, binary.LittleEndian, elf.Header64{ // a Buffer takes everything
		Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Entry: elfBase + elfHeader + elfSegment, Phoff: elfHeader, Ehsize: elfHeader, Phentsize: elfSegment, Phnum: 1,
	})
	_ = binary.Write(&b, binary.LittleEndian, elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: elfBase, Paddr: elfBase,
		Filesz: size, Memsz: size, Align: 0x1000,
	})
	b.Write(code)
	return b.Bytes()
}
