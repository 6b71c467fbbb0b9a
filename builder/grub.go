package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// bootLoader puts GRUB onto a laid out system.
type bootLoader struct {
	maker  *imageMaker
	stage  string // the physical root
	boot   string // what becomes the boot partition
	laid   *ostree.Layout
	layout disk.Layout
	inodes []disk.Inode // of what is added to boot
}

// grubWork is where the target's grub-mkimage finds and leaves its files.
const grubWork = "/run/nosa"

// install makes the boot programs from the target's own GRUB, run in the
// target's tree, and adds to the boot partition what GRUB and first boot read.
func (b *bootLoader) install(ctx context.Context, r *event.Reporter) (bios *disk.BootCode, esp []disk.File, err error) {
	work := filepath.Join(b.maker.work, "grub")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, nil, fmt.Errorf("installing GRUB: %w", err)
	}
	blscfg := false
	for _, p := range disk.GrubPlatforms(b.layout) {
		modules := path.Join("/usr/lib/grub", string(p))
		if _, err := os.Stat(b.target(modules)); errors.Is(err, fs.ErrNotExist) {
			r.Warn(fmt.Sprintf("the system has no %s: the image will not boot on %s", modules, p))
			continue
		}
		blscfg = b.has(modules, "blscfg.mod")
		out, err := b.mkimage(ctx, work, p, r)
		if err != nil {
			return nil, nil, err
		}
		if err := b.modules(p, disk.GrubRequest{BLSCFG: blscfg}); err != nil {
			return nil, nil, err
		}
		if name := p.Removable(); name != "" {
			stub, err := disk.GrubStubConfig()
			if err != nil {
				return nil, nil, err
			}
			esp = append(esp, disk.File{Path: name, Source: out}, disk.File{Path: path.Join(path.Dir(name), "grub.cfg"), Data: []byte(stub)})
			continue
		}
		if bios, err = b.bootCode(modules, out); err != nil {
			return nil, nil, err
		}
	}
	if bios == nil && len(esp) == 0 {
		return nil, nil, hint(errors.New("the system has no GRUB modules in /usr/lib/grub, so no image of it boots"),
			"add the GRUB packages of the platform to the manifest (grub-pc-bin, grub-efi-amd64-bin, grub2-tools)")
	}
	if !blscfg {
		if err := disk.CheckBLS(b.laid.Title, strings.Join(b.maker.kargs(), " ")); err != nil {
			return nil, nil, err
		}
	}
	return bios, esp, b.config(blscfg)
}

// mkimage runs the target's grub-mkimage and gives the host's path of the result.
func (b *bootLoader) mkimage(ctx context.Context, work string, p disk.GrubPlatform, r *event.Reporter) (string, error) {
	if err := os.WriteFile(filepath.Join(work, "early.cfg"), []byte(disk.GrubEarlyConfig(p)), 0o644); err != nil {
		return "", fmt.Errorf("making GRUB for %s: %w", p, err)
	}
	program := "grub-mkimage"
	if b.has("/usr/bin", "grub2-mkimage") {
		program = "grub2-mkimage"
	}
	modules := path.Join("/usr/lib/grub", string(p))
	args, err := disk.GrubMkimageArgs(disk.GrubImage{
		Program: program, Platform: p, Modules: modules, BLSCFG: b.has(modules, "blscfg.mod"),
		Config: path.Join(grubWork, "early.cfg"), Output: path.Join(grubWork, string(p)),
	})
	if err != nil {
		return "", err
	}
	box := sandbox.Sandbox{
		Root: b.target("/"), Mode: sandbox.ReadOnly, Epoch: b.maker.epoch, Proc: b.maker.env.Proc,
		Binds: []sandbox.Bind{{Source: work, Target: grubWork, Writable: true}},
	}
	if err := box.Run(ctx, proc.Cmd{Args: args, Line: r.Line}); err != nil {
		return "", fmt.Errorf("making GRUB for %s: %w", p, err)
	}
	return filepath.Join(work, string(p)), nil
}

// bootCode reads what a BIOS starts.
func (b *bootLoader) bootCode(modules, core string) (*disk.BootCode, error) {
	boot, err := os.ReadFile(b.target(path.Join(modules, "boot.img")))
	if err != nil {
		return nil, fmt.Errorf("installing GRUB for BIOS: %w", err)
	}
	code, err := os.ReadFile(core)
	if err != nil {
		return nil, fmt.Errorf("installing GRUB for BIOS: %w", err)
	}
	return &disk.BootCode{BootImg: boot, CoreImg: code}, nil
}

// modules copies the GRUB modules that are loaded from the boot partition.
func (b *bootLoader) modules(p disk.GrubPlatform, req disk.GrubRequest) error {
	for _, name := range disk.GrubModules(req) {
		data, err := os.ReadFile(b.target(path.Join("/usr/lib/grub", string(p), name)))
		if err != nil {
			return fmt.Errorf("installing GRUB: %w", err)
		}
		if err := b.add(path.Join("/grub2", string(p), name), data); err != nil {
			return err
		}
	}
	return nil
}

// config writes grub.cfg, the stamp of the first boot and the platform table.
func (b *bootLoader) config(blscfg bool) error {
	cfg, err := disk.GrubConfig(disk.GrubRequest{BLSCFG: blscfg, ConsoleCommands: b.maker.plat.GrubCommands})
	if err != nil {
		return err
	}
	files := map[string][]byte{"/grub2/grub.cfg": []byte(cfg), "/ignition.firstboot": nil}
	if b.maker.raw != nil {
		files["/nestos/platforms.json"] = b.maker.raw
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := b.add(name, files[name]); err != nil {
			return err
		}
	}
	return nil
}

// add writes a file of the boot partition, with the directories above it.
func (b *bootLoader) add(name string, data []byte) error {
	dir := path.Dir(name)
	if _, err := os.Lstat(b.boot + dir); errors.Is(err, fs.ErrNotExist) {
		if up := path.Dir(dir); up != "/" {
			if err := os.MkdirAll(b.boot+up, 0o755); err != nil {
				return fmt.Errorf("filling the boot partition: %w", err)
			}
			b.inode(up, unix.S_IFDIR|0o755)
		}
		if err := os.MkdirAll(b.boot+dir, 0o755); err != nil {
			return fmt.Errorf("filling the boot partition: %w", err)
		}
		b.inode(dir, unix.S_IFDIR|0o755)
	}
	if err := os.WriteFile(b.boot+name, data, 0o644); err != nil {
		return fmt.Errorf("filling the boot partition: %w", err)
	}
	b.inode(name, unix.S_IFREG|0o644)
	return nil
}

func (b *bootLoader) inode(name string, mode uint32) {
	for _, i := range b.inodes {
		if i.Path == name {
			return
		}
	}
	if name == "/grub2" {
		mode = unix.S_IFDIR | 0o700 // it may hold a password
	}
	n := disk.Inode{Path: name, Mode: mode}
	if label := labeller(b.maker.tree); label != nil {
		n.Xattrs = map[string][]byte{selinuxXattr: label("/boot"+name, mode)}
	}
	b.inodes = append(b.inodes, n)
}

// target is the host's path of a path in the deployed system.
func (b *bootLoader) target(name string) string {
	return filepath.Join(b.stage, b.laid.DeployPath, name)
}

func (b *bootLoader) has(dir, name string) bool {
	_, err := os.Stat(b.target(path.Join(dir, name)))
	return err == nil
}
