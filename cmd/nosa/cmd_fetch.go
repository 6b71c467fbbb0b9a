package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/backend"
)

func newFetchCommand(a *app) *cobra.Command {
	var req builder.FetchRequest
	var engine engineFlag
	cmd := &cobra.Command{
		Use:     "fetch",
		Short:   "Resolve the packages and download them",
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: `Resolve the manifest's packages against the repositories and download what is
not in the cache yet. After it, nosa build needs no network.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitConfig, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if req.Engine, err = engine.engine(cmd); err != nil {
				return err
			}
			req.Offline, req.NoWait = a.flags.offline, a.flags.noWait
			binds, err := a.lockfileBinds(req)
			if err != nil {
				return err
			}
			return a.inWorkspaceSeen(cmd.Context(), stageRun{name: "fetch", request: req, binds: binds})
		},
	}
	f := cmd.Flags()
	engine.add(cmd)
	f.BoolVar(&req.UpdateLockfile, "update-lockfile", false, "write what was resolved to the config's lockfile")
	f.StringVar(&req.WriteLockfileTo, "write-lockfile-to", "", "write what was resolved to `FILE` (below the workspace, or absolute)")
	f.BoolVar(&req.Strict, "strict", false, "take only packages that a lockfile names")
	cmd.MarkFlagsMutuallyExclusive("update-lockfile", "write-lockfile-to")
	return cmd
}

// lockfileBinds is what a container must be able to write to for the lockfile: its directory, since the file is replaced.
func (a *app) lockfileBinds(req builder.FetchRequest) ([]backend.Mount, error) {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return nil, err
	}
	var dir string
	switch {
	case req.UpdateLockfile:
		dir = ws.Config()
	case filepath.IsAbs(req.WriteLockfileTo):
		dir = filepath.Dir(req.WriteLockfileTo)
	case req.WriteLockfileTo != "":
		dir = filepath.Dir(filepath.Join(ws.Dir, req.WriteLockfileTo))
	default:
		return nil, nil
	}
	return []backend.Mount{{Source: dir, Target: dir}}, nil
}
