package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/builder/tool"
)

// place is where the programs of a command run: on this machine or in a container.
type place struct {
	choice       backend.Choice
	*inContainer // nil on this machine
}

// where decides where the programs of a stage run.
func (a *app) where(ctx context.Context, stage string) (place, error) {
	if strings.HasPrefix(stage, "image") || stage == "exec" { // programs of the person's machine
		return place{choice: backend.Choice{Backend: backend.Local}}, nil
	}
	f := a.backendFacts(ctx, needOf(stage)...)
	choice, err := backend.Choose(f)
	if err != nil {
		return place{}, err
	}
	p := place{choice: choice}
	if choice.Backend != backend.Local {
		p.inContainer = &inContainer{engine: *f.Engine, image: f.Ref}
	}
	return p, nil
}

// insideContainer says if this process is in a container that nosa or its image made, where it never starts another.
func insideContainer() bool { return os.Getenv("NOSA_IN_CONTAINER") != "" }

// backendFacts are what the choice is made of. need is what the command wants of this machine, if it runs here.
func (a *app) backendFacts(ctx context.Context, need ...string) backend.Facts {
	f := backend.Facts{Inside: insideContainer(), Want: a.flags.backend, Ref: a.flags.image, Tools: tool.Require(need...)}
	if f.Inside || f.Want == backend.Local {
		return f
	}
	want := backend.Kind(f.Want)
	if f.Want == "auto" {
		want = ""
	}
	// Podman, which it mostly is, is asked for the image while it says that it is there.
	first := backend.Engine{Kind: backend.Podman, Program: string(backend.Podman)}
	var asked sync.WaitGroup
	var state backend.ImageState
	var stateErr error
	if want != backend.Docker {
		asked.Go(func() { state, stateErr = imageState(ctx, first, a.flags.image) })
	}
	e, err := backend.Find(ctx, want)
	asked.Wait()
	if err != nil {
		f.EngineErr = err
		return f
	}
	f.Engine, f.Image, f.EngineErr = &e, state, stateErr
	if e.Kind != first.Kind || e.Program != first.Program {
		f.Image, f.EngineErr = imageState(ctx, e, a.flags.image)
	}
	return f
}

// imageState says if there is the image, made of the lists that this nosa has.
func imageState(ctx context.Context, e backend.Engine, ref string) (backend.ImageState, error) {
	if strings.HasPrefix(ref, rootfsImage) {
		return backend.ImageOK, nil
	}
	deps, err := assets.ImageDigest()
	if err != nil {
		return "", err
	}
	image, err := e.Image(ctx, ref)
	switch {
	case errors.Is(err, backend.ErrNoImage):
		return backend.ImageMissing, nil
	case err != nil:
		return "", err
	case image.Labels[backend.LabelDeps] != deps:
		return backend.ImageStale, nil
	}
	return backend.ImageOK, nil
}

// needOf is what a stage wants of the machine that it runs on.
func needOf(stage string) []string {
	switch stage {
	case "init", "pool", "fetch", "check", "run", "verify", "compress":
		return []string{stage}
	case "clean", "prune", shellStage:
		return nil
	}
	return []string{"build"}
}

func newBackendCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "backend",
		Short:   "Say where builds run, and why",
		GroupID: groupLook,
		Args:    words(0, 0),
		Long: `Say where the programs of a build run: on this machine (local) or in a container
of podman or docker, and why.

  --backend auto    in the container, if there is its image; else here, if all
                    programs are; else neither, with what is missing for each
  --backend local   on this machine
  --backend podman  in a container; docker as well
  --image NAME      the image; nosa image build makes it

Inside of a container that nosa started everything is local. Of your surroundings
a container gets the workspace, what src/ points to, and what is asked for:

` + passHelp() + `

--output json prints {"backend","why","engine","version","rootless","image",
"image_state","error"}.` + exitHelp(exitOK, exitFailed, exitUsage, exitMissing),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sayBackend(cmd.Context()) },
	}
}

func passHelp() string {
	var b strings.Builder
	for _, known := range passable() {
		fmt.Fprintf(&b, "  --pass %-10s %s\n", known[0], known[1])
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// backendAnswer is what nosa backend prints as JSON.
type backendAnswer struct {
	Backend    string             `json:"backend,omitempty"`
	Why        string             `json:"why,omitempty"`
	Engine     backend.Kind       `json:"engine,omitempty"` // that answers, used or not
	Version    string             `json:"version,omitempty"`
	Rootless   bool               `json:"rootless,omitempty"`
	Image      string             `json:"image"`
	ImageState backend.ImageState `json:"image_state,omitempty"`
	Error      string             `json:"error,omitempty"`
}

func (a *app) sayBackend(ctx context.Context) error {
	f := a.backendFacts(ctx, needOf("build")...)
	choice, err := backend.Choose(f)
	if a.flags.output != "json" {
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", choice.Backend, choice.Why)
		return nil
	}
	said := backendAnswer{Backend: choice.Backend, Why: choice.Why, Image: f.Ref, ImageState: f.Image}
	if f.Engine != nil {
		said.Engine, said.Version, said.Rootless = f.Engine.Kind, f.Engine.Version, f.Engine.Rootless
	}
	if err != nil {
		said.Error = err.Error()
	}
	if encode := json.NewEncoder(a.stdout).Encode(said); encode != nil {
		return fmt.Errorf("printing the answer: %w", encode)
	}
	if err != nil {
		return toldAlready{exitCode(err)}
	}
	return nil
}
