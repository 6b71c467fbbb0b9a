package assets

import (
	"embed"
	"fmt"
)

//go:embed grub
var grub embed.FS

// Grub gives one of the pieces of GRUB's configuration: early.cfg is embedded
// in the boot program, head.cfg with one of blscfg.cfg and source.cfg makes grub.cfg.
func Grub(name string) ([]byte, error) {
	text, err := grub.ReadFile("grub/" + name)
	if err != nil {
		return nil, fmt.Errorf("GRUB configuration %q: %w", name, err)
	}
	return text, nil
}
