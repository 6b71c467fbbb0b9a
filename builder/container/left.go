package container

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

const (
	maker      = "nosa"           // what our images have as labelMaker; those made by hand have another
	labelMaker = "org.nosa.maker" // who made an image
	// alias is the base's name during a build: podman names after it what it works in, and does not remove that when it
	// is ended early (measured with 4.3.1: seven containers, their images with them).
	alias = local + "nosa-build:base"
)

// cleanTime is how long the engine may take to remove what builds left.
const cleanTime = time.Minute

// nameBase gives the base its alias, for podman.
func (o Options) nameBase(ctx context.Context, r *event.Reporter) error {
	if o.Engine.Kind != backend.Podman {
		return nil
	}
	base := cmp.Or(o.Base, DefaultBase)
	if err := proc.Run(ctx, proc.Cmd{Args: []string{o.Engine.Program, "tag", base, alias}, Whole: o.env(), Line: r.Line}); err != nil {
		return fmt.Errorf("naming the base image %s: %w", base, err)
	}
	return nil
}

// removeOld removes what builds of ours have left: what podman worked in, the base's alias, and images that nothing
// has a name for. It goes on after a cancel.
func removeOld(ctx context.Context, o Options, r *event.Reporter) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	run := func(args ...string) error {
		return proc.Run(ctx, proc.Cmd{Args: append([]string{o.Engine.Program}, args...), Whole: o.env(), Line: r.Line})
	}
	var errs []error
	if o.Engine.Kind == backend.Podman {
		ids, err := o.working(ctx)
		if err == nil && len(ids) > 0 {
			err = run(append([]string{"rm", "--force"}, ids...)...)
		}
		errs = append(errs, err)
		if _, err := o.Engine.Image(ctx, alias); err == nil {
			errs = append(errs, run("untag", alias, alias)) // with one name only it would take all names from the image
		}
	}
	return errors.Join(append(errs, run("image", "prune", "--force", "--filter", "label="+labelMaker+"="+maker))...)
}

// working are the ids of the containers in which podman works when it builds images of ours.
func (o Options) working(ctx context.Context) ([]string, error) {
	ask := func(args ...string) ([]byte, error) {
		return proc.Output(ctx, proc.Cmd{Args: append([]string{o.Engine.Program}, args...), Whole: o.env()})
	}
	images, err := ask("images", "--all", "--quiet", "--no-trunc", "--filter", "label="+labelMaker+"="+maker)
	if err != nil {
		return nil, fmt.Errorf("listing the images of earlier builds: %w", err)
	}
	list, err := ask("ps", "--all", "--external", "--format", "json")
	if err != nil {
		return nil, fmt.Errorf("listing what earlier builds worked in: %w", err)
	}
	ours := strings.Fields(strings.ReplaceAll(string(images), "sha256:", ""))
	return readWorking(list, ours)
}

// readWorking picks from podman's list of containers those that are a build's, and of the alias or one of the images.
func readWorking(list []byte, images []string) ([]string, error) {
	var all []struct {
		ID      string `json:"Id"`
		Image   string
		ImageID string
		State   string // storage: known to the storage only, as what a build works in
	}
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, fmt.Errorf("reading podman's list of containers: %w", err)
	}
	var ids []string
	for _, c := range all {
		if c.State == "storage" && (c.Image == alias || slices.Contains(images, c.ImageID)) {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}
