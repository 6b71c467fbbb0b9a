// Package backend is how a nosa command line gets to where it runs: the programs that it needs are on
// this machine, or in a container of podman or docker.
//
// It makes the engines' command lines (pure) and reads their answers; it starts nothing but the engine's
// client for short questions, and knows nothing of workspaces and jobs.
package backend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nestos/nosa/workspace/proc"
)

// Kind is an engine, named as its program.
type Kind string

// The engines.
const (
	Podman Kind = "podman"
	Docker Kind = "docker"
)

// Local is the Backend of a Choice that needs no engine.
const Local = "local"

// DefaultImage is the image with the programs and nosa, unless $NOSA_IMAGE or --image names another.
const DefaultImage = "localhost/nosa:latest"

// The labels of nosa's containers and images.
const (
	LabelRole      = "org.nosa.role"                      // backend (an image), run (a container)
	LabelWorkspace = "org.nosa.workspace"                 // the workspace that the container works in
	LabelJob       = "org.nosa.job"                       // the name of the container
	LabelOwner     = "org.nosa.owner"                     // who started it
	LabelVersion   = "org.nosa.version"                   // of the nosa that made the image
	LabelBase      = "org.opencontainers.image.base.name" // what the image was made from
	LabelDeps      = "org.nosa.deps"                      // digest of what the image was made from
)

// Engine is a container engine that answers on this machine.
type Engine struct {
	Kind Kind
	// Program is what is started: a name in PATH. It is docker for a podman under docker's name.
	Program string
	Version string
	// Rootless: the engine's root is not the machine's. It cannot use loop devices, and files of its
	// containers' other users have mapped ids.
	Rootless bool
	Host     Host
}

// answerTime is how long an engine may take for an answer; a docker daemon may hang.
const answerTime = 10 * time.Second

// output asks the engine something. The engines' own settings come by the caller's environment (DOCKER_HOST,
// CONTAINERS_STORAGE_CONF, XDG_RUNTIME_DIR and many more), so they get all of it.
func (e Engine) output(ctx context.Context, args ...string) ([]byte, error) {
	return ask(ctx, answerTime, append([]string{e.Program}, args...)...)
}

func ask(ctx context.Context, limit time.Duration, args ...string) ([]byte, error) {
	inner, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s gave no answer for %s: %w", args[0], limit, errSilent))
	defer cancel()
	return proc.Output(inner, proc.Cmd{Args: args, Whole: append(os.Environ(), "LC_ALL=C")})
}

var errSilent = errors.New("time is up")
