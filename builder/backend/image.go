package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// ErrNoImage is an image that the engine does not have.
var ErrNoImage = errors.New("no such image")

// Image is what an engine says of an image.
type Image struct {
	ID      string // sha256 in hexadecimal, with nothing before it
	Created time.Time
	Size    int64 // bytes, unpacked
	Labels  map[string]string
}

// Image looks for an image here; it asks no registry. One that is not here is ErrNoImage.
func (e Engine) Image(ctx context.Context, ref string) (Image, error) {
	out, err := e.output(ctx, "image", "inspect", ref)
	if err != nil {
		if says(err, goneWords()) {
			return Image{}, fmt.Errorf("image %s: %w", ref, ErrNoImage)
		}
		return Image{}, fmt.Errorf("asking %s for the image %s: %w", e.Program, ref, err)
	}
	return readImage(out)
}

// readImage reads the answer of image inspect, which podman and docker give alike but for a prefix.
func readImage(data []byte) (Image, error) {
	var list []struct {
		ID      string `json:"Id"`
		Created time.Time
		Size    int64
		Config  struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return Image{}, fmt.Errorf("reading what the engine says of an image: %w", err)
	}
	if len(list) == 0 {
		return Image{}, ErrNoImage
	}
	i := list[0]
	if i.ID == "" {
		return Image{}, errors.New("reading what the engine says of an image: it has no id")
	}
	return Image{ID: strings.TrimPrefix(i.ID, "sha256:"), Created: i.Created, Size: i.Size, Labels: i.Config.Labels}, nil
}

// goneWords are what an engine says when what was named is not there.
func goneWords() []string {
	return []string{
		"no such image", "image not known", // docker, podman
		"no such container", "no container with", "no such object",
	}
}

// says looks for words, of which one will do, in what a failed engine said.
func says(err error, words []string) bool {
	exit, ok := errors.AsType[*proc.ExitError](err)
	if !ok {
		return false
	}
	text := strings.ToLower(strings.Join(exit.Output(), "\n"))
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
