package disk

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// The files in the boot partition that the first boot reads.
const (
	ignitionConfig = "/ignition/config.ign"
	firstbootStamp = "/ignition.firstboot"
)

// AddKargs appends kernel arguments to the options of a boot loader entry. They
// must be what GRUB reads as it is meant, see CheckBLS.
func AddKargs(bls []byte, kargs string) ([]byte, error) {
	kargs = strings.Join(strings.Fields(kargs), " ")
	if err := CheckBLS("", kargs); err != nil {
		return nil, err
	}
	if kargs == "" {
		return bls, nil
	}
	lines := bytes.SplitAfter(bls, []byte{'\n'})
	last := -1
	for i, line := range lines {
		if fields := bytes.Fields(line); len(fields) > 0 && string(fields[0]) == "options" {
			last = i
		}
	}
	if last < 0 {
		text := bytes.Clone(bytes.TrimSuffix(bls, []byte{'\n'}))
		if len(text) > 0 {
			text = append(text, '\n')
		}
		return append(text, "options "+kargs+"\n"...), nil
	}
	line := append(bytes.TrimRight(bytes.Clone(lines[last]), " \t\r\n"), " "+kargs+"\n"...)
	lines[last] = line
	return bytes.Join(lines, nil), nil
}

// KargEdits gives the edits that append kernel arguments to every boot loader
// entry.
func KargEdits(ctx context.Context, files *BootFiles, kargs string) ([]FileEdit, error) {
	names, err := files.Entries(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("kernel arguments %q: there is no boot loader entry", kargs)
	}
	var edits []FileEdit
	for _, name := range names {
		old, err := files.Read(ctx, name)
		if err != nil {
			return nil, err
		}
		data, err := AddKargs(old, kargs)
		if err != nil {
			return nil, err
		}
		edits = append(edits, FileEdit{Path: name, Data: data})
	}
	return edits, nil
}

// FirstbootKargs gives the edit that adds kernel arguments to the first boot
// alone, those for the network above all. They replace the usual ones for the
// network (ip=auto). GRUB sources the file and puts the variable unquoted into
// the arguments of a command, so what is syntax there is refused as in CheckBLS.
func FirstbootKargs(kargs string) (FileEdit, error) {
	kargs = strings.Join(strings.Fields(kargs), " ")
	if err := checkScriptText("kernel argument", kargs); err != nil {
		return FileEdit{}, err
	}
	return FileEdit{Path: firstbootStamp, Data: []byte("set ignition_network_kcmdline='" + kargs + "'\n")}, nil
}

// InjectIgnition gives the edit that hands a config to the first boot where the
// platform has no way to: the file wins over what the platform gives.
func InjectIgnition(config []byte) FileEdit {
	return FileEdit{Path: ignitionConfig, Data: config, Mode: 0o600}
}
