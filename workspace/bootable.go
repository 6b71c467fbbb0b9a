package workspace

import "slices"

// Bootable is something of a build that can be booted.
type Bootable struct {
	Name      string   // by which nosa run and nosa check know it
	Needs     []string // keys of the artifacts that it is made of
	CheckOnly bool     // nosa run does not know it
}

// Bootables is the table of them: every disk image, the live system from a medium and
// over the network, and the installation from the medium to disks of either sector size.
func Bootables() []Bootable {
	var list []Bootable
	for _, kind := range DiskImageTypes() {
		list = append(list, Bootable{Name: kind, Needs: []string{kind}})
	}
	return append(
		list,
		Bootable{Name: "live-iso", Needs: []string{"live-iso"}},
		Bootable{Name: "live-pxe", Needs: []string{"live-kernel", "live-initramfs", "live-rootfs"}},
		Bootable{Name: "install-512", Needs: []string{"live-iso"}, CheckOnly: true},
		Bootable{Name: "install-4k", Needs: []string{"live-iso"}, CheckOnly: true},
	)
}

// FindBootable gives the entry of that name; the zero value is none.
func FindBootable(name string) Bootable {
	list := Bootables()
	if i := slices.IndexFunc(list, func(b Bootable) bool { return b.Name == name }); i >= 0 {
		return list[i]
	}
	return Bootable{}
}

// Of says if it is there when here says so of an artifact.
func (b Bootable) Of(here func(artifact string) bool) bool {
	return len(b.Needs) > 0 && !slices.ContainsFunc(b.Needs, func(a string) bool { return !here(a) })
}
