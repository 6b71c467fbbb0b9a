package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
)

// LiveInitrd finishes rootfs.img and makes the initramfs that wants it and no other.
type LiveInitrd struct {
	Build string

	liveStep
}

// installerExample is where the system's installer shows every directive that its config files may have.
const installerExample = "/usr/share/nestos-installer/example-config.yaml"

// Run implements Op.
func (o *LiveInitrd) Run(ctx context.Context, env *Env, _ *event.Reporter) error {
	l := o.live
	stamp := []byte(l.id + "\n")
	sums, err := live.FinishRootfs(ctx, rootfsFile(env), live.File{Name: live.RootfsStamp, Data: stamp}, l.osmet)
	if err != nil {
		return err
	}
	features, err := l.features()
	if err != nil {
		return err
	}
	return live.WriteInitrd(env.Work("live", "initrd.img"), l.initrd, []live.File{
		{Name: live.InitramfsStamp, Data: stamp},
		{Name: live.WantRootfs, Data: sums},
		{Name: live.FeaturesInside, Data: features},
	})
}

// features is features.json of the system.
func (l *liveImages) features() ([]byte, error) {
	f := live.Features{InstallerConfig: true, LiveInitrdNetwork: true}
	text, err := l.maker.repo.ReadFile(l.maker.tree, installerExample)
	if errors.Is(err, fs.ErrNotExist) {
		return f.JSON()
	}
	if err != nil {
		return nil, err
	}
	if f.InstallerDirectives, err = directives(text); err != nil {
		return nil, err
	}
	return f.JSON()
}

// directives gives the keys of the installer's example.
func directives(text []byte) (map[string]bool, error) {
	root, problems := doc.Parse(doc.Source{Name: installerExample}, text)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	if root != nil {
		for _, e := range root.Entries {
			keys[e.Key.Text] = true
		}
	}
	return keys, nil
}

// LiveISO makes the ISO and puts all live artifacts into the build.
type LiveISO struct {
	Build  string
	Volume string // its label

	liveStep
}

// Run implements Op.
func (o *LiveISO) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	l := o.live
	file := func(kind string) workspace.ArtifactFile {
		return workspace.ArtifactFile{Name: l.meta.Name, ID: l.id, Arch: env.Arch.Name, Type: kind}
	}
	paths := map[string]string{}
	for _, kind := range liveTypes() {
		name, err := file(kind).FileName()
		if err != nil {
			return err
		}
		paths[kind] = filepath.Join(l.maker.work, name)
	}
	if err := l.place(env, paths); err != nil {
		return err
	}
	if err := l.iso(ctx, env, paths, r); err != nil {
		return err
	}
	return l.publish(ctx, env, paths, r)
}

// place gives what the ISO and the build both have its final name in the scratch directory.
func (l *liveImages) place(env *Env, paths map[string]string) error {
	err := errors.Join(
		os.Rename(rootfsFile(env), paths["live-rootfs"]),
		os.Rename(env.Work("live", "initrd.img"), paths["live-initramfs"]),
		copyPlain(l.kernel, paths["live-kernel"]), // its inode is the cache's
	)
	if err != nil {
		return fmt.Errorf("naming the live artifacts: %w", err)
	}
	return nil
}

func copyPlain(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// iso writes the ISO.
func (l *liveImages) iso(ctx context.Context, env *Env, paths map[string]string, r *event.Reporter) error {
	efi, vendor, err := l.laid.loader.cdFiles(ctx, l.laid.has, liveLabel{l.volume, vendorOf(l.files)}, r)
	if err != nil {
		return err
	}
	image := live.ISO{
		Path: paths["live-iso"], VolumeID: l.volume, Time: l.maker.epoch,
		Sources: map[string]string{
			live.KernelPath: paths["live-kernel"], live.InitrdPath: paths["live-initramfs"], live.RootfsPath: paths["live-rootfs"],
		},
	}
	if image.Files, err = l.texts(vendor); err != nil {
		return err
	}
	if len(efi) > 0 {
		fat := filepath.Join(l.maker.work, "efiboot.img")
		if err := disk.WriteFAT(ctx, disk.FAT{Path: fat, Files: efi, Epoch: l.maker.epoch}, r); err != nil {
			return err
		}
		image.Sources[live.EFIBootPath] = fat
	}
	if image.Syslinux, err = l.syslinux(env.Arch.Name); err != nil {
		return err
	}
	if len(efi) == 0 {
		return hint(errors.New("the system has no GRUB for UEFI, so its ISO would not start there"),
			"add the GRUB packages of the platform to the manifest (grub-efi-amd64-signed and shim-signed; grub2-efi-x64 and shim-x64)")
	}
	return live.WriteISO(ctx, image, r)
}

// texts gives the ISO's text files: the config's with the kernel arguments, and what says where these are.
func (l *liveImages) texts(vendor string) ([]live.File, error) {
	files, err := live.Vendor(l.files, vendor)
	if err != nil {
		return nil, err
	}
	kargs := live.Kargs(l.maker.kargs(), l.volume)
	if err := disk.CheckBLS("", strings.Join(kargs, " ")); err != nil {
		return nil, fmt.Errorf("kernel arguments of the live system: %w", err)
	}
	files, areas, err := live.Texts(files, kargs)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(files, func(f live.File) bool { return f.Name == "EFI/"+vendor+"/grub.cfg" }) {
		return nil, fmt.Errorf("the config of build %s has no live/EFI/VENDOR/grub.cfg, so its ISO would not start with UEFI", l.id)
	}
	data, err := areas.JSON()
	if err != nil {
		return nil, err
	}
	features, err := l.features()
	if err != nil {
		return nil, err
	}
	return append(files, live.File{Name: live.KargsPath, Data: data}, live.File{Name: live.FeaturesPath, Data: features}), nil
}

// vendorOf is the directory below EFI in the config's files.
func vendorOf(files []live.File) string {
	for _, f := range files {
		if rest, ok := strings.CutPrefix(f.Name, "EFI/"); ok {
			dir, _, _ := strings.Cut(rest, "/")
			return dir
		}
	}
	return "nestos"
}

// syslinux finds what a BIOS starts; nil for an architecture without one. The config without an
// isolinux.cfg makes an ISO for UEFI only.
func (l *liveImages) syslinux(arch string) (*live.Syslinux, error) {
	if arch != "x86_64" || !slices.ContainsFunc(l.files, func(f live.File) bool { return f.Name == "isolinux/isolinux.cfg" }) {
		return nil, nil //nolint:nilnil // none is no error
	}
	found := map[string]string{}
	for _, t := range tool.Need("live-bios") {
		if found[t.Name] = t.Path(); found[t.Name] == "" {
			return nil, tool.Require("live-bios")
		}
	}
	s := &live.Syslinux{Program: found["isolinux.bin"], MBR: filepath.Join(filepath.Dir(found["isolinux.bin"]), "isohdpfx.bin")}
	for _, name := range []string{"ldlinux.c32", "libcom32.c32", "libutil.c32", "vesamenu.c32"} {
		s.Modules = append(s.Modules, filepath.Join(filepath.Dir(found["ldlinux.c32"]), name))
	}
	return s, nil
}

// publish puts the artifacts into the build and then into its record. Where only some were gone, these
// alone are put back, and only if they are the recorded ones.
func (l *liveImages) publish(ctx context.Context, env *Env, paths map[string]string, r *event.Reporter) error {
	tools, err := imageTools(ctx, env, "mksquashfs", "xorriso", "mkfs.fat", "mcopy")
	if err != nil {
		return err
	}
	maps.Copy(tools, l.isolinuxVersion(env.Arch.Name))
	var made []madeImage
	for _, kind := range liveTypes() {
		if !l.force && l.missing(l.meta, kind) == "" {
			continue
		}
		a, err := finishArtifact(ctx, paths[kind], r)
		if err != nil {
			return err
		}
		a.SkipCompression = true
		m := madeImage{dir: l.dir, kind: kind, artifact: a, tools: tools}
		if !l.force {
			if err := m.check(l.meta); err != nil {
				return err
			}
		}
		made = append(made, m)
	}
	for _, m := range made {
		if err := workspace.PutFile(ctx, paths[m.kind], filepath.Join(l.dir, m.artifact.Path)); err != nil {
			return err
		}
	}
	settings, err := json.Marshal(l.settings)
	if err != nil {
		return fmt.Errorf("recording the live artifacts: %w", err)
	}
	if err := recordImages(ctx, made, env.Now(), map[string]json.RawMessage{liveKey: settings}); err != nil {
		return err
	}
	if err := env.keepJournal(l.dir); err != nil {
		return err
	}
	for _, m := range made {
		r.Artifact(filepath.Join("builds", l.id, env.Arch.Name, m.artifact.Path))
		if m.kind == "live-iso" {
			env.Came("iso", "%s", event.Bytes(m.artifact.Size))
		}
	}
	return nil
}

// isolinuxVersion tells isolinux' versions apart: its file does not say one.
func (l *liveImages) isolinuxVersion(arch string) map[string]string {
	s, err := l.syslinux(arch)
	if err != nil || s == nil {
		return nil
	}
	sum, err := hashFile(s.Program)
	if err != nil {
		return nil
	}
	return map[string]string{"isolinux.bin": "sha256 " + sum[:16]}
}
