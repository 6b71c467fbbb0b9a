package assets

import (
	"embed"
	"fmt"
)

//go:embed grub
var grub embed.FS

// Grub gives one of the pieces of GRUB's configuration: stub.cfg is for the
// ESP, head.cfg with one of blscfg.cfg and source.cfg makes /boot/grub2/grub.cfg,
// menu.cfg lies beside the latter. live.cfg is for the EFI partition of an ISO.
func Grub(name string) ([]byte, error) {
	text, err := grub.ReadFile("grub/" + name)
	if err != nil {
		return nil, fmt.Errorf("GRUB configuration %q: %w", name, err)
	}
	return text, nil
}
