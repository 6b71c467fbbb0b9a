package main

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nestos/nosa/workspace/machine"
)

// The words of the tiny guest.
const (
	tinyBanner   = "tiny guest\r\n"
	tinyFlood    = 'F' // prints "flood NNNNNNNN" lines, until a key that it takes
	tinyFloodEnd = "end of flood\r\n"
	tinyOff      = 'Q' // powers off, by QEMU's ACPI port
	tinyLine     = len("flood 00000001\r\n")
)

// tinySize is the size of its disk: SeaBIOS reads none of a single sector.
const tinySize = 1 << 20

// tinyX86 is a boot sector that talks on the first serial port: a banner, then
// the echo of what is typed.
//
//	  ljmp $0, $1f            off:                       put: # %al
//	1: cli                      mov $0x604, %dx             mov %al, %ah
//	  xor %ax, %ax              mov $0x2000, %ax         6: mov $0x3fd, %dx
//	  mov %ax, %ds              outw %ax, %dx               inb %dx, %al
//	  mov %ax, %ss            5: hlt                        test $0x20, %al
//	  mov $0x7c00, %sp          jmp 5b                      jz 6b
//	  cld                     flood:                        mov $0x3f8, %dx
//	  mov $banner, %si          mov $digit+7, %di           mov %ah, %al
//	  call print              3: incb (%di)                 outb %al, %dx
//	key:                        cmpb $':', (%di)            ret
//	  call wait                 jne 4f                   print: # %si
//	  jz 2f                     movb $'0', (%di)            lodsb
//	  mov $broken, %si          dec %di                     test %al, %al
//	  call print                jmp 3b                      jz 7f
//	  jmp key                 4: mov $line, %si             call put
//	2: cmp $'F', %al            call print                  jmp print
//	  je flood                  mov $0x3fd, %dx          7: ret
//	  cmp $'Q', %al             inb %dx, %al             banner: .asciz "\r\ntiny guest\r\n"
//	  je off                    test $1, %al             broken: .asciz "break\r\n"
//	  call put                  jz flood                 over: .asciz "end of flood\r\n"
//	  jmp key                   call wait                line: .ascii "flood "
//	wait: # %al; nz: a break    mov $over, %si           digit: .asciz "00000000\r\n"
//	  mov $0x3fd, %dx           call print
//	  inb %dx, %al              jmp key
//	  test $1, %al
//	  jz wait
//	  mov %al, %ah
//	  mov $0x3f8, %dx
//	  inb %dx, %al
//	  test $0x10, %ah
//	  ret
const tinyX86 = "" +
	"ea057c0000fa31c08ed88ed0bc007cfcbe917ce87000e84a007408bea07ce865" +
	"00ebf33c4674093c51742ee84700ebe6bfc47cfe05803d3a7506c605304febf3" +
	"beb77ce84000bafd03eca80174e2e81200bea87ce82f00ebbdba0406b80020ef" +
	"f4ebfdbafd03eca80174f888c4baf803ecf6c410c388c4bafd03eca82074f8ba" +
	"f80388e0eec3ac84c07405e8e7ffebf6c30d0a74696e792067756573740d0a00" +
	"627265616b0d0a00656e64206f6620666c6f6f640d0a00666c6f6f6420303030" +
	"30303030300d0a00"

// writeTiny makes the tiny guest's disk.
func writeTiny(path string) error {
	code, err := hex.DecodeString(tinyX86)
	if err != nil {
		return err
	}
	disk := make([]byte, tinySize)
	copy(disk, code)
	disk[510], disk[511] = 0x55, 0xaa
	return os.WriteFile(path, disk, 0o444)
}

// needQEMU skips what wants to boot.
func needQEMU(tb testing.TB) {
	tb.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img", "ssh-keygen", "ssh"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
				tb.Fatal(err)
			}
			tb.Skip(err)
		}
	}
}

// cmdTinyGuest makes a disk that boots in less than a second: tinyguest FILE.
// What runs below the script's directory at its end is ended.
func cmdTinyGuest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tinyguest FILE")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Check(writeTiny(ts.MkAbs(args[0])))
	work := ts.Getenv("WORK")
	ts.Setenv("NOSA_NO_KVM", "1") // QEMU emulates at once, and the probe costs seconds where KVM is broken
	ts.Setenv("XDG_RUNTIME_DIR", filepath.Join(work, "run"))
	ts.Check(os.MkdirAll(filepath.Join(work, "run"), 0o700))
	ts.Defer(func() {
		for _, pid := range pidsOf(hubCommand + "\x00" + work) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

// cmdWaitConsole waits until the newest machine below a directory has printed a
// text: waitconsole tmp/vms TEXT.
func cmdWaitConsole(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitconsole DIR TEXT")
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		list, err := machine.List(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(list) == 0 {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(list[0].Dir, "console.log"))
		if strings.Contains(string(text), args[1]) {
			ts.Setenv("VM", string(list[0].ID))
			return
		}
	}
	ts.Fatalf("no %q on the console after a minute", args[1])
}

// cmdKillHub kills the hub of a machine: killhub ID.
func cmdKillHub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: killhub ID")
	}
	pids := pidsOf(hubCommand + "\x00" + ts.MkAbs(filepath.Join("tmp", "vms", args[0])))
	if len(pids) != 1 {
		ts.Fatalf("%d hubs", len(pids))
	}
	ts.Check(syscall.Kill(pids[0], syscall.SIGKILL))
}

// pidsOf gives the processes with a text in their command line, in which a NUL is
// between two words.
func pidsOf(text string) []int {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []int
	for _, name := range names {
		data, err := os.ReadFile(name)
		pid, bad := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && bad == nil && pid != os.Getpid() && strings.Contains(string(data), text) {
			found = append(found, pid)
		}
	}
	return found
}
