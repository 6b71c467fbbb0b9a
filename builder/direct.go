package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
)

// DirectBoot is what boots an image of a build without its boot loader.
type DirectBoot struct {
	Kernel string // a file
	Initrd string // likewise
	Args   string // as the image's boot loader entry has them
}

// firstBootArg is what the boot loader puts for $ignition_firstboot where the
// stamp of a first boot is there.
const firstBootArg = "ignition.firstboot"

// Direct writes the kernel and the initramfs of a build into dir, which must be
// there, and gives the kernel's arguments that its image of that kind has at its
// first boot. The commit is brought into the cache if it is not there.
func Direct(ctx context.Context, env *Env, meta workspace.Meta, to DirectTarget) (DirectBoot, error) {
	file := workspace.ArtifactFile{Name: meta.Name, ID: meta.BuildID, Arch: env.Arch.Name, Type: to.Type}
	if _, _, err := env.commitTree(ctx, meta); err != nil {
		return DirectBoot{}, err
	}
	m, err := newImageMaker(ctx, env, meta, file)
	if err != nil {
		return DirectBoot{}, err
	}
	set, err := m.repo.BootSet(m.tree, meta.Name)
	if err != nil {
		return DirectBoot{}, fmt.Errorf("kernel of build %s: %w", meta.BuildID, err)
	}
	if set.Initramfs == "" {
		return DirectBoot{}, fmt.Errorf("kernel of build %s: %w", meta.BuildID, errors.New("it has no initramfs, so it does not boot without a boot loader"))
	}
	d := DirectBoot{
		Kernel: filepath.Join(to.Dir, "vmlinuz"), Initrd: filepath.Join(to.Dir, "initramfs.img"),
		Args: directArgs(append(m.kargs(), set.Option)),
	}
	for name, path := range map[string]string{d.Kernel: set.Kernel, d.Initrd: set.Initramfs} {
		if err := copyOut(m.repo, m.tree, path, name); err != nil {
			return DirectBoot{}, err
		}
	}
	return d, nil
}

// DirectTarget is which image is booted and where the files go.
type DirectTarget struct {
	Type string // a key of workspace.ArtifactTypes
	Dir  string
}

// directArgs are the options of a boot loader entry, as GRUB expands them at a first boot.
func directArgs(options []string) string {
	return strings.ReplaceAll(strings.Join(options, " "), "$ignition_firstboot", firstBootArg)
}

// copyOut writes a file of the commit to name.
func copyOut(repo ostree.Repo, t ostree.Tree, path, name string) error {
	data, err := repo.ReadFile(t, path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(name), err)
	}
	return nil
}

// hasIgnition says whether the initramfs of a build is made with Ignition: its
// dracut arguments or dracut's configuration name a module of that name. That the
// tree has the module proves nothing.
func hasIgnition(dir string, repo ostree.Repo, t ostree.Tree) (bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, workspace.FlatManifestFile))
	if err != nil {
		return false, fmt.Errorf("reading the build's manifest: %w", err)
	}
	var mf struct {
		Args []string `json:"initramfs-args"`
	}
	if err := json.Unmarshal(data, &mf); err != nil {
		return false, fmt.Errorf("reading %s: %w", workspace.FlatManifestFile, err)
	}
	if slices.ContainsFunc(mf.Args, func(arg string) bool { return strings.Contains(arg, "ignition") }) {
		return true, nil
	}
	for _, e := range slices.Concat(t.Below("/usr/lib/dracut/dracut.conf.d"), t.Below("/usr/etc/dracut.conf.d")) {
		if !e.IsRegular() || !strings.HasSuffix(e.Path, ".conf") {
			continue
		}
		text, err := repo.ReadFile(t, e.Path)
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "ignition") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				return true, nil
			}
		}
	}
	return false, nil
}
