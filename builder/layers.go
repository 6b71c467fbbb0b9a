package builder

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/event"
)

// CommitOverlays commits each layer to a ref of its own, as nestos-assembler does.
type CommitOverlays struct {
	Names []string

	composeStep
}

// Run implements Op.
func (o *CommitOverlays) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	b := o.build
	if err := env.commitLayers(ctx, r, b.config, b.layers); err != nil {
		return err
	}
	env.Came("overlays", "%d layers", len(b.layers))
	return nil
}

// commitLayers commits each layer to a ref of its own, as nestos-assembler does.
func (e *Env) commitLayers(ctx context.Context, r *event.Reporter, c *Config, layers []tree.Layer) error {
	repo := e.Repo(r)
	if err := repo.Init(ctx, ostree.BareUser); err != nil {
		return err
	}
	for i, layer := range layers {
		dir := e.Work("layers", fmt.Sprintf("%02d", i))
		if err := writeLayer(layer, dir); err != nil {
			return err
		}
		commit, err := repo.Write(ctx, ostree.WriteRequest{Dir: dir, Time: c.Epoch, OwnerRoot: true, NoXattrs: true})
		if err != nil {
			return err
		}
		if err := repo.SetRef(layer.Name, commit.Checksum); err != nil {
			return err
		}
		if err := removeTree(dir); err != nil {
			return fmt.Errorf("clearing a layer: %w", err)
		}
	}
	return nil
}

// writeLayer writes the files of a layer into dir, with the modes that they get
// in the tree, for the layer's own commit.
func writeLayer(layer tree.Layer, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("layer %s: %w", layer.Name, err)
	}
	for _, f := range layer.Files {
		if err := writeLayerFile(filepath.Join(dir, f.Path), f); err != nil {
			return fmt.Errorf("layer %s: %w", layer.Name, err)
		}
	}
	for _, v := range slices.Backward(layer.Files) { // a directory's mode comes last: it may forbid writing
		if f := v; f.Mode.IsDir() {
			if err := os.Chmod(filepath.Join(dir, f.Path), f.Mode&^fs.ModeDir); err != nil {
				return fmt.Errorf("layer %s: %w", layer.Name, err)
			}
		}
	}
	return nil
}

func writeLayerFile(name string, f tree.File) error {
	switch {
	case f.Mode.IsDir():
		return os.MkdirAll(name, 0o755)
	case f.Mode&fs.ModeSymlink != 0:
		return os.Symlink(f.Link, name)
	}
	in, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	if err := out.Chmod(f.Mode); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
