package compose

import (
	_ "embed" // stub.sh
	"errors"
	"os"
	"path/filepath"
)

// stubDir is where scriptlets find the stubs, below the root.
const stubDir = "run/nosa"

//go:embed stub.sh
var stub []byte

// stubs are the programs that scriptlets must not run: they would act on the machine that builds,
// or make a boot entry or an initramfs that the compose makes itself later.
func stubs() []string {
	return []string{
		"bootctl", "dracut", "grub-install", "grub-mkconfig", "grub2-install", "grub2-mkconfig", "grub2-set-default",
		"grubby", "installkernel", "kernel-install", "new-kernel-pkg", "systemctl", "update-grub", "update-initramfs",
	}
}

// StubCall is a call of a stub by a scriptlet.
type StubCall struct {
	Package   string // NEVRA
	Scriptlet string
	Argv      []string // the name without a directory, and the arguments
}

// writeStubs fills the directory that becomes stubDir. The same program is behind every name.
func writeStubs(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	if err := errors.Join(os.Mkdir(bin, 0o755), os.Chmod(bin, 0o755)); err != nil {
		return err
	}
	for _, name := range stubs() {
		name = filepath.Join(bin, name)
		if err := errors.Join(os.WriteFile(name, stub, 0o755), os.Chmod(name, 0o755)); err != nil {
			return err
		}
	}
	return nil
}
