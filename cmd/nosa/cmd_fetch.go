package main

import (
	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
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
			return a.inWorkspace(cmd.Context(), "fetch", req)
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
