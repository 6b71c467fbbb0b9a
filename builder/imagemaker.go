package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// imageConfigPath is where a commit carries the configuration of its images:
// what nestos-assembler and its readers expect, unrenamed.
const imageConfigPath = "/usr/share/coreos-assembler/image.json"

// PlatformsFile is the part of platforms.yaml for the build's architecture, as
// JSON, in the build's directory.
const PlatformsFile = "platforms.json"

// imageMaker holds what one image is made from.
type imageMaker struct {
	env    *Env
	meta   workspace.Meta
	kind   workspace.ArtifactType
	file   workspace.ArtifactFile
	name   string // of the finished file
	config workspace.ImageConfig
	plat   workspace.Platform
	raw    []byte // platforms.json; nil where the config has none
	tree   ostree.Tree
	repo   ostree.Repo
	work   string
	epoch  time.Time
}

func newImageMaker(ctx context.Context, env *Env, meta workspace.Meta, file workspace.ArtifactFile) (*imageMaker, error) {
	m := &imageMaker{env: env, meta: meta, file: file, repo: env.Repo(nil), work: env.Work(file.Type)}
	var err error
	if m.kind, err = workspace.FindArtifactType(file.Type); err != nil {
		return nil, err
	}
	if m.name, err = file.FileName(); err != nil {
		return nil, err
	}
	if m.tree, err = m.repo.Tree(ctx, meta.Commit); err != nil {
		return nil, err
	}
	m.epoch = m.tree.Commit.Time
	data, err := m.repo.ReadFile(m.tree, imageConfigPath)
	if err != nil {
		return nil, fmt.Errorf("the commit was not built for images: %w", err)
	}
	config, problems := workspace.ParseImageJSON(data)
	if err := problems.Err(); err != nil {
		return nil, fmt.Errorf("%s of commit %s: %w", imageConfigPath, meta.Commit, err)
	}
	m.config = config
	m.raw, err = os.ReadFile(filepath.Join(env.WS.BuildDir(file.ID, file.Arch), PlatformsFile))
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the platforms of the build: %w", err)
	}
	platforms, err := workspace.ReadPlatformsJSON(m.raw)
	if err != nil {
		return nil, err
	}
	m.plat = platforms.ByName[m.kind.Platform]
	return m, nil
}

// make lays the system out and writes the image; it gives the finished file's path.
func (m *imageMaker) make(ctx context.Context, r *event.Reporter) (string, error) {
	layout, err := m.sizes()
	if err != nil {
		return "", err
	}
	copies := int64(1)
	if strings.HasSuffix(m.name, ".qcow2") {
		copies = 2
	}
	files, inodes := m.tree.Sizes()
	if err := checkSpace(m.env.Work(), imageSpace(files, inodes, copies)); err != nil {
		return "", err
	}
	if err := os.RemoveAll(m.work); err != nil {
		return "", fmt.Errorf("clearing the scratch directory: %w", err)
	}
	root, boot := filepath.Join(m.work, "root"), filepath.Join(m.work, "boot")
	laid, err := ostree.Lay(ctx, ostree.LayRequest{
		Repo: m.repo, Commit: m.meta.Commit, Tree: m.tree, Refspec: m.refspec(), OSName: m.meta.Name,
		Stage: root, Boot: boot, Kargs: m.kargs(), Time: m.epoch,
		Label: labeller(m.tree),
	})
	if err != nil {
		return "", err
	}
	loader := bootLoader{maker: m, stage: root, boot: boot, laid: laid, layout: layout}
	bios, esp, err := loader.install(ctx, r)
	if err != nil {
		return "", err
	}
	if err := m.aleph(root); err != nil {
		return "", err
	}
	raw := filepath.Join(m.work, "disk.raw")
	image := disk.Image{
		Path: raw, Layout: layout, Epoch: m.epoch, BIOS: bios, ESP: esp,
		Root: disk.Filesystem{Type: m.config.RootFS, Dir: root, Inodes: diskInodes(laid.RootInodes), Args: m.config.RootFSArgs},
		Boot: disk.Filesystem{Type: m.config.BootFS, Dir: boot, Inodes: append(diskInodes(laid.BootInodes), loader.inodes...), Features: m.bootFeatures()},
	}
	if err := disk.Write(ctx, image, r); err != nil {
		return "", err
	}
	return m.convert(ctx, raw)
}

// convert gives the image its final format and name.
func (m *imageMaker) convert(ctx context.Context, raw string) (string, error) {
	out := filepath.Join(m.work, m.name)
	if strings.HasSuffix(m.name, ".qcow2") {
		return out, disk.QCOW2(ctx, raw, out, disk.Uncompressed)
	}
	if err := os.Rename(raw, out); err != nil {
		return "", fmt.Errorf("naming %s: %w", m.name, err)
	}
	return out, nil
}

// sizes decides the size of disk and root before any work: the qemu image has
// the size of image.yaml, with a root that first boot grows; the others are as
// small as the commit allows.
func (m *imageMaker) sizes() (disk.Layout, error) {
	files, inodes := m.tree.Sizes()
	req := disk.LayoutRequest{
		Arch: m.file.Arch, SectorSize: event.Bytes(m.kind.SectorSize), RootSize: disk.EstimateRoot(files, inodes),
	}
	if m.kind.Platform != "metal" {
		req.DiskSize = event.Bytes(m.config.SizeGiB) * event.GiB
	}
	return disk.NewLayout(req)
}

// refspec is what the installed system upgrades from.
func (m *imageMaker) refspec() string {
	switch {
	case m.meta.Ref == "":
		return ""
	case m.config.OSTreeRemote == "":
		return m.meta.Ref
	}
	return m.config.OSTreeRemote + ":" + m.meta.Ref
}

// kargs are the kernel arguments, in the order that tools which edit them expect.
func (m *imageMaker) kargs() []string {
	list := append([]string{}, m.config.ExtraKargs...)
	list = append(list, "ignition.platform.id="+m.kind.Platform)
	list = append(list, m.plat.Kargs...)
	return append(list, "$ignition_firstboot")
}

// bootFeatures are the ext4 features of /boot that image.yaml asks for.
func (m *imageMaker) bootFeatures() []string {
	if m.config.BootCsumSeed {
		return []string{"metadata_csum_seed"}
	}
	return nil
}

// aleph is what the system was installed from, for its whole life.
func (m *imageMaker) aleph(root string) error {
	data, err := json.MarshalIndent(map[string]string{
		"build": m.file.ID, "ref": m.meta.Ref, "ostree-commit": m.meta.Commit, "imgid": m.name,
	}, "", "    ")
	if err != nil {
		return fmt.Errorf("writing the aleph file: %w", err)
	}
	if err := os.WriteFile(filepath.Join(root, ".nestos-aleph-version.json"), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the aleph file: %w", err)
	}
	return nil
}

func diskInodes(list []ostree.Inode) []disk.Inode {
	out := make([]disk.Inode, len(list))
	for i, n := range list {
		out[i] = disk.Inode{Path: n.Path, UID: n.UID, GID: n.GID, Mode: n.Mode, Xattrs: n.Xattrs, DropXattrs: n.DropXattrs}
		if n.Immutable {
			out[i].Flags = disk.FlagImmutable
		}
	}
	return out
}
