package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
)

// CompressRequest asks for a build's artifacts as compressed files, of all
// architectures that are here.
type CompressRequest struct {
	Build      string     `json:"build"`                // id, tag or "latest"
	Artifacts  []string   `json:"artifacts,omitempty"`  // keys of images in meta.json; empty is all that may be compressed
	Compressor Compressor `json:"compressor,omitempty"` // empty: what image.json of the build names
	Level      int        `json:"level,omitempty"`      // 0: the compressor's usual
	Fast       bool       `json:"fast,omitempty"`       // the lowest level; gzip where no compressor is given
	Reverse    bool       `json:"reverse,omitempty"`    // decompress instead
	NoWait     bool       `json:"no_wait,omitempty"`
}

// Check says what cannot be meant.
func (r CompressRequest) Check() error {
	if r.Compressor != "" && !slices.Contains(Compressors(), r.Compressor) {
		return fmt.Errorf("compressor %q: want gzip, xz or zstd", r.Compressor)
	}
	if r.Level == 0 {
		return nil
	}
	if r.Compressor == "" {
		return errors.New("a level goes with a compressor: they count differently")
	}
	if low, _, high := r.Compressor.Levels(); r.Level < low || r.Level > high {
		return fmt.Errorf("level %d: %s has %d to %d", r.Level, r.Compressor, low, high)
	}
	return nil
}

// ContentError is a file whose content is not what the build's record says.
type ContentError struct {
	Path      string // below the workspace
	Got, Want string // sha256 or size, in words
}

// Error names the file and both.
func (e *ContentError) Error() string {
	return fmt.Sprintf("%s has %s, meta.json says %s", e.Path, e.Got, e.Want)
}

// MissingArtifactsError is artifacts that were asked for by name and whose files
// are not here.
type MissingArtifactsError struct{ Names []string }

// Error names them.
func (e *MissingArtifactsError) Error() string { return "not here: " + strings.Join(e.Names, ", ") }

// Compress compresses or decompresses artifacts of a build, one after the other
// with all CPUs. Each is complete, read back and flushed before the record
// names it, and recorded before the other one is removed, so that the next run
// finishes what a killed one left.
func Compress(ctx context.Context, env *Env, req CompressRequest) error {
	env.NoWait = req.NoWait
	if err := req.Check(); err != nil {
		return err
	}
	release, err := env.Open(ctx, UseBuilds)
	if err != nil {
		return err
	}
	err = compress(ctx, env, req)
	return errors.Join(err, release())
}

func compress(ctx context.Context, env *Env, req CompressRequest) error {
	plan, c, err := planCompress(ctx, env, req)
	if err != nil {
		return err
	}
	if err := plan.Run(ctx, env); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.missing) > 0 && len(req.Artifacts) > 0 {
		return &MissingArtifactsError{c.missing}
	}
	return errors.Join(c.failed...)
}

// planCompress gives a step for each artifact.
func planCompress(ctx context.Context, env *Env, req CompressRequest) (Plan, *repacking, error) {
	id, err := env.WS.Resolve(req.Build, env.Arch.Name)
	if err != nil {
		return nil, nil, err
	}
	arches, err := env.localArches(id)
	if err != nil {
		return nil, nil, err
	}
	c := &repacking{}
	var plan Plan
	known := map[string]bool{}
	for _, arch := range arches {
		meta, err := workspace.ReadMeta(env.WS.BuildDir(id, arch))
		if err != nil {
			return nil, nil, err
		}
		o := RepackArtifact{Build: id, Arch: arch, Reverse: req.Reverse, shared: c}
		if !req.Reverse {
			if o.Compressor, o.Level, err = env.compressor(ctx, req, meta); err != nil {
				return nil, nil, err
			}
		}
		for _, t := range slices.Sorted(maps.Keys(meta.Images)) {
			known[t] = true
			if len(req.Artifacts) > 0 && !slices.Contains(req.Artifacts, t) {
				continue
			}
			step := o
			step.Type = t
			plan = append(plan, step.step(plan, env.Arch.Name))
		}
	}
	for _, t := range req.Artifacts {
		if !known[t] {
			return nil, nil, hint(fmt.Errorf("build %s has no artifact %s", id, t), "it has "+strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return plan, c, nil
}

// localArches are the architectures for which a build is here, sorted.
func (e *Env) localArches(id string) ([]string, error) {
	index, err := e.WS.ReadIndex()
	if err != nil {
		return nil, err
	}
	entry, _ := index.Find(id)
	var here []string
	for _, arch := range entry.Arches {
		if e.WS.HasBuild(id, arch) {
			here = append(here, arch)
		}
	}
	slices.Sort(here)
	if len(here) == 0 {
		return nil, fmt.Errorf("build %s is not here: %w", id, fs.ErrNotExist)
	}
	return here, nil
}

// compressor decides how a build's artifacts are compressed.
func (e *Env) compressor(ctx context.Context, req CompressRequest, meta workspace.Meta) (Compressor, int, error) {
	c := req.Compressor
	switch {
	case c != "":
	case req.Fast:
		c = Gzip
	default:
		config, err := e.imageConfig(ctx, meta)
		if ctx.Err() != nil {
			return "", 0, context.Cause(ctx)
		}
		if err != nil {
			e.Reporter("compress").Warn("gzip, since the build's image.json cannot be read: " + err.Error())
			config.Compressor = string(Gzip)
		}
		c = Compressor(config.Compressor)
	}
	low, level, _ := c.Levels()
	switch {
	case req.Level != 0:
		level = req.Level
	case req.Fast:
		level = low
	}
	if c == XZ {
		return c, level, tool.Require("xz")
	}
	return c, level, nil
}

// imageConfig reads the image.json in the commit of a build.
func (e *Env) imageConfig(ctx context.Context, meta workspace.Meta) (workspace.ImageConfig, error) {
	t, repo, err := e.commitTree(ctx, meta)
	if err != nil {
		return workspace.ImageConfig{}, err
	}
	data, err := repo.ReadFile(t, imageConfigPath)
	if err != nil {
		return workspace.ImageConfig{}, err
	}
	config, problems := workspace.ParseImageJSON(data)
	return config, problems.Err()
}
