package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// LiveRootfs lays the system out as on a metal image and makes its squashfs.
type LiveRootfs struct {
	Build  string
	Commit string
	Fast   bool

	liveStep
}

// liveTree is a laid out system.
type liveTree struct {
	root, boot string // directories of the host
	loader     bootLoader
	has        bootChoice
}

// rootfsFile is where the squashfs grows into rootfs.img.
func rootfsFile(env *Env) string { return env.Work("live", "rootfs.img") }

// Run implements Op.
func (o *LiveRootfs) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	l := o.live
	if err := l.begin(ctx, env); err != nil || l.made {
		return err
	}
	var err error
	l.maker, err = newImageMaker(ctx, env, l.meta, workspace.ArtifactFile{Name: l.meta.Name, ID: l.id, Arch: env.Arch.Name, Type: "metal"})
	if err != nil {
		return err
	}
	l.maker.work = env.Work("live")
	l.compression(l.maker.config.SquashCompressor, r)
	files, inodes := l.maker.tree.Sizes()
	needed := liveSpace(files, inodes)
	for _, t := range l.settings.Images {
		if l.missing(l.meta, t) != "" {
			needed += imageSpace(files, inodes, 1)
		}
	}
	if err := checkSpace(env.Work(), needed); err != nil {
		return err
	}
	if err := os.MkdirAll(l.maker.work, 0o755); err != nil {
		return fmt.Errorf("making the scratch directory: %w", err)
	}
	tree, err := l.lay(ctx, r)
	if err != nil {
		return err
	}
	var size int64
	for _, n := range files {
		size += n
	}
	squash := live.Squash{Tree: tree, Compression: l.settings.Compression, Path: rootfsFile(env), Offset: live.SquashfsOffset, Size: size}
	if err := live.WriteSquash(ctx, squash, r); err != nil {
		return err
	}
	info, err := os.Stat(squash.Path)
	if err == nil {
		err = l.joinBoot()
	}
	if err != nil {
		return fmt.Errorf("making the root filesystem: %w", err)
	}
	env.Because("rootfs", l.why())
	env.Came("rootfs", "%s, %s", event.Bytes(info.Size()), l.settings.describe())
	return nil
}

// liveSpace is what live artifacts take while they are made: the squashfs in rootfs.img, and that again
// in the ISO. 0.6 of the files is what lz4 comes to; inodes are the laid out tree's.
func liveSpace(files []int64, inodes int) event.Bytes {
	var sum event.Bytes
	for _, n := range files {
		sum += event.Bytes(n)
	}
	return sum*6/10*2 + event.Bytes(inodes)*event.KiB/4 + 256*event.MiB
}

// lay makes the tree of the squashfs: the root filesystem and the boot partition of a metal image in one.
// Nothing remounts a live system's sysroot, so libostree is not told that it is read-only.
func (l *liveImages) lay(ctx context.Context, r *event.Reporter) (live.Tree, error) {
	m := l.maker
	t := &l.laid
	t.root, t.boot = filepath.Join(m.work, "root"), filepath.Join(m.work, "boot")
	layout, err := m.sizes()
	if err != nil {
		return live.Tree{}, err
	}
	laid, err := ostree.Lay(ctx, ostree.LayRequest{
		Repo: m.repo, Commit: m.meta.Commit, Tree: m.tree, Refspec: m.refspec(), OSName: m.meta.Name,
		Stage: t.root, Boot: t.boot, Kargs: m.kargs(), Time: m.epoch, Label: labeller(m.tree),
	})
	if err != nil {
		return live.Tree{}, err
	}
	t.loader = bootLoader{maker: m, stage: t.root, boot: t.boot, laid: laid, layout: layout}
	if t.has, err = t.loader.choose(r); err != nil {
		return live.Tree{}, err
	}
	if err := t.loader.bootFiles(t.has); err != nil {
		return live.Tree{}, err
	}
	if err := m.aleph(t.root); err != nil {
		return live.Tree{}, err
	}
	if err := writableSysroot(filepath.Join(t.root, "ostree/repo/config")); err != nil {
		return live.Tree{}, err
	}
	return live.Tree{Time: m.epoch, Parts: []live.Part{
		{Dir: t.root, At: "/", Inodes: diskInodes(laid.RootInodes)},
		{Dir: t.boot, At: "/boot", Inodes: append(diskInodes(laid.BootInodes), t.loader.inodes...)},
	}}, nil
}

// joinBoot puts the boot partition's files where they are in the squashfs: one directory is then what a
// live system has.
func (l *liveImages) joinBoot() error {
	t := &l.laid
	joined := filepath.Join(t.root, "boot")
	if err := os.Remove(joined); err != nil { // empty, but os.Rename replaces no directory
		return err
	}
	if err := os.Rename(t.boot, joined); err != nil {
		return err
	}
	t.boot, t.loader.boot = joined, joined
	kernel := filepath.Join(t.boot, "ostree", l.meta.Name+"-"+t.loader.laid.BootSum)
	l.kernel = filepath.Join(kernel, "vmlinuz-"+t.loader.laid.KernelVersion)
	l.initrd = filepath.Join(kernel, "initramfs-"+t.loader.laid.KernelVersion+".img")
	return nil
}

// writableSysroot takes sysroot.readonly out of the configuration of a laid out repository.
func writableSysroot(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "readonly=true\n", "", 1)), 0o644); err != nil {
		return fmt.Errorf("laying out: %w", err)
	}
	return nil
}

// cdFiles gives what is in the EFI partition of the ISO and the vendor below whose name its menus are.
// The shim goes to where firmwares look, the rest of a signed chain beside it, without the programs that
// write the firmware's memory: nothing is installed.
func (b *bootLoader) cdFiles(ctx context.Context, has bootChoice, cd liveLabel, r *event.Reporter) ([]disk.File, string, error) {
	if has.signed != nil {
		vendor, err := has.signed.vendor(cd.vendor)
		if err != nil {
			return nil, "", err
		}
		stub, err := disk.GrubLiveConfig(cd.volume, "EFI/"+vendor)
		return has.signed.cd(stub, vendor, b.target), vendor, err
	}
	stub, err := disk.GrubLiveConfig(cd.volume, "EFI/"+cd.vendor)
	if err != nil {
		return nil, "", err
	}
	var files []disk.File
	for _, p := range has.made {
		if p.Removable() == "" {
			continue
		}
		out, err := b.mkimage(ctx, disk.GrubImage{Platform: p, CD: true}, stub, r)
		if err != nil {
			return nil, "", err
		}
		files = append(files, disk.File{Path: p.Removable(), Source: out})
	}
	return files, cd.vendor, nil
}

// liveLabel is the ISO's label, and the vendor as the config has him.
type liveLabel struct{ volume, vendor string }
