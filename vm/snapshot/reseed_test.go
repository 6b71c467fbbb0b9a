package snapshot

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/vm"
)

// The programs are executables for their machines, and the one for this machine
// asks the kernel what it should: root may, on the right file.
func TestReseedProgram(t *testing.T) {
	for arch, machine := range map[vm.Arch]elf.Machine{vm.X86_64: elf.EM_X86_64, vm.AArch64: elf.EM_AARCH64} {
		f, err := elf.NewFile(bytes.NewReader(reseedProgram(arch)))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if f.Machine != machine || len(f.Progs) != 1 || f.Entry != f.Progs[0].Vaddr+elfHeader+elfSegment {
			t.Errorf("%s: %+v", arch, f.FileHeader)
		}
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the program that can run here is for x86_64")
	}
	program := filepath.Join(t.TempDir(), "reseed")
	if err := os.WriteFile(program, reseedProgram(vm.X86_64), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"/dev/urandom": 0, "/dev/null": int(unix.ENOTTY)} {
		if want == 0 && os.Geteuid() != 0 {
			want = int(unix.EPERM)
		}
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Stdin = in
		_ = cmd.Run() // the status says it
		in.Close()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("on %s: status %d, want %d", name, got, want)
		}
	}
}
