//go:build e2e

package main

import (
	"strings"
	"testing"
)

// TestFullSecureBoot boots the sample's images on firmware that starts nothing
// unsigned, upgrades there and goes back, and sees an image refused whose system
// has no signed programs.
func TestFullSecureBoot(t *testing.T) {
	n := sample(t)
	n.run(0, "build", "--version", "12.1", "qemu", "metal4k")
	for _, artifact := range []string{"qemu", "metal4k"} {
		out := n.run(0, "check", "--artifact", artifact, "--firmware", "uefi-secure")
		if !strings.Contains(out, "Secure Boot") {
			t.Errorf("the check of %s does not look whether Secure Boot is on:\n%s", artifact, out)
		}
	}
	n.run(0, "build", "--version", "12.2", "--force", "ostree")
	n.run(0, "check", "--upgrade", "12.1..12.2", "--firmware", "uefi-secure")

	shell(t, n.dir+"/src/config", `sed -i 's/shim-signed grub-efi-amd64-signed //' manifests/boot.yaml`)
	n.run(0, "build", "--version", "12.3", "qemu")
	out := n.run(exitCheck, "check", "--firmware", "uefi-secure")
	if !strings.Contains(out, "the boot loader gave up") || !strings.Contains(out, "Access Denied") {
		t.Errorf("an unsigned image on firmware with Secure Boot:\n%s", out)
	}
}
