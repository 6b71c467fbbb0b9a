package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
)

func newBuildextendCommand(a *app, kind string) *cobra.Command {
	req := builder.ImageRequest{Types: []string{kind}}
	about := map[string]string{
		"qemu":    "the qemu image of a build: a qcow2",
		"metal":   "the metal image of a build: a raw disk",
		"metal4k": "the metal4k image: as metal, 4096-byte sectors",
	}[kind]
	more := ""
	if kind == "metal4k" {
		more = "It boots on UEFI only. "
	}
	cmd := &cobra.Command{
		Use:     "buildextend-" + kind,
		Short:   "Make " + about,
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: "Make " + about + ".\n" + more + "It is made from the build alone, never from the working tree." +
			exitHelp(exitOK, exitFailed, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.NoWait = a.flags.noWait
			return a.inWorkspace(cmd.Context(), "buildextend-"+kind, req)
		},
	}
	cmd.Flags().StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag")
	cmd.Flags().BoolVar(&req.Force, "force", false, "make it anew although it is there")
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}

// completeBuilds completes the ids and tags of the workspace's builds.
func (a *app) completeBuilds(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	names := []string{"latest"}
	if ws, err := openWorkspace(a.flags.dir); err == nil {
		if index, err := ws.ReadIndex(); err == nil {
			for _, b := range index.Builds {
				names = append(names, b.ID)
			}
			for _, t := range index.Tags {
				names = append(names, t.Name)
			}
		}
	}
	var fit []string
	for _, n := range names {
		if strings.HasPrefix(n, prefix) {
			fit = append(fit, n)
		}
	}
	return fit, cobra.ShellCompDirectiveNoFileComp
}
