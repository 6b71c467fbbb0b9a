package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/disk"
)

// Boot is how the boot partition is fitted.
type Boot struct {
	Platform      string // Ignition's platform id; empty is the image's
	Consoles      []Console
	Append        []string // kernel arguments; one with blanks is several
	Delete        []string // each must be there
	FirstbootArgs string   // kernel arguments of the first boot only

	ignition []byte
	network  []file
}

// Where the first boot finds what it is given.
const (
	bootIgnition  = "ignition/config.ign"
	bootNetwork   = "nestos-firstboot-network"
	bootPlatforms = "nestos/platforms.json"
	bootEntries   = "loader/entries"
	bootGrub      = "grub2/grub.cfg"

	platformArg = "ignition.platform.id="
)

// empty says that nothing is to be changed.
func (b *Boot) empty() bool {
	return b.Platform == "" && len(b.Consoles)+len(b.Append)+len(b.Delete)+len(b.ignition)+len(b.network) == 0 && b.FirstbootArgs == ""
}

func (b *Boot) check() error {
	if b.Platform != "" && strings.Trim(strings.ToLower(b.Platform), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return fmt.Errorf("platform %q: want the name of one", b.Platform)
	}
	for _, arg := range slices.Concat(b.Append, b.Delete) {
		if strings.TrimSpace(arg) == "" {
			return errors.New("an empty kernel argument")
		}
	}
	if err := disk.CheckBLS("", strings.Join(b.Append, " ")); err != nil {
		return err
	}
	if b.FirstbootArgs != "" {
		_, err := disk.FirstbootKargs(b.FirstbootArgs)
		return err
	}
	return nil
}

// apply changes the files of the boot partition in root.
func (b *Boot) apply(root *os.Root) error {
	if err := b.entries(root); err != nil {
		return err
	}
	if b.FirstbootArgs != "" {
		edit, err := disk.FirstbootKargs(b.FirstbootArgs)
		if err != nil {
			return err
		}
		if err := root.WriteFile(strings.TrimPrefix(edit.Path, "/"), edit.Data, 0o644); err != nil {
			return err
		}
	}
	if b.ignition != nil {
		if err := put(root, file{bootIgnition, b.ignition}); err != nil {
			return err
		}
	}
	for _, f := range b.network {
		if err := put(root, file{path.Join(bootNetwork, f.name), f.data}); err != nil {
			return err
		}
	}
	return nil
}

// put writes a file that only root reads, in a directory of its own.
func put(root *os.Root, f file) error {
	if err := root.MkdirAll(path.Dir(f.name), 0o700); err != nil {
		return err
	}
	return root.WriteFile(f.name, f.data, 0o600)
}

// entries changes kernel arguments and GRUB's console.
func (b *Boot) entries(root *os.Root) error {
	if b.Platform == "" && len(b.Consoles)+len(b.Append)+len(b.Delete) == 0 {
		return nil
	}
	list, err := fs.ReadDir(root.FS(), bootEntries)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("there is no boot loader entry")
	}
	for _, e := range list {
		name := path.Join(bootEntries, e.Name())
		old, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		data, err := b.entry(root, old)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		// In place: the file keeps its label, and the disk is not bootable yet.
		if err := root.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// entry gives a boot loader entry with the changes, and makes GRUB's console the
// platform's.
func (b *Boot) entry(root *os.Root, bls []byte) ([]byte, error) {
	if b.Platform != "" || len(b.Consoles) > 0 {
		from, to, err := b.platforms(root, bls)
		if err != nil {
			return nil, err
		}
		if bls, err = disk.SetPlatform(bls, from, to); err != nil {
			return nil, err
		}
		if err := setConsole(root, to.Console); err != nil {
			return nil, err
		}
	}
	bls, err := deleteKargs(bls, b.Delete)
	if err != nil {
		return nil, err
	}
	return disk.AddKargs(bls, strings.Join(b.Append, " "))
}

// platforms gives what the entry is for and what it is to be for.
func (b *Boot) platforms(root *os.Root, bls []byte) (from, to disk.BootPlatform, err error) {
	for _, arg := range options(bls) {
		if id, ok := strings.CutPrefix(arg, platformArg); ok {
			from.ID = id
		}
	}
	to.ID = from.ID
	if b.Platform != "" {
		to.ID = b.Platform
	}
	table := map[string]struct {
		Console []string `json:"grub_commands"`
		Kargs   []string `json:"kernel_arguments"`
	}{}
	data, err := root.ReadFile(bootPlatforms)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return from, to, err
	default:
		if err := json.Unmarshal(data, &table); err != nil {
			return from, to, fmt.Errorf("/%s: %w", bootPlatforms, err)
		}
	}
	from.Kargs, from.Console = table[from.ID].Kargs, table[from.ID].Console
	to.Kargs, to.Console = table[to.ID].Kargs, table[to.ID].Console
	if len(b.Consoles) > 0 {
		// What else a platform has among its arguments stays.
		to.Kargs = slices.DeleteFunc(strings.Fields(strings.Join(to.Kargs, " ")), func(arg string) bool { return strings.HasPrefix(arg, "console=") })
		to.Kargs, to.Console = append(to.Kargs, consoleKargs(b.Consoles)...), consoleCommands(b.Consoles)
	}
	return from, to, nil
}

// setConsole changes what GRUB is told of its console.
func setConsole(root *os.Root, commands []string) error {
	old, err := root.ReadFile(bootGrub)
	if err != nil {
		return err
	}
	text, err := disk.SetConsole(string(old), commands)
	if err != nil {
		return fmt.Errorf("/%s: %w", bootGrub, err)
	}
	if text == string(old) {
		return nil
	}
	return root.WriteFile(bootGrub, []byte(text), 0o600)
}

// options gives the kernel arguments of a boot loader entry.
func options(bls []byte) (args []string) {
	for line := range bytes.Lines(bls) {
		if fields := strings.Fields(string(line)); len(fields) > 0 && fields[0] == "options" {
			args = append(args, fields[1:]...)
		}
	}
	return args
}

// deleteKargs takes arguments out of the options, each wherever it is.
func deleteKargs(bls []byte, list []string) ([]byte, error) {
	for _, text := range list {
		for arg := range strings.FieldsSeq(text) {
			found := false
			var out []byte
			for line := range bytes.Lines(bls) {
				fields := strings.Fields(string(line))
				if len(fields) > 1 && fields[0] == "options" && slices.Contains(fields[1:], arg) {
					found = true
					kept := slices.DeleteFunc(fields[1:], func(f string) bool { return f == arg })
					line = []byte("options " + strings.Join(kept, " ") + "\n")
				}
				out = append(out, line...)
			}
			if !found {
				return nil, fmt.Errorf("deleting kernel argument %q: it is not among %q", arg, strings.Join(options(bls), " "))
			}
			bls = out
		}
	}
	return bls, nil
}
