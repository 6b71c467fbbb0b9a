package main

import (
	"slices"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/workspace"
)

// The checks beside those of disk images, by the name of what is checked.
const (
	checkInstall512 = "install-512"
	checkInstall4k  = "install-4k"
	checkAll        = "all" // that the build has
)

// way is what something is booted from, where there is more than one.
type way string

// The ways of an ISO and of the files for PXE.
const (
	asCD        way = "as CD"
	asStick     way = "as stick"
	rootByURL   way = "root by URL"
	rootAsInitr way = "root as initrd"
)

// wayNames are the words of --way.
func wayNames() map[string]way {
	return map[string]way{"cd": asCD, "stick": asStick, "url": rootByURL, "initrd": rootAsInitr}
}

// checkKind is something of a build that can be checked.
type checkKind struct {
	workspace.Bootable
	ways []way // nil is one
}

// checkKinds is the table of them.
func checkKinds() []checkKind {
	ways := map[string][]way{liveISO: {asCD, asStick}, livePXE: {rootByURL, rootAsInitr}}
	var list []checkKind
	for _, b := range workspace.Bootables() {
		list = append(list, checkKind{b, ways[b.Name]})
	}
	return list
}

// findCheckKind gives the kind of that name; the zero value is none.
func findCheckKind(name string) checkKind {
	list := checkKinds()
	if i := slices.IndexFunc(list, func(k checkKind) bool { return k.Name == name }); i >= 0 {
		return list[i]
	}
	return checkKind{}
}

// isDisk says that a disk image is checked.
func (k checkKind) isDisk() bool { return slices.Contains(workspace.DiskImageTypes(), k.Name) }

// needsUEFI says that no BIOS boots it: that knows sectors of 512 bytes only.
func (k checkKind) needsUEFI() bool {
	t, _ := workspace.FindArtifactType(k.Name)
	return t.SectorSize == 4096 || k.Name == checkInstall4k
}

// checkNames are the words that --artifact takes.
func checkNames() []string {
	var names []string
	for _, k := range checkKinds() {
		names = append(names, k.Name)
	}
	return append(names, checkAll)
}

// target is one boot of something.
type target struct {
	kind     string
	firmware vm.Firmware
	direct   bool // no firmware
	way      way
}

// name is what it is booted on.
func (t target) name() string {
	if t.direct {
		return check.Direct
	}
	if t.way == "" {
		return string(t.firmware)
	}
	return string(t.firmware) + " " + string(t.way)
}

// verb is what is done with it.
func (t target) verb() string {
	if t.kind == checkInstall512 || t.kind == checkInstall4k {
		return "do"
	}
	return "boot"
}

// onBIOS says that a BIOS is asked for.
func (r checkRequest) onBIOS() bool { return r.Firmware == string(vm.BIOS) && !r.Direct }

// targets are the boots of a kind that are asked for: on one firmware in each way, or
// else on all that it boots on, with each way once. One firmware is enough where it
// is skipped, where it is the network that is tried, and for an installation.
func (r checkRequest) targets(kind checkKind, arch workspace.Arch) []target {
	firmwares := []vm.Firmware{vm.BIOS, vm.UEFI}
	switch {
	case r.Firmware != "":
		firmwares = []vm.Firmware{vm.Firmware(r.Firmware)}
	case kind.needsUEFI() || !arch.BIOS:
		firmwares = []vm.Firmware{vm.UEFI}
	case r.Direct || kind.Name == checkInstall512 || kind.Name == livePXE:
		firmwares = []vm.Firmware{vm.BIOS}
	}
	var list []target
	for i := range max(len(firmwares), len(kind.ways)) {
		one := target{kind: kind.Name, firmware: firmwares[min(i, len(firmwares)-1)], direct: r.Direct}
		if len(kind.ways) > 0 {
			one.way = kind.ways[i]
		}
		if r.Way == "" || one.way == wayNames()[r.Way] {
			list = append(list, one)
		}
	}
	return list
}
