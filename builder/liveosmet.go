package builder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder/osmet"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// LiveDisk makes a disk image that can be installed from the live system, if that is to be made.
type LiveDisk struct {
	DiskImage

	live *liveImages
}

// Skip implements Skipper.
func (d *LiveDisk) Skip(ctx context.Context, env *Env) (string, error) {
	if reason, err := d.live.there(); reason != "" || err != nil {
		return reason, err
	}
	return d.DiskImage.Skip(ctx, env)
}

// LiveOsmet writes of the disk images what they have more than the live system's files: with these the
// images can be installed from it without a second copy of all.
type LiveOsmet struct {
	Build  string
	Images []string

	liveStep
}

// Run implements Op.
func (o *LiveOsmet) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	l := o.live
	meta, err := workspace.ReadMeta(l.dir) // the images may have come just now
	if err != nil {
		return err
	}
	tree, err := osmet.ReadTree(ctx, l.laid.root)
	if err != nil {
		return err
	}
	var sum int64
	for n, t := range o.Images {
		kind, err := workspace.FindArtifactType(t)
		if err != nil {
			return err
		}
		a := meta.Images[t]
		image, err := Unpacked(ctx, env, PackedImage{Path: filepath.Join(l.dir, filepath.Base(a.Path)), Artifact: a}, r)
		if err != nil {
			return err
		}
		name := filepath.Base(a.Path)
		if c := compressorOf(name); c != "" {
			name = strings.TrimSuffix(name, c.suffix())
		}
		out := env.Work("live", name+osmet.Suffix)
		packed, err := osmet.Pack(ctx, osmet.PackRequest{
			Image: image, Tree: tree, Out: out, SectorSize: int(kind.SectorSize), Build: l.id, Description: l.laid.loader.laid.Title, SHA256: recordedSum(a),
			Progress: func(done, total int64) {
				r.Progress(int64(n)*total+done, int64(len(o.Images))*total, event.UnitBytes)
			},
		})
		if errors.Is(err, osmet.ErrOther) {
			return hint(fmt.Errorf("%s: %w", a.Path, err), "it has changed since it was made: nosa verify says what else has")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a.Path, err)
		}
		sum += packed.DataSize + packed.PlanSize
		l.osmet = append(l.osmet, out)
	}
	env.Came("osmet", "%s of %s", event.Bytes(sum), strings.Join(o.Images, ", "))
	return nil
}

// recordedSum is the checksum of a disk image, unpacked; "" is not known.
func recordedSum(a workspace.Artifact) string {
	if compressorOf(a.Path) == "" {
		return a.SHA256
	}
	return a.UncompressedSHA256
}
