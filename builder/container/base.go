package container

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// The bases: the Containerfile's own, and the name of what Bootstrap makes.
const (
	DefaultBase = "hub.oepkgs.net/openeuler/openeuler:24.03-lts"
	LocalBase   = local + "nosa-base:bookworm"
)

// Bootstrap is a base image made from a Debian mirror.
type Bootstrap struct {
	Engine   backend.Engine
	Env      []string // as of Options
	Dir      string   // an empty directory on a disk; the caller removes it
	Suite    string   // bookworm
	Mirror   string   // URL of the archive
	Security string   // URL of the security archive
	Tag      string
}

// Args is the command line that makes the archive of the system: what every Debian has, and certificates.
func (b Bootstrap) Args() []string {
	return []string{
		"mmdebstrap", "--variant=minbase", "--include=ca-certificates", "--format=tar", b.Suite, b.archive(),
		fmt.Sprintf("deb %s %s main", b.Mirror, b.Suite),
		fmt.Sprintf("deb %s %s-updates main", b.Mirror, b.Suite),
		fmt.Sprintf("deb %s %s-security main", b.Security, b.Suite),
	}
}

func (b Bootstrap) archive() string { return filepath.Join(b.Dir, "base.tar") }

// Make fetches the system's packages and puts them into an archive. mmdebstrap checks the mirror's signatures with
// the keys of this machine.
func (b Bootstrap) Make(ctx context.Context, r *event.Reporter) error {
	if err := proc.Run(ctx, proc.Cmd{Args: b.Args(), Dir: b.Dir, Whole: inDir(b.Env, b.Dir), Line: r.Line}); err != nil {
		return fmt.Errorf("making a Debian system: %w", err)
	}
	return nil
}

// Import makes an image of the archive, and removes the one that had its name before.
func (b Bootstrap) Import(ctx context.Context, r *event.Reporter) (backend.Image, error) {
	run := func(args ...string) error {
		return proc.Run(ctx, proc.Cmd{Args: append([]string{b.Engine.Program}, args...), Whole: inDir(b.Env, b.Dir), Line: r.Line})
	}
	old, err := b.Engine.Image(ctx, b.Tag)
	if err != nil && !errors.Is(err, backend.ErrNoImage) {
		return old, err
	}
	if err := run("import", "--change", "LABEL "+backend.LabelRole+"=base", "--change", `CMD ["/bin/bash"]`, b.archive(), b.Tag); err != nil {
		return backend.Image{}, fmt.Errorf("importing the base image: %w", err)
	}
	image, err := b.Engine.Image(ctx, b.Tag)
	if err == nil && old.ID != "" && old.ID != image.ID && run("image", "rm", old.ID) != nil {
		r.Info("the base image before this one stays: images were made of it")
	}
	return image, err
}
