package backend

import (
	"maps"
	"slices"
)

// Build is one image to be built.
type Build struct {
	Context string // directory
	File    string // the Containerfile
	Tag     string
	// Args are the --build-arg: one with an empty value is taken from the environment of the engine's client.
	Args   map[string]string
	Labels map[string]string
	// CA is a file with certificates for RUN --mount=type=secret,id=ca, or "". Docker wants BuildKit for it.
	CA string
}

// BuildArgv is the command line that builds an image. It is to be started with the caller's whole environment.
func (e Engine) BuildArgv(b Build) []string {
	args := append(e.command(), "build",
		"--network=host", // mirrors are where the host has them; no bridge has to be made
		"--file", b.File, // docker looks for a Dockerfile only
		"--tag", b.Tag,
	)
	if e.Kind == Podman {
		args = append(args,
			"--pull=missing",     // docker's default; podman's may ask a registry for a newer base
			"--http-proxy=false", // only what Args say, as with docker
		)
		if e.Host.HybridCgroups && !e.Host.Runc {
			// Builds without any runtime: crun refuses hybrid cgroups.
			args = append(args, "--isolation=chroot")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.Args)) {
		if b.Args[key] != "" {
			key += "=" + b.Args[key]
		}
		args = append(args, "--build-arg", key)
	}
	for _, key := range slices.Sorted(maps.Keys(b.Labels)) {
		args = append(args, "--label", key+"="+b.Labels[key])
	}
	if b.CA != "" {
		args = append(args, "--secret", "id=ca,src="+b.CA)
	}
	return append(args, b.Context)
}
