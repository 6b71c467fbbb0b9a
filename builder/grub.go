package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
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

// install puts the boot programs together and adds to the boot partition what
// GRUB and first boot read. With UEFI the system's signed programs go first, for
// Secure Boot; otherwise, and for a BIOS, they are made from the target's own
// GRUB, run in the target's tree.
func (b *bootLoader) install(ctx context.Context, r *event.Reporter) (bios *disk.BootCode, esp []disk.File, err error) {
	stub, err := disk.GrubStubConfig()
	if err != nil {
		return nil, nil, err
	}
	has, err := b.choose(r)
	if err != nil {
		return nil, nil, err
	}
	if has.signed != nil {
		esp = has.signed.esp(stub, b.target)
	}
	for _, p := range has.made {
		out, err := b.mkimage(ctx, disk.GrubImage{Platform: p, BLSCFG: has.blscfg}, disk.GrubEarlyConfig(p), r)
		if err != nil {
			return nil, nil, err
		}
		if name := p.Removable(); name != "" {
			esp = append(esp, disk.File{Path: name, Source: out}, disk.File{Path: path.Join(path.Dir(name), "grub.cfg"), Data: []byte(stub)})
			continue
		}
		if bios, err = b.bootCode(grubModules(p), out); err != nil {
			return nil, nil, err
		}
	}
	if bios == nil && len(esp) == 0 {
		return nil, nil, hint(errors.New("the system has no signed GRUB and no GRUB modules in /usr/lib/grub, so no image of it boots"),
			"add the GRUB packages of the platform to the manifest (grub-pc-bin, grub-efi-amd64-signed and shim-signed; grub2-tools, grub2-efi-x64 and shim-x64)")
	}
	return bios, esp, b.bootFiles(has)
}

// bootChoice is what a system has to start with.
type bootChoice struct {
	signed *signedBoot         // nil is none
	made   []disk.GrubPlatform // for which GRUB is made
	blscfg bool                // every GRUB has that command
}

func (b *bootLoader) choose(r *event.Reporter) (c bootChoice, err error) {
	if c.signed, err = b.signed(r); err != nil {
		return c, err
	}
	c.made = b.platforms(c.signed, r)
	c.blscfg = (c.signed == nil || slices.Contains(c.signed.program.Modules, "blscfg")) &&
		!slices.ContainsFunc(c.made, func(p disk.GrubPlatform) bool { return !b.has(grubModules(p), "blscfg.mod") })
	return c, nil
}

// bootFiles adds to the boot partition what GRUB, first boot and bootupd read.
func (b *bootLoader) bootFiles(has bootChoice) error {
	if has.signed != nil {
		if err := b.bootupd(has.signed); err != nil {
			return err
		}
	}
	if !has.blscfg {
		if err := disk.CheckBLS(b.laid.Title, strings.Join(b.maker.kargs(), " ")); err != nil {
			return err
		}
	}
	return b.config(disk.GrubRequest{BLSCFG: has.blscfg, ConsoleCommands: b.maker.plat.GrubCommands})
}

// signed finds the system's signed boot chain; nil is none. What is not signed is
// of no use for Secure Boot: then GRUB is made, which is known to fit grub.cfg.
func (b *bootLoader) signed(r *event.Reporter) (*signedBoot, error) {
	root, err := os.OpenRoot(b.target("/"))
	if err != nil {
		return nil, fmt.Errorf("looking for signed boot programs: %w", err)
	}
	defer func() { _ = root.Close() }()
	found, err := findSigned(root.FS(), efiNamesOf(b.layout.Arch))
	if err != nil || found == nil {
		return nil, err
	}
	for _, p := range []struct {
		name string
		into *disk.EFIProgram
	}{{found.shim, &disk.EFIProgram{}}, {found.grub, &found.program}} {
		data, err := root.ReadFile(p.name)
		if err != nil {
			return nil, fmt.Errorf("reading a signed boot program: %w", err)
		}
		if *p.into, err = disk.ReadEFIProgram(data); err != nil {
			return nil, fmt.Errorf("/%s: %w", p.name, err)
		}
		if !p.into.Signed {
			r.Warn(fmt.Sprintf("/%s is not signed: the image will not boot with Secure Boot on", p.name))
			return nil, nil //nolint:nilnil // none is no error
		}
	}
	return found, nil
}

// bootupd notes for bootupd what is in the ESP.
func (b *bootLoader) bootupd(signed *signedBoot) error {
	root, err := os.OpenRoot(b.target("/"))
	if err != nil {
		return fmt.Errorf("writing bootupd's state: %w", err)
	}
	defer func() { _ = root.Close() }()
	state, err := signed.bootupdState(root.FS())
	if err != nil || state == nil {
		return err
	}
	return b.add("/bootupd-state.json", state)
}

// platforms gives those for which GRUB is made: the disk's, but for UEFI where
// there are signed programs, and those whose modules the system has not.
func (b *bootLoader) platforms(signed *signedBoot, r *event.Reporter) []disk.GrubPlatform {
	return slices.DeleteFunc(disk.GrubPlatforms(b.layout), func(p disk.GrubPlatform) bool {
		if signed != nil && p.Removable() != "" {
			return true
		}
		if _, err := os.Stat(b.target(grubModules(p))); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		r.Warn(fmt.Sprintf("the system has no %s: the image will not boot on %s", grubModules(p), p))
		return true
	})
}

// grubModules is where a system has GRUB's modules for a platform.
func grubModules(p disk.GrubPlatform) string { return path.Join("/usr/lib/grub", string(p)) }

// mkimage runs the target's grub-mkimage and gives the host's path of the result.
// The image says the platform and what it is to have; early is the configuration in it.
func (b *bootLoader) mkimage(ctx context.Context, image disk.GrubImage, early string, r *event.Reporter) (string, error) {
	work, p := filepath.Join(b.maker.work, "grub"), image.Platform
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", fmt.Errorf("making GRUB for %s: %w", p, err)
	}
	if err := os.WriteFile(filepath.Join(work, "early.cfg"), []byte(early), 0o644); err != nil {
		return "", fmt.Errorf("making GRUB for %s: %w", p, err)
	}
	if b.has("/usr/bin", "grub2-mkimage") {
		image.Program = "grub2-mkimage"
	}
	image.Modules, image.Config, image.Output = grubModules(p), path.Join(grubWork, "early.cfg"), path.Join(grubWork, string(p))
	args, err := disk.GrubMkimageArgs(image)
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

// config writes grub.cfg, the stamp of the first boot and the platform table.
func (b *bootLoader) config(req disk.GrubRequest) error {
	cfg, err := disk.GrubConfig(req)
	if err != nil {
		return err
	}
	files := map[string][]byte{"/grub2/grub.cfg": []byte(cfg), "/ignition.firstboot": nil}
	if !req.BLSCFG {
		menu, err := disk.GrubMenuConfig()
		if err != nil {
			return err
		}
		files["/grub2/menu.cfg"] = []byte(menu)
	}
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
