package main

import (
	"context"
	"strings"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/proc"
)

// inWorkspace runs a stage of the workspace that -C names.
func (a *app) inWorkspace(ctx context.Context, stage string, request any) error {
	return a.inWorkspaceSeen(ctx, stageRun{name: stage, request: request})
}

// inWorkspaceSeen is inWorkspace for who wants more of the run; its places are filled in.
func (a *app) inWorkspaceSeen(ctx context.Context, s stageRun) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	if err := a.mayBuild(ctx, s.name); err != nil {
		return err
	}
	history, _ := ws.ReadHistory() // for estimates only
	s.jobs, s.fences, s.history = ws.JobsDir(), fencesFor(ws, s.request), history
	return a.runStage(ctx, s)
}

// noRoot is a stage that the caller's account cannot run here.
type noRoot struct{ stage, why string }

func (e noRoot) Error() string { return e.stage + " needs root: " + e.why }

// mayBuild refuses at once what needs files of many owners, where no such can be made.
func (a *app) mayBuild(ctx context.Context, stage string) error {
	if stage != "build" && !strings.HasPrefix(stage, "buildextend-") {
		return nil
	}
	c := tool.User()
	if c.State != tool.Absent {
		return nil
	}
	if where, err := a.where(ctx, stage); err == nil && where.inContainer != nil {
		return nil // where it is root
	}
	return hinted{noRoot{stage, c.Finding}, c.Fix}
}

// fencesFor gives the fences that a stage can work behind: an xfs can be
// mounted in no user namespace, so its images need a real root outside one.
func fencesFor(ws *workspace.Workspace, request any) []proc.Fence {
	rootfs := ""
	switch req := request.(type) {
	case builder.BuildRequest:
		image, _ := workspace.LoadImage(ws.Image(), "") // what is wrong with it the worker says
		rootfs = image.RootFS
	case builder.ImageRequest:
		if arch, err := workspace.HostArch(); err == nil {
			if id, err := ws.Resolve(req.Build, arch.Name); err == nil {
				meta, _ := workspace.ReadMeta(ws.BuildDir(id, arch.Name))
				rootfs = meta.Rootfs
			}
		}
	}
	if rootfs == "xfs" {
		return []proc.Fence{proc.FencePID, proc.FenceUser, proc.FenceMounts}
	}
	return nil
}

func openWorkspace(dir string) (*workspace.Workspace, error) { return workspace.Open(dir) }
