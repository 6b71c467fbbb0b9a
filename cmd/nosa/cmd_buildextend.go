package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
)

// newImageCommands gives a command for each kind of disk image.
func newImageCommands(a *app) []*cobra.Command {
	var list []*cobra.Command
	for _, t := range workspace.ArtifactTypes() {
		if t.SectorSize > 0 {
			list = append(list, newBuildextendCommand(a, t))
		}
	}
	return list
}

func newBuildextendCommand(a *app, t workspace.ArtifactType) *cobra.Command {
	kind := t.Key
	req := builder.ImageRequest{Types: []string{kind}}
	more := ""
	switch {
	case t.SectorSize == 4096:
		more = "It boots on UEFI only.\n"
	case t.From != "":
		more = fmt.Sprintf("It is a copy of the %s image, which is made first where it is missing.\nPlatform and consoles are those that the build's platforms.yaml names.\n", t.From)
	}
	cmd := &cobra.Command{
		Use:     "buildextend-" + kind,
		Short:   fmt.Sprintf("Make the %s image: %s", kind, t.About),
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: fmt.Sprintf("Make the %s image of a build: %s.\n", kind, t.About) + more + "It is made from the build alone, never from the working tree." +
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

func newBuildextendLiveCommand(a *app) *cobra.Command {
	var req builder.LiveRequest
	cmd := &cobra.Command{
		Use:     "buildextend-live",
		Short:   "Make the live ISO of a build and the files for PXE",
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: `Make the live ISO of a build and the files for PXE: live-iso, live-kernel,
live-initramfs and live-rootfs. The ISO starts with BIOS and UEFI, from a CD and
from a disk, and has the very files that are for PXE. Its label is NAME-BUILD, 32
bytes at most. It is made from the build alone: the boot menus too come from the
copy of the config that the build keeps (live/). With it the metal and metal4k
images of the build can be installed, so these are made first where they are
missing. How it was compressed is in meta.json, and when it is made again it is
made as it was.` +
			exitHelp(exitOK, exitFailed, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.NoWait = a.flags.noWait
			return a.inWorkspace(cmd.Context(), "buildextend-live", req)
		},
	}
	cmd.Flags().StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag")
	cmd.Flags().BoolVar(&req.Fast, "fast", false, "for development: compress quickly, and install the metal image only")
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
