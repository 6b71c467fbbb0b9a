package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// ImageRequest asks for disk images of a build that exists.
type ImageRequest struct {
	Build  string   `json:"build"` // id, tag or "latest"
	Types  []string `json:"types"` // keys of workspace.ArtifactTypes
	Force  bool     `json:"force"` // make it anew although it is there
	NoWait bool     `json:"no_wait,omitempty"`
}

// PlanImages gives the steps that make the images.
func PlanImages(env *Env, req ImageRequest) (Plan, error) {
	id, err := env.WS.Resolve(req.Build, env.Arch.Name)
	if err != nil {
		return nil, err
	}
	meta, err := workspace.ReadMeta(env.WS.BuildDir(id, env.Arch.Name))
	if err != nil {
		return nil, err
	}
	if len(req.Types) > 0 && isContainer(env.WS.BuildDir(id, env.Arch.Name)) {
		return nil, &NoImageError{Build: id}
	}
	plan := Plan{{Name: "import", Title: "commit in the cache", Op: &HaveCommit{Build: id, Commit: meta.Commit}, Weight: 1}}
	steps, err := imageSteps(req.Types, DiskImage{Build: id, Commit: meta.Commit, Force: req.Force}, "import")
	return append(plan, steps...), err
}

// NoImageError is a build of which there can be no images.
type NoImageError struct{ Build string }

// Error says why.
func (e *NoImageError) Error() string {
	return "build " + e.Build + " is a container (container: true): it has no kernel and no boot loader, so there can be no image of it"
}

// Images makes disk images of a build.
func Images(ctx context.Context, env *Env, req ImageRequest) error {
	env.NoWait = req.NoWait
	if err := tool.Require("disk"); err != nil {
		return err
	}
	if err := env.probe(ctx); err != nil {
		return err
	}
	release, err := env.Open(ctx, UseBuilds, readCache)
	if err != nil {
		return err
	}
	plan, err := PlanImages(env, req)
	if err == nil {
		err = plan.Run(ctx, env)
	}
	if err == nil {
		err = env.writeHistory("image")
	}
	return errors.Join(err, release())
}

// DiskImage makes one disk image of a build and records it.
type DiskImage struct {
	Build  string
	Commit string
	Type   string
	Force  bool

	later bool // of a build that is only planned
	why   string
}

// Skip implements Skipper: an image that is recorded and there is not made again.
func (d *DiskImage) Skip(_ context.Context, env *Env) (string, error) {
	if d.Force || d.later {
		d.why = "--force"
		return "", nil
	}
	dir := env.WS.BuildDir(d.Build, env.Arch.Name)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		return "", err
	}
	a, ok := meta.Images[d.Type]
	if !ok {
		d.why = "the build has no " + d.Type + " image yet"
		return "", nil
	}
	if _, err := os.Stat(filepath.Join(dir, a.Path)); err != nil {
		d.why = a.Path + " is recorded, but gone"
		return "", nil //nolint:nilerr // so make it
	}
	return "is there: " + a.Path, nil
}

// Run implements Op.
func (d *DiskImage) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	return d.produce(ctx, env, r, func(ctx context.Context, j *imageJob) (string, error) {
		m, err := newImageMaker(ctx, env, j.meta, j.file)
		if err != nil {
			return "", err
		}
		return m.make(ctx, r)
	})
}

// imageJob is one image that is being made.
type imageJob struct {
	meta  workspace.Meta // of its build
	file  workspace.ArtifactFile
	tools map[string]string // what writes it, by imageTools; what else decides its bytes may be added
}

// produce has an image made, gives it its place in the build and records it. write gives the
// path of the finished file, in the job's scratch directory.
func (d *DiskImage) produce(ctx context.Context, env *Env, r *event.Reporter, write func(context.Context, *imageJob) (string, error)) error {
	dir := env.WS.BuildDir(d.Build, env.Arch.Name)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		return err
	}
	j := &imageJob{meta: meta, file: workspace.ArtifactFile{Name: meta.Name, ID: d.Build, Arch: env.Arch.Name, Type: d.Type}}
	l, err := env.WS.LockImage(ctx, j.file, workspace.LockOptions{Kind: lock.Exclusive, NoWait: env.NoWait, Holder: env.Job})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if reason, err := d.Skip(ctx, env); reason != "" || err != nil {
		return err // another job made it while this one waited
	}
	if j.tools, err = imageTools(ctx, env, diskTools()...); err != nil {
		return err
	}
	name, err := write(ctx, j)
	if err != nil {
		return err
	}
	artifact, err := finishArtifact(ctx, name, r)
	if err != nil {
		return err
	}
	made := madeImage{dir: dir, kind: d.Type, artifact: artifact, tools: j.tools}
	if !d.Force {
		if err := made.check(meta); err != nil {
			return err
		}
	}
	if err := workspace.PutFile(ctx, name, filepath.Join(dir, artifact.Path)); err != nil {
		return err
	}
	if err := recordImages(ctx, []madeImage{made}, env.Now(), nil); err != nil {
		return err
	}
	env.Because(d.Type, d.why)
	if err := env.keepJournal(dir); err != nil {
		return err
	}
	env.Came(d.Type, "%s", event.Bytes(artifact.Size))
	r.Artifact(filepath.Join("builds", d.Build, env.Arch.Name, artifact.Path))
	return nil
}

// finishArtifact makes a finished file read-only, flushes it and describes it.
func finishArtifact(ctx context.Context, name string, r *event.Reporter) (workspace.Artifact, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return workspace.Artifact{}, fmt.Errorf("finishing %s: %w", filepath.Base(name), err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return workspace.Artifact{}, fmt.Errorf("finishing %s: %w", filepath.Base(name), err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, &progressReader{ctx: ctx, in: f, total: info.Size(), r: r}); err != nil {
		return workspace.Artifact{}, fmt.Errorf("checksumming %s: %w", filepath.Base(name), err)
	}
	if err := errors.Join(f.Chmod(0o444), f.Sync()); err != nil {
		return workspace.Artifact{}, fmt.Errorf("finishing %s: %w", filepath.Base(name), err)
	}
	return workspace.Artifact{Path: filepath.Base(name), SHA256: hex.EncodeToString(h.Sum(nil)), Size: info.Size()}, nil
}

// progressReader reports what is read and ends with the context.
type progressReader struct {
	ctx         context.Context //nolint:containedctx // a reader has no other way to be cancelled
	in          io.Reader
	done, total int64
	r           *event.Reporter
}

func (p *progressReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, context.Cause(p.ctx)
	}
	n, err := p.in.Read(b)
	p.done += int64(n)
	p.r.Progress(p.done, p.total, event.UnitBytes)
	return n, err
}
