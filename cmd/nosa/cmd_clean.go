package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/machine"
)

// cleaned is the answer of nosa clean --output json.
type cleaned struct {
	Removed []string `json:"removed"` // below the workspace
	Tagged  []string `json:"tagged,omitempty"`
	Freed   int64    `json:"freed"` // bytes
}

type cleanOptions struct{ all, force bool }

func newCleanCommand(a *app) *cobra.Command {
	var o cleanOptions
	cmd := &cobra.Command{
		Use:     "clean",
		Short:   "Remove builds and temporary files",
		GroupID: groupWork,
		Args:    words(0, 0),
		Long: `Remove builds/ and tmp/, with --all the cache too. The config, the overrides and
the pool stay, and so do tagged builds unless --force is given. Refuses while a
job or a VM runs in the workspace.` + exitHelp(exitOK, exitFailed, exitNoWorkspace, exitLocked),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runClean(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "remove the cache too")
	cmd.Flags().BoolVar(&o.force, "force", false, "remove tagged builds too")
	return cmd
}

// living names the jobs and machines that run in a workspace.
func living(ws *workspace.Workspace) ([]string, error) {
	jobs, err := job.Live(ws.JobsDir())
	var names []string
	for _, st := range jobs {
		names = append(names, job.Describe(string(st.Info.ID))+" of "+st.Info.User)
	}
	if err != nil {
		return nil, err
	}
	machines, err := machine.Live(ws.VMsDir())
	for _, e := range machines {
		names = append(names, "machine "+string(e.ID)+" of "+e.User)
	}
	return names, err
}

func (a *app) runClean(ctx context.Context, o cleanOptions) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	done, err := ws.Clean(ctx, workspace.CleanOptions{
		All: o.all, Force: o.force, Now: a.now(),
		Live: func() ([]string, error) { return living(ws) },
	})
	if err != nil {
		return err
	}
	text := "freed " + done.Freed.String()
	if len(done.Tagged) > 0 {
		text += "\nkept, being tagged: " + strings.Join(done.Tagged, ", ") + " (--force removes them)"
	}
	if !o.all {
		text += "\nthe cache stays (--all removes it)"
	}
	return a.answer(cleaned{done.Removed, done.Tagged, int64(done.Freed)}, text)
}
