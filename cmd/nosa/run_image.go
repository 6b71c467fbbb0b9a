package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// imageName names an image of a build.
type imageName struct{ build, kind, arch string }

// imageOf gives the file of an image, unpacked into the cache if it is compressed.
func (a *app) imageOf(ctx context.Context, ws *workspace.Workspace, n imageName) (string, error) {
	dir := ws.BuildDir(n.build, n.arch)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		return "", err
	}
	artifact, ok := meta.Images[n.kind]
	if !ok {
		return "", hinted{fmt.Errorf("build %s has no %s image", n.build, n.kind), makeCommand(n.kind) + " --build " + n.build}
	}
	if artifact.UncompressedSHA256 != "" {
		return a.unpacked(ctx, ws, n, artifact)
	}
	path := filepath.Join(dir, artifact.Path)
	if _, err := os.Stat(path); err != nil {
		return "", hinted{fmt.Errorf("the %s image of build %s is not there: %s", n.kind, n.build, artifact.Path), makeCommand(n.kind) + " --build " + n.build}
	}
	return path, nil
}

// makeCommand is what makes an artifact.
func makeCommand(kind string) string {
	if t, err := workspace.FindArtifactType(kind); err == nil && t.Stage != "" {
		kind = t.Stage
	}
	return "nosa " + imagePrefix + kind
}

// unpackRequest is what the job unpack is asked.
type unpackRequest struct {
	Build string `json:"build"`
	Kind  string `json:"kind"`
}

// unpacked gives the image's content in the cache. A job unpacks it if it is not there.
func (a *app) unpacked(ctx context.Context, ws *workspace.Workspace, n imageName, artifact workspace.Artifact) (string, error) {
	plain := strings.TrimSuffix(artifact.Path, filepath.Ext(artifact.Path))
	path := filepath.Join(ws.Images(), artifact.UncompressedSHA256+filepath.Ext(plain))
	there, err := workspace.UseImage(path, artifact.UncompressedSize, a.now())
	if err != nil || there {
		return path, err
	}
	return path, a.inWorkspace(ctx, "unpack", unpackRequest{n.build, n.kind})
}

// stageUnpack is the job that unpacks a compressed image into the cache.
func stageUnpack(ctx context.Context, w *worker) error {
	var req unpackRequest
	if err := w.request(&req); err != nil {
		return err
	}
	env, err := w.env()
	if err != nil {
		return err
	}
	release, err := env.Open(ctx, builder.UseBuilds)
	if err != nil {
		return err
	}
	path, err := w.unpackedImage(ctx, env, req)
	if err == nil {
		w.journal.Emit(event.Event{Kind: event.Artifact, Step: "unpack", Path: path})
	}
	return errors.Join(err, release())
}

// unpackedImage gives the plain content of a build's image.
func (w *worker) unpackedImage(ctx context.Context, env *builder.Env, req unpackRequest) (string, error) {
	dir := env.WS.BuildDir(req.Build, env.Arch.Name)
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		return "", err
	}
	artifact := meta.Images[req.Kind]
	return builder.Unpacked(ctx, env, builder.PackedImage{Path: filepath.Join(dir, artifact.Path), Artifact: artifact}, w.reporter("unpack"))
}
