package backend

import (
	"fmt"
	"strings"
)

// Facts are what Choose decides by.
type Facts struct {
	Inside    bool       // this nosa runs in nosa's container
	Want      string     // auto (or ""), local, podman, docker
	Ref       string     // the image's name, for the words
	Engine    *Engine    // what Find gave for Want; nil is none, and EngineErr says why
	EngineErr error      // also why the engine could not say whether it has the image
	Image     ImageState // "" is unknown
	Tools     error      // why the command cannot run on this machine; nil is that it can
}

// ImageState is what there is of an image.
type ImageState string

// The states. The image of another version does all the same: the program in it is the host's own.
const (
	ImageOK      ImageState = "ok"
	ImageStale   ImageState = "stale" // made from other lists of programs than this nosa's
	ImageMissing ImageState = "missing"
)

// Choice is where a command runs, and why.
type Choice struct {
	Backend string // Local, or the engine's Kind
	Why     string // one line
}

// Choose says where a command runs. Auto is, in this order: local inside of nosa's container, the engine when
// its image is there, local when the programs are here. Else it is a *MissingError.
func Choose(f Facts) (Choice, error) {
	if f.Inside {
		return Choice{Local, "this is nosa's container"}, nil
	}
	switch f.Want {
	case Local:
		return Choice{Local, "asked for"}, nil
	case string(Podman), string(Docker):
		if err := f.noEngine(); err != nil {
			return Choice{}, &MissingError{Want: f.Want, Container: err}
		}
		return Choice{string(f.Engine.Kind), f.withImage("asked for")}, nil
	case "", "auto":
	default:
		return Choice{}, fmt.Errorf("backend %q: want auto, local, podman or docker", f.Want)
	}
	container := f.noEngine()
	if container == nil {
		return Choice{string(f.Engine.Kind), f.withImage("image " + f.Ref)}, nil
	}
	if f.Tools == nil {
		return Choice{Local, "all programs are here; " + firstLine(container)}, nil
	}
	return Choice{}, &MissingError{Tools: f.Tools, Container: container}
}

// noEngine is why no container can be used; nil when one can.
func (f Facts) noEngine() error {
	switch {
	case f.Engine == nil && f.EngineErr == nil:
		return ErrNone
	case f.Engine == nil, f.EngineErr != nil:
		return f.EngineErr
	case f.Image == ImageMissing, f.Image == "":
		return &NoImageError{Ref: f.Ref, Engine: f.Engine.Kind}
	}
	return nil
}

func (f Facts) withImage(why string) string {
	if f.Image == ImageStale {
		why += "; it was made from other lists of programs than this nosa has: nosa image build makes it anew"
	}
	return why
}

// NoImageError is an engine without the image. It is ErrNoImage.
type NoImageError struct {
	Ref    string
	Engine Kind
}

// Error names the image and the command that makes it.
func (e *NoImageError) Error() string {
	return fmt.Sprintf("%s has no image %s (nosa image build makes it)", e.Engine, e.Ref)
}

// Unwrap gives ErrNoImage.
func (e *NoImageError) Unwrap() error { return ErrNoImage }

// MissingError is a command that has nowhere to run. Its text says what each way lacks and what to do.
type MissingError struct {
	Want      string // the engine that was asked for; "" is that any place would have done
	Tools     error  // why not on this machine; nil where that was not asked for
	Container error  // why not in a container
}

// Error has a line for each way.
func (e *MissingError) Error() string {
	if e.Want != "" {
		return fmt.Sprintf("the backend %s cannot be used: %v", e.Want, e.Container)
	}
	lines := []string{
		"this needs programs, and there are two places for them; neither is ready",
		"a container: " + firstLine(e.Container),
		"this machine: " + firstLine(e.Tools),
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives both causes.
func (e *MissingError) Unwrap() []error {
	var list []error
	for _, err := range []error{e.Tools, e.Container} {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
