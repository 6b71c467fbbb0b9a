package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
)

func newCompressCommand(a *app) *cobra.Command {
	var req builder.CompressRequest
	var compressor, mode string
	cmd := &cobra.Command{
		Use:     "compress",
		Short:   "Compress the images of a build",
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: `Compress the artifacts of a build with all CPUs, all architectures that are
here. What is used as it is (the OS container, live images) stays, and so does
what is compressed already.

Each file is decompressed again while it is written and must be what meta.json
records; then it takes the other's place. A killed run leaves nothing broken:
the next one finishes it. An artifact whose file is not here is passed over with
a warning, unless --artifact names it.

Without --compressor it is the one of the build's image.json, else gzip. gzip
and xz are read by every tool that knows builds, zstd only by newer ones.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitCheck, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.Compressor, req.NoWait = builder.Compressor(compressor), a.flags.noWait
			switch mode {
			case "compress":
			case "uncompress", "decompress":
				req = builder.CompressRequest{Build: req.Build, Artifacts: req.Artifacts, NoWait: req.NoWait, Reverse: true}
				return a.inWorkspace(cmd.Context(), "decompress", req)
			default:
				return seeHelp(cmd, fmt.Errorf("--mode %q: want compress or uncompress", mode))
			}
			if req.Fast && req.Level != 0 {
				return seeHelp(cmd, errors.New("want only one of --fast, --level"))
			}
			if err := req.Check(); err != nil {
				return seeHelp(cmd, err)
			}
			return a.inWorkspace(cmd.Context(), "compress", req)
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag")
	f.StringSliceVar(&req.Artifacts, "artifact", nil, "only `ARTIFACT` (qemu, metal …); may be given several times")
	f.StringVar(&compressor, "compressor", "", "gzip, xz or zstd")
	f.IntVar(&req.Level, "level", 0, "`N` of the compressor: gzip 1 to 9 (6), xz 1 to 9 (9), zstd 1 to 19 (3)")
	f.BoolVar(&req.Fast, "fast", false, "the lowest level; gzip without --compressor")
	f.StringVar(&mode, "mode", "compress", "compress or uncompress")
	_ = f.MarkHidden("mode") // the original tool's
	completeWith(cmd, "artifact", artifactNames())
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	completeWith(cmd, "compressor", []string{"gzip", "xz", "zstd"})
	return cmd
}

func newDecompressCommand(a *app) *cobra.Command {
	req := builder.CompressRequest{Reverse: true}
	cmd := &cobra.Command{
		Use:     "decompress",
		Aliases: []string{"uncompress"},
		Short:   "Undo compress",
		GroupID: groupBuild,
		Args:    words(0, 0),
		Long: `Decompress the artifacts of a build, with their holes. A file that is not what
meta.json records, compressed or decompressed, stays as it is.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitCheck, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.NoWait = a.flags.noWait
			return a.inWorkspace(cmd.Context(), "decompress", req)
		},
	}
	cmd.Flags().StringVar(&req.Build, "build", "latest", "the build's `ID` or a tag")
	cmd.Flags().StringSliceVar(&req.Artifacts, "artifact", nil, "only `ARTIFACT` (qemu, metal …); may be given several times")
	completeWith(cmd, "artifact", artifactNames())
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}
