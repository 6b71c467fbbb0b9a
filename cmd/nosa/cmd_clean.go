package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

type cleanOptions struct{ all, force bool }

func newCleanCommand(a *app) *cobra.Command {
	var o cleanOptions
	cmd := &cobra.Command{
		Use:     "clean",
		Short:   "Remove builds and temporary files",
		GroupID: groupWork,
		Args:    args(cobra.NoArgs),
		Long: `Remove builds/ and tmp/, with --all the cache too. The config, the overrides and
the pool stay, and so do tagged builds unless --force is given. Refuses while a
job or a VM runs in the workspace.` + exitHelp(exitOK, exitFailed, exitNoWorkspace, exitLocked),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runClean(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "remove the cache too")
	cmd.Flags().BoolVar(&o.force, "force", false, "remove tagged builds too")
	return cmd
}

func (a *app) runClean(ctx context.Context, o cleanOptions) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	done, err := ws.Clean(ctx, workspace.CleanOptions{
		All: o.all, Force: o.force, Now: a.now(),
		Live: func() ([]string, error) {
			live, err := job.Live(ws.JobsDir())
			names := make([]string, len(live))
			for i, st := range live {
				names[i] = fmt.Sprintf("job %s of %s", st.Info.ID, st.Info.User)
			}
			return names, err
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "freed %s\n", done.Freed)
	if len(done.Tagged) > 0 {
		fmt.Fprintf(a.stdout, "kept, being tagged: %s\n", strings.Join(done.Tagged, ", "))
	}
	if !o.all {
		fmt.Fprintln(a.stdout, "the cache stays (--all removes it)")
	}
	return nil
}
