package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// PlatformImage makes the disk image of a platform out of that of another: a copy in whose boot
// partition the platform's name, kernel arguments and console commands are those of
// platforms.yaml. No filesystem is made anew, and all partitions but boot have the same bytes.
type PlatformImage struct {
	From string // key of the artifact that is copied
	DiskImage
}

// Run implements Op.
func (p *PlatformImage) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	return p.produce(ctx, env, r, func(ctx context.Context, j *imageJob) (string, error) {
		source := j.file
		source.Type = p.From
		l, err := env.take(ctx, func(ctx context.Context, o workspace.LockOptions) (*lock.File, error) {
			o.Holder = "" // not alone
			return env.WS.LockImage(ctx, source, o)
		}, lock.Shared)
		if err != nil {
			return "", err
		}
		defer func() { _ = l.Close() }()
		return p.make(ctx, env, r, j)
	})
}

// make gives the path of the finished file.
func (p *PlatformImage) make(ctx context.Context, env *Env, r *event.Reporter, j *imageJob) (string, error) {
	dir := env.WS.BuildDir(p.Build, env.Arch.Name)
	meta, err := workspace.ReadMeta(dir) // the source may have been made, or packed, by the step before
	if err != nil {
		return "", err
	}
	artifact, ok := meta.Images[p.From]
	if !ok {
		return "", fmt.Errorf("build %s has no %s image", p.Build, p.From)
	}
	keep, err := env.WS.KeepImages(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = keep.Close() }()
	path, err := Unpacked(ctx, env, PackedImage{Path: filepath.Join(dir, filepath.Base(artifact.Path)), Artifact: artifact}, r)
	if err != nil {
		return "", err
	}
	t, err := newTransplant(j.file, dir)
	if err != nil {
		return "", err
	}
	t.from, t.want, t.work = path, artifact.SHA256, env.Work(p.Type)
	if artifact.UncompressedSHA256 != "" {
		t.want = artifact.UncompressedSHA256
	}
	j.tools[p.From+" image"] = t.want[:min(len(t.want), 16)] // it decides the bytes too
	return t.run(ctx, r)
}

// transplant is an image on its way to another platform.
type transplant struct {
	kind   workspace.ArtifactType
	source workspace.ArtifactType
	before disk.BootPlatform
	after  disk.BootPlatform
	name   string // of the finished file
	from   string // path of the image that is copied
	want   string // its sha256
	work   string // a directory to be made, for the job alone
}

// newTransplant reads what the build in dir says of both platforms.
func newTransplant(file workspace.ArtifactFile, dir string) (transplant, error) {
	kind, err := workspace.FindArtifactType(file.Type)
	if err != nil {
		return transplant{}, err
	}
	name, err := file.FileName()
	if err != nil {
		return transplant{}, err
	}
	var platforms workspace.Platforms
	raw, err := os.ReadFile(filepath.Join(dir, PlatformsFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return transplant{}, fmt.Errorf("reading the platforms of the build: %w", err)
	default:
		if platforms, err = workspace.ReadPlatformsJSON(raw); err != nil {
			return transplant{}, err
		}
	}
	return transplantOf(kind, platforms, name)
}

// transplantOf decides what changes in an image of that kind; name is that of its file.
func transplantOf(kind workspace.ArtifactType, platforms workspace.Platforms, name string) (transplant, error) {
	source, err := workspace.FindArtifactType(kind.From)
	if err != nil {
		return transplant{}, fmt.Errorf("%s images are made from others: %w", kind.Key, err)
	}
	if a, b := filepath.Ext(kind.Pattern), filepath.Ext(source.Pattern); a != b || kind.SectorSize != source.SectorSize {
		return transplant{}, fmt.Errorf("%s images are %s with sectors of %d, and cannot be made from %s images, which are %s with sectors of %d", kind.Key, a, kind.SectorSize, source.Key, b, source.SectorSize)
	}
	t := transplant{kind: kind, source: source, name: name}
	for _, side := range []struct {
		platform string
		into     *disk.BootPlatform
	}{{source.Platform, &t.before}, {kind.Platform, &t.after}} {
		p := platforms.ByName[side.platform]
		*side.into = disk.BootPlatform{ID: side.platform, Kargs: p.Kargs, Console: p.GrubCommands}
	}
	return t, nil
}

// run makes the copy and changes it.
func (t transplant) run(ctx context.Context, r *event.Reporter) (string, error) {
	if err := os.RemoveAll(t.work); err != nil {
		return "", fmt.Errorf("clearing the scratch directory: %w", err)
	}
	if err := os.MkdirAll(t.work, 0o755); err != nil {
		return "", fmt.Errorf("making the scratch directory: %w", err)
	}
	out := filepath.Join(t.work, t.name)
	if err := t.copy(ctx, out, r); err != nil {
		return "", err
	}
	edit := disk.BootEdit{Image: out, Format: "raw", SectorSize: event.Bytes(t.kind.SectorSize), Work: t.work}
	if strings.HasSuffix(t.name, ".qcow2") {
		edit.Format = "qcow2"
	}
	err := edit.Edit(ctx, func(ctx context.Context, files *disk.BootFiles) ([]disk.FileEdit, error) {
		return disk.PlatformEdits(ctx, files, t.before, t.after)
	})
	if err != nil {
		return "", fmt.Errorf("making the %s image a %s one: %w", t.source.Key, t.kind.Key, err)
	}
	if edit.Format == "qcow2" {
		err = disk.CheckQCOW2(ctx, out)
	}
	return out, err
}

// bootCopySpace is what the boot partition takes while it is changed.
const bootCopySpace = 400 * event.MiB

// copy copies the image, as a reflink where the filesystem can, and refuses one that is not the
// recorded one: a damaged image must not become a good record of another platform's.
func (t transplant) copy(ctx context.Context, out string, r *event.Reporter) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copying the %s image: %w", t.source.Key, err)
		}
	}()
	in, err := os.Open(t.from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := checkSpace(t.work, event.Bytes(info.Size())+bootCopySpace); err != nil {
		return err
	}
	to, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	sum, file := newFileDigest(), &sparseFile{file: to}
	into := io.MultiWriter(sum, file)
	if unix.IoctlFileClone(int(to.Fd()), int(in.Fd())) == nil {
		into, file = struct{ io.Writer }{sum}, nil
	}
	if _, err := io.CopyBuffer(into, &progressReader{ctx: ctx, in: in, total: info.Size(), r: r}, make([]byte, 1<<20)); err != nil {
		return err
	}
	if file != nil {
		if err := file.finish(); err != nil {
			return err
		}
	}
	if got := sum.sum(); t.want != "" && got != t.want {
		return &ContentError{Path: filepath.Base(t.from), Got: "sha256 " + got, Want: "sha256 " + t.want}
	}
	return nil
}
