package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// BootPlatform is what in the boot partition depends on the platform that an image is for.
type BootPlatform struct {
	ID      string   // value of ignition.platform.id
	Kargs   []string // kernel_arguments of platforms.yaml
	Console []string // grub_commands of platforms.yaml
}

// platformArg begins the kernel argument that names the platform.
const platformArg = "ignition.platform.id="

// grubConfig is GRUB's configuration in the boot partition.
const grubConfig = "/grub2/grub.cfg"

// SetPlatform gives a boot loader entry for another platform, as nestos-assembler's
// gf-set-platform writes it: the platform's name goes and comes at the end, the kernel
// arguments of the old platform, which stand together, are replaced by those of the
// new one behind it. Everything else stays as it is.
func SetPlatform(bls []byte, from, to BootPlatform) ([]byte, error) {
	lines := bytes.SplitAfter(bls, []byte{'\n'})
	at := slices.IndexFunc(lines, isOptions)
	if at < 0 || slices.ContainsFunc(lines[at+1:], isOptions) {
		return nil, errors.New("the boot loader entry has not one line of options")
	}
	options := strings.Fields(string(lines[at]))[1:]
	id := slices.Index(options, platformArg+from.ID)
	if id < 0 {
		return nil, fmt.Errorf("the boot loader entry is not for platform %s: %s", from.ID, strings.Join(options, " "))
	}
	options = slices.DeleteFunc(options, func(arg string) bool { return strings.HasPrefix(arg, platformArg) })
	old := platformWords(from.Kargs)
	if i := indexWords(options, old); i >= 0 {
		options = slices.Delete(options, i, i+len(old))
	} else {
		return nil, fmt.Errorf("the boot loader entry has no %q, which is platform %s's: %s", strings.Join(old, " "), from.ID, strings.Join(options, " "))
	}
	lines[at] = []byte("options " + strings.Join(options, " ") + "\n")
	return AddKargs(bytes.Join(lines, nil), strings.Join(append([]string{platformArg + to.ID}, platformWords(to.Kargs)...), " "))
}

func isOptions(line []byte) bool {
	fields := bytes.Fields(line)
	return len(fields) > 1 && string(fields[0]) == "options"
}

// platformWords are the single arguments of a list whose items may have several.
func platformWords(list []string) []string { return strings.Fields(strings.Join(list, " ")) }

// indexWords is where part begins in list; an empty one is in every list, -1 is nowhere.
func indexWords(list, part []string) int {
	for i := range len(list) - len(part) + 1 {
		if slices.Equal(list[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// PlatformEdits gives the edits that make a boot partition one for another platform:
// every boot loader entry, and the console commands in GRUB's configuration.
func PlatformEdits(ctx context.Context, files *BootFiles, from, to BootPlatform) ([]FileEdit, error) {
	names, err := files.Entries(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("there is no boot loader entry")
	}
	var edits []FileEdit
	for _, name := range names {
		old, err := files.Read(ctx, name)
		if err != nil {
			return nil, err
		}
		data, err := SetPlatform(old, from, to)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		edits = append(edits, FileEdit{Path: name, Data: data})
	}
	old, err := files.Read(ctx, grubConfig)
	if err != nil {
		return nil, err
	}
	text, err := SetConsole(string(old), to.Console)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", grubConfig, err)
	}
	if text != string(old) {
		edits = append(edits, FileEdit{Path: grubConfig, Data: []byte(text)})
	}
	return edits, nil
}
