package disk

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

// TestReadEFIProgram reads what the real grub-mkimage writes.
func TestReadEFIProgram(t *testing.T) {
	const modules = "/usr/lib/grub/x86_64-efi"
	need(t, "grub-mkimage", modules)
	out := filepath.Join(t.TempDir(), "grub.efi")
	args := []string{"grub-mkimage", "-O", "x86_64-efi", "-d", modules, "-p", "/EFI/nosa", "-o", out, "fat", "true"}
	if err := proc.Run(t.Context(), proc.Cmd{Args: args}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadEFIProgram(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(EFIProgram{Prefix: "/EFI/nosa", Modules: []string{"fat", "fshelp", "true"}}, got); d != "" {
		t.Error(d)
	}
	// The entry of the signatures in the optional header: 4 is its number, 112 where the table begins.
	optional := binary.LittleEndian.Uint32(data[0x3c:]) + 24
	binary.LittleEndian.PutUint32(data[optional+112+4*8+4:], 2200)
	if got, err = ReadEFIProgram(data); err != nil || !got.Signed {
		t.Errorf("a program with a table of signatures: %+v, %v", got, err)
	}
	for _, size := range []int{len(data) / 2, 100, 0} {
		if p, err := ReadEFIProgram(data[:size]); err == nil {
			t.Errorf("the first %d bytes are read as %+v", size, p)
		}
	}
}
