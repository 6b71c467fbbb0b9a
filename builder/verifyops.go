package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/disk"
	"github.com/nestos/nosa/builder/oci"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// VerifyArtifact checks one file of a build: size, checksum, and what its type
// allows to be looked at.
type VerifyArtifact struct {
	Build, Arch, Type string

	verifying
}

// Run implements Op.
func (o *VerifyArtifact) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	file := workspace.ArtifactFile{ID: o.Build, Arch: o.Arch, Type: o.Type}
	l, err := env.take(ctx, func(ctx context.Context, lo workspace.LockOptions) (*lock.File, error) {
		lo.Holder = "" // not alone
		return env.WS.LockImage(ctx, file, lo)
	}, lock.Shared)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	dir := env.WS.BuildDir(o.Build, o.Arch)
	meta, err := workspace.ReadMeta(dir) // it may have been compressed meanwhile
	if err != nil {
		return err
	}
	a := meta.Images[o.Type]
	c := artifactCheck{VerifyArtifact: o, dir: dir, artifact: a, report: r, scratch: o.work(env)}
	if c.kind, err = workspace.FindArtifactType(o.Type); err != nil {
		c.kind = workspace.ArtifactType{Key: o.Type} // another tool's
	}
	if err := os.MkdirAll(c.scratch, 0o755); err != nil {
		return fmt.Errorf("making the scratch directory: %w", err)
	}
	err = c.check(ctx)
	o.done(env)
	return errors.Join(err, os.RemoveAll(c.scratch))
}

// artifactCheck is one artifact being verified.
type artifactCheck struct {
	*VerifyArtifact
	dir      string // of the build
	scratch  string
	artifact workspace.Artifact
	kind     workspace.ArtifactType
	report   *event.Reporter
}

// next is what mends a damaged file of the type.
func (c artifactCheck) next() string {
	if c.kind.Stage == "" {
		return ""
	}
	return fmt.Sprintf("nosa buildextend-%s --build %s --force makes it anew", c.kind.Stage, c.Build)
}

func (c artifactCheck) check(ctx context.Context) error {
	path := filepath.Join(c.dir, c.artifact.Path)
	if filepath.Base(c.artifact.Path) != c.artifact.Path || !filepath.IsLocal(c.artifact.Path) {
		c.fail("", fmt.Sprintf("its path %q leads out of the build's directory", c.artifact.Path))
		return nil
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.kind.Stage != "":
		c.v.gone(c.row, fmt.Sprintf("nosa buildextend-%s --build %s makes it again", c.kind.Stage, c.Build))
		return nil
	case err != nil:
		c.fail(c.next(), "it is recorded and cannot be found: "+err.Error())
		return nil
	case !info.Mode().IsRegular():
		c.fail(c.next(), "it is no file")
		return nil
	}
	if err := c.content(ctx, path, info); err != nil {
		return err
	}
	packed := compressorOf(c.artifact.Path)
	if packed == "" {
		return c.format(ctx, path)
	}
	if !c.v.req.Deep {
		return nil
	}
	return c.unpacked(ctx, packed, path)
}

// content compares size and checksum with the record.
func (c artifactCheck) content(ctx context.Context, path string, info fs.FileInfo) error {
	if c.artifact.Size != 0 && info.Size() != c.artifact.Size {
		c.fail(c.next(), fmt.Sprintf("it has %d bytes, meta.json says %d", info.Size(), c.artifact.Size))
		return nil
	}
	if c.v.req.NoChecksum {
		c.hold("size")
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening an artifact: %w", err)
	}
	defer f.Close()
	d := newFileDigest()
	if _, err := io.CopyBuffer(struct{ io.Writer }{d}, &progressReader{ctx: ctx, in: f, total: info.Size(), r: c.report}, make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if d.sum() != c.artifact.SHA256 {
		c.fail(c.next(), fmt.Sprintf("its sha256 is %s, meta.json says %s", d.sum(), c.artifact.SHA256))
		return nil
	}
	c.hold("sha256")
	return nil
}

// format looks into a file that is not compressed.
func (c artifactCheck) format(ctx context.Context, path string) error {
	switch {
	case c.kind.SectorSize > 0:
		return c.image(ctx, path)
	case c.kind.Stage == "live":
		return c.liveArtifact(ctx, path)
	case c.Type == "oci-manifest":
		c.manifest(path)
	}
	return nil
}

func (c artifactCheck) image(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err == nil && strings.HasSuffix(path, ".qcow2") {
		if err := checkSpace(c.scratch, event.Bytes(info.Size())); err != nil {
			return err
		}
	}
	found, err := disk.Verify(ctx, disk.VerifyRequest{Path: path, SectorSize: event.Bytes(c.kind.SectorSize), Work: c.scratch})
	for _, f := range found {
		if f.Problem != "" {
			c.fail(c.next(), f.Check+": "+f.Problem)
		} else {
			c.hold(f.Check)
		}
	}
	return err
}

// manifest compares the manifest's copy with that in the archive.
func (c artifactCheck) manifest(path string) {
	own, err := os.ReadFile(path)
	if err != nil {
		c.fail("", err.Error())
		return
	}
	meta, err := workspace.ReadMeta(c.dir)
	if err != nil {
		c.fail("", err.Error())
		return
	}
	theirs, err := oci.Manifest(filepath.Join(c.dir, filepath.Base(meta.Images["ostree"].Path)))
	switch {
	case err != nil:
		return // of the archive, which is verified itself
	case !bytes.Equal(own, theirs):
		c.fail("", "it is not the manifest in the archive")
	default:
		c.hold("the same in the archive")
	}
}

// unpacked looks at what is in a compressed file.
func (c artifactCheck) unpacked(ctx context.Context, packed Compressor, path string) error {
	if packed == XZ {
		if err := tool.Require("xz"); err != nil {
			return err
		}
	}
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening an artifact: %w", err)
	}
	defer in.Close()
	if info, err := in.Stat(); err == nil {
		if err := checkSpace(c.scratch, event.Bytes(info.Size())*2); err != nil {
			return err
		}
	}
	out, err := os.Create(filepath.Join(c.scratch, strings.TrimSuffix(c.artifact.Path, packed.suffix())))
	if err != nil {
		return fmt.Errorf("unpacking an artifact: %w", err)
	}
	defer out.Close()
	plain, file := newFileDigest(), &sparseFile{file: out}
	err = packed.unpack(ctx, &progressReader{ctx: ctx, in: in}, io.MultiWriter(plain, file))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case file.err != nil:
		return fmt.Errorf("unpacking %s: %w", c.artifact.Path, file.err)
	case err != nil:
		c.fail(c.next(), "it cannot be decompressed: "+err.Error())
		return nil
	}
	if err := plain.check("what is in it", c.artifact.UncompressedSHA256, c.artifact.UncompressedSize); err != nil {
		c.fail(c.next(), err.Error())
		return nil
	}
	c.hold("uncompressed-sha256")
	if err := file.finish(); err != nil {
		return fmt.Errorf("unpacking %s: %w", c.artifact.Path, err)
	}
	return c.format(ctx, out.Name())
}

// VerifyRecords checks the files that tell of a build beside meta.json.
type VerifyRecords struct {
	Build, Arch string

	verifying
}

// Run implements Op.
func (o *VerifyRecords) Run(_ context.Context, env *Env, _ *event.Reporter) error {
	dir := env.WS.BuildDir(o.Build, o.Arch)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		return err
	}
	o.file(dir, workspace.CommitObjectFile, func(data []byte) error {
		if sum := sha256Hex(data); sum != meta.Commit {
			return fmt.Errorf("is commit %s, meta.json says %s", sum, meta.Commit)
		}
		return nil
	})
	for _, name := range []string{workspace.CommitMetaFile, workspace.FlatManifestFile, workspace.GeneratedLockfile(o.Arch), workspace.OverlaysFile, PlatformsFile} {
		o.file(dir, name, func(data []byte) error {
			if !json.Valid(data) {
				return errors.New("is no JSON")
			}
			return nil
		})
	}
	o.file(dir, workspace.ConfigGitFile, func(data []byte) error {
		var record workspace.GitRecord
		if err := json.Unmarshal(data, &record); err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		if record.File == nil {
			return nil
		}
		archive, err := os.ReadFile(filepath.Join(dir, filepath.Base(record.File.Name)))
		if err != nil {
			return fmt.Errorf("names an archive: %w", err)
		}
		if sum := sha256Hex(archive); sum != record.File.Checksum {
			return fmt.Errorf("names an archive with sha256 %s, it has %s", record.File.Checksum, sum)
		}
		return nil
	})
	o.done(env)
	return nil
}

// file checks one file; builds of other tools need not have it.
func (o *VerifyRecords) file(dir, name string, check func([]byte) error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = check(data)
	}
	if err != nil {
		o.fail("", name+" "+err.Error())
		return
	}
	o.hold(name)
}
