package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

func newConfigCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "The config repository", GroupID: groupWork, Args: words(0, 0)}
	cmd.AddCommand(&cobra.Command{
		Use:   "pull",
		Short: "Fast-forward src/config and say what changed",
		Args:  words(0, 0),
		Long: "Fetch the branch of src/config and fast-forward to it. Local changes are never\noverwritten: a checkout that has some is refused." +
			exitHelp(exitOK, exitFailed, exitNoWorkspace),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runConfigPull(cmd.Context()) },
	})
	return cmd
}

func (a *app) runConfigPull(ctx context.Context) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return err
	}
	got, err := ws.ConfigPull(ctx, workspace.PullOptions{})
	if err != nil {
		return err
	}
	text := "up to date: " + got.After
	if got.Before != got.After {
		text = got.Before + ".." + got.After
	}
	for _, line := range append(got.Commits, got.Files...) {
		text += "\n  " + event.Clean(line)
	}
	return a.answer(got, text)
}
