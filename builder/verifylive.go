package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/builder/osmet"
	"github.com/nestos/nosa/workspace"
)

// liveArtifact looks into one of the live artifacts, and whether it fits the others.
func (c artifactCheck) liveArtifact(ctx context.Context, path string) error {
	meta, err := workspace.ReadMeta(c.dir)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening an artifact: %w", err)
	}
	defer f.Close()
	switch c.Type {
	case "live-rootfs":
		c.rootfs(ctx, f, meta)
	case "live-initramfs":
		c.initramfs(ctx, f, meta)
	case "live-iso":
		c.iso(ctx, f, meta)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (c artifactCheck) rootfs(ctx context.Context, f *os.File, meta workspace.Meta) {
	found, err := live.ReadRootfs(&progressReader{ctx: ctx, in: f})
	switch {
	case err != nil:
		c.fail(c.next(), err.Error())
		return
	case found.Build != c.Build:
		c.fail(c.next(), fmt.Sprintf("it says that it is of build %q", found.Build))
		return
	}
	c.hold(fmt.Sprintf("squashfs at byte %d", live.SquashfsOffset), "build")
	var settings LiveSettings
	if json.Unmarshal(meta.Extra[liveKey], &settings) != nil {
		return
	}
	for _, t := range settings.Images {
		name, err := workspace.ArtifactFile{Name: meta.Name, ID: c.Build, Arch: c.Arch, Type: t}.FileName()
		if err == nil && !slices.Contains(found.Files, name+osmet.Suffix) {
			c.fail(c.next(), fmt.Sprintf("%s cannot be installed from it: it has no %s", t, name+osmet.Suffix))
		}
	}
}

// initramfs wants that the initramfs wants the build's rootfs.img.
func (c artifactCheck) initramfs(ctx context.Context, f *os.File, meta workspace.Meta) {
	info, err := f.Stat()
	if err != nil {
		c.fail("", err.Error())
		return
	}
	files, err := live.ReadInitrd(f, info.Size())
	if err != nil {
		c.fail(c.next(), err.Error())
		return
	}
	if got := string(files[live.InitramfsStamp]); got != c.Build+"\n" {
		c.fail(c.next(), fmt.Sprintf("it says that it is of build %q", got))
		return
	}
	c.hold("build")
	if c.v.req.NoChecksum {
		return
	}
	rootfs, err := os.Open(filepath.Join(c.dir, filepath.Base(meta.Images["live-rootfs"].Path)))
	if err != nil {
		return // which is verified itself
	}
	defer rootfs.Close()
	sums := live.NewStreamHash()
	if _, err := io.Copy(sums, &progressReader{ctx: ctx, in: rootfs}); err != nil {
		return
	}
	if !bytes.Equal(sums.Text(), files[live.WantRootfs]) {
		c.fail(c.next(), "the rootfs that it wants is not the live-rootfs of the build: it would not start with it")
		return
	}
	c.hold("it wants the live-rootfs")
}

// iso compares what is on the ISO with the files for PXE, which are the same.
func (c artifactCheck) iso(ctx context.Context, f *os.File, meta workspace.Meta) {
	disc, err := live.ReadDisc(f)
	if err != nil {
		c.fail(c.next(), err.Error())
		return
	}
	if want, err := live.VolumeID(meta.Name, c.Build); err == nil && disc.VolumeID != want {
		c.fail(c.next(), fmt.Sprintf("its label is %q, want %q", disc.VolumeID, want))
	}
	for kind, name := range map[string]string{"live-kernel": live.KernelPath, "live-initramfs": live.InitrdPath, "live-rootfs": live.RootfsPath} {
		in, err := disc.Open(name)
		if err != nil {
			c.fail(c.next(), err.Error())
			return
		}
		want := meta.Images[kind].SHA256
		if c.v.req.NoChecksum || want == "" {
			continue
		}
		d := newFileDigest()
		if _, err := io.Copy(struct{ io.Writer }{d}, &progressReader{ctx: ctx, in: in}); err != nil {
			c.fail(c.next(), err.Error())
			return
		}
		if d.sum() != want {
			c.fail(c.next(), fmt.Sprintf("/%s is not the %s of the build", name, kind))
			return
		}
	}
	c.hold("label", "the same files as for PXE")
}
