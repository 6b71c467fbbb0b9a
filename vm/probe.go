package vm

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync"
)

// probeSays is what the probe's code prints on the first serial port.
const probeSays = "nosa probe ok"

// probeSize is the size of the probe's disk: SeaBIOS reads none of a single sector.
const probeSize = 1 << 20

// probeX86 is a boot sector. It sets up page tables, enters long mode and prints
// from there, since a host may run a guest's real mode and hang in what Linux
// does next:
//
//	  ljmp $0, $1f              mov $0x1000, %eax       long:
//	1: cli                      mov %eax, %cr3            mov $16, %eax
//	  xor %ax, %ax              mov $0xc0000080, %ecx     mov %eax, %ds
//	  mov %ax, %ds|%es|%ss      rdmsr                     mov %eax, %ss
//	  mov $0x7c00, %sp          or $0x100, %eax           lea text(%rip), %rsi
//	  cld                       wrmsr                     mov $0x3f8, %edx
//	  mov $0x1000, %di          mov %cr0, %eax          2: lodsb
//	  mov $0x1800, %cx          or $0x80000001, %eax      test %al, %al
//	  rep stosw                 mov %eax, %cr0            jz 3f
//	  movw $0x2003, 0x1000      ljmp $8, $long            out %al, %dx
//	  movw $0x3003, 0x2000                                jmp 2b
//	  movw $0x0083, 0x3000      gdt: 0                  3: hlt
//	  lgdt gdtr                   0x00209a0000000000      jmp 3b
//	  mov %cr4, %eax              0x0000920000000000    text: .asciz …
//	  or $0x20, %eax
//	  mov %eax, %cr4
const probeX86 = "" +
	"ea057c0000fa31c08ed88ec08ed0bc007cfcbf0010b90018f3abc70600100320" +
	"c70600200330c706003083000f0116b07c0f20e06683c8200f22e066b8001000" +
	"000f22d866b9800000c00f32660d000100000f300f20c0660d010000800f22c0" +
	"ea657c0800b8100000008ed88ed0488d3510000000baf8030000ac84c07403ee" +
	"ebf8f4ebfd6e6f73612070726f6265206f6b0a000f1f40000000000000000000" +
	"00000000009a200000000000009200001700987c00000000"

// probeARM is a raw kernel for QEMU's virt machine: it prints on the PL011 at
// 0x09000000 (hw/arm/virt.c).
//
//	movz x0, #0x0900, lsl #16
//	adr  x1, text
//
// 1: ldrb w2, [x1], #1; cbz w2, 2f; str w2, [x0]; b 1b
// 2: wfi; b 2b
const probeARM = "0020a1d2e10000102214403862000034020000b9fdffff177f2003d5ffffff17" +
	"6e6f73612070726f6265206f6b0a00"

// probeCode is the file that the probe boots.
func probeCode(arch Arch) []byte {
	text := probeX86
	if arch == AArch64 {
		text = probeARM
	}
	code, err := hex.DecodeString(text)
	if err != nil {
		panic("vm: probe code is not hex: " + err.Error())
	}
	if arch == AArch64 {
		return code
	}
	disk := make([]byte, probeSize)
	copy(disk, code)
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}

// watchFor is a writer that calls found once text has been written to it.
type watchFor struct {
	text  string
	found func()

	mu   sync.Mutex
	buf  bytes.Buffer
	done bool
}

func (w *watchFor) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done || w.buf.Len() > 1<<20 {
		return len(p), nil
	}
	w.buf.Write(p)
	if strings.Contains(w.buf.String(), w.text) {
		w.done = true
		w.found()
	}
	return len(p), nil
}

func (w *watchFor) seen() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}
