package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// actAsInstaller makes TestMain's process the program, see TestKilled.
const actAsInstaller = "NESTOS_INSTALLER_TEST"

// TestKilled kills an installation in the middle: nothing boots from the disk,
// although an older system was on it.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image, disk := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, bytes.Repeat([]byte{0xaa}, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(image, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "install", disk, "--image-file", image)
	cmd.Env = append(os.Environ(), actAsInstaller+"=1")
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	part := diskImage(512)[:7<<20] // the rest never comes
	part[len(part)-1] = 1
	go func() { _, _ = in.Write(part) }()
	lines := bufio.NewScanner(says)
	for lines.Scan() && !strings.Contains(lines.Text(), "6.94 MiB of 8.00 MiB") {
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	got, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	if !bytes.Equal(got[:1<<20], zeros) || !bytes.Equal(got[8<<20:], zeros) || got[5<<20] != 1 {
		t.Errorf("the disk begins with %x, ends with %x and has %d in its middle", got[:4], got[9<<20-4:], got[5<<20])
	}
}
