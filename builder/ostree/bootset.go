package ostree

// BootSet is what a boot loader loads of a deployed commit.
type BootSet struct {
	Version   string // of the kernel
	Kernel    string // path in the tree
	Initramfs string // likewise; empty without one
	Option    string // the kernel argument that names the only deployment: ostree=…
}

// BootSet finds what of a commit boots when it is the only deployment of osname.
// ErrNoKernel when nothing does.
func (r Repo) BootSet(t Tree, osname string) (BootSet, error) {
	k, err := r.findKernel(t)
	if err != nil {
		return BootSet{}, err
	}
	b := BootSet{Version: k.version, Kernel: k.vmlinuz.entry.Path, Option: "ostree=" + bootLink(osname, k.sum)}
	if k.initramfs.name != "" {
		b.Initramfs = k.initramfs.entry.Path
	}
	return b, nil
}
