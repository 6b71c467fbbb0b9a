package check

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/vm/console"
	"github.com/nestos/nosa/vm/guest"
)

func TestSecureScript(t *testing.T) {
	s := guestShell(t)
	for want, value := range map[string]string{"enabled": "\x06\x00\x00\x00\x01", "disabled": "\x06\x00\x00\x00\x00", "not known to the firmware": ""} {
		dir := t.TempDir()
		if value != "" {
			if err := os.WriteFile(filepath.Join(dir, "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"), []byte(value), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := s.Run(t.Context(), secureScript(dir))
		if err != nil || strings.TrimSpace(out.Stdout) != want {
			t.Errorf("variable %q is %q, want %q (%v %q)", value, out.Stdout, want, err, out.Stderr)
		}
	}
}

// TestRefusedImage reads what OVMF prints when nothing in the image is signed.
func TestRefusedImage(t *testing.T) {
	ring := &console.Ring{}
	const misc, shell = `Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0)`, `Boot0002 "EFI Internal Shell" from Fv(7CB8BDC9-F8EB-4F34-AAEA-3EE4AF6516A1)`
	_, _ = io.WriteString(ring, "\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: loading "+misc+"\r\n"+
		"BdsDxe: failed to load "+misc+": Access Denied\r\n"+
		"BdsDxe: loading "+shell+"\r\nBdsDxe: starting "+shell+"\r\n"+
		"BdsDxe: failed to start "+shell+": Security Violation\r\n"+
		"BdsDxe: No bootable option or device was found.\r\n")
	_, err := guest.NewConsole(io.Discard, ring, quick()).Login(t.Context())
	trouble, ok := errors.AsType[*guest.BootError](err)
	if !ok || trouble.Trouble != guest.BootLoader || !strings.Contains(err.Error(), "Access Denied") {
		t.Errorf("an image that the firmware refuses: %v", err)
	}
}
