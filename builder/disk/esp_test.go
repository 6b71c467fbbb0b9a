package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// A write that failed is an error although mtools ends with status 0.
func TestESPFailsWhereMtoolsDoesNot(t *testing.T) {
	dir := t.TempDir()
	for name, script := range map[string]string{
		"mkfs.fat": "echo mkfs.fat 4.2", "mmd": ":", "mcopy": "echo 'plain_io: No space left on device' >&2",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	v := volume{file: filepath.Join(dir, "disk"), dir: dir, sector: 512, part: Partition{Start: event.MiB, Size: event.MiB}}
	err := v.writeESP(t.Context(), []File{{Path: "EFI/BOOT/grub.cfg", Data: []byte("x")}}, nil)
	exit, ok := errors.AsType[*proc.ExitError](err)
	if !ok || !strings.Contains(strings.Join(exit.Tail, "\n"), "No space left on device") || !strings.Contains(err.Error(), "grub.cfg") {
		t.Errorf("got %v", err)
	}
}
