package main

import (
	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
)

func newVerifyCommand(a *app) *cobra.Command {
	var req builder.VerifyRequest
	cmd := &cobra.Command{
		Use:     "verify",
		Aliases: []string{"build-validate"},
		Short:   "Check that a build is what it was",
		GroupID: groupLook,
		Args:    words(0, 0),
		Long: `Check that a build holds what it recorded, and that it is whole:
  every artifact   size and sha256 as meta.json has them
  disk images      qemu-img check; both copies of the partition table; e2fsck,
                   xfs_repair and fsck.fat of the filesystems, read-only
  the commit       ostree fsck of it in the cache, or as its archive gives it
  the records      meta.json, the commit object, the archive of the config
Nothing is mounted and nothing is changed. Compressed images are only summed;
--deep looks into them too, and reads the archive though the cache has the
commit. A broken meta.json hides no other build (--build all).

A disk image that is recorded and not here is no damage: it can be made again.

With --output json the result is the events of kind "log" with a reason "ok",
"gone" or "failed": step is what was verified, title its ID/ARCH, text the
checks that hold or what is wrong, hint what mends it.` +
			exitHelp(exitOK, exitFailed, exitCheck, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.NoWait = a.flags.noWait
			return a.inWorkspace(cmd.Context(), "verify", req)
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag, or all")
	f.StringSliceVar(&req.Artifacts, "artifact", nil, "only `ARTIFACT` (qemu, ostree …); may be given several times")
	f.StringSliceVar(&req.Artifacts, "image", nil, "as --artifact")
	_ = f.MarkHidden("image") // the original's name
	f.BoolVar(&req.NoChecksum, "no-checksum", false, "do not read whole files for their sha256")
	f.BoolVar(&req.Deep, "deep", false, "look into compressed images and the archive too")
	completeWith(cmd, "artifact", artifactNames())
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}
