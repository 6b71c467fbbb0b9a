package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm/check"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// diffLines is how many files are listed one by one; more are folded into
// directories.
const diffLines = 60

func newDiffCommand(a *app) *cobra.Command {
	var req builder.DiffRequest
	var arch, artifact string
	var all bool
	cmd := &cobra.Command{
		Use:     "diff [A [B]]",
		Short:   "Show by what two builds differ",
		GroupID: groupLook,
		Args:    words(0, 2),
		Long: `Show by what build B differs from build A: packages, files, kernel arguments,
image.json, sizes. B is the latest when it is left out, A the one before B. A and
B are ids or tags. A commit that is gone from the cache is brought back from the
build's archive.

Of a changed file it says what: content, mode, owner, xattrs, target of a link,
type. Many files are folded into directories; --all lists each.

With --size-details also how much of the commits each package and each directory
has, down to three names deep, where that differs.

With --config the files of src/config as the builds keep them, changes that no
commit had too.

With --boot by what their boots differ, in guest instructions, as nosa check
--icount has measured them of both: total, kernel, initrd, userspace, then the
units that got dearer, cheaper, new or gone, the greatest difference first. What
differs by less than 1 % of itself or 0.1 % of the boot, or by no more than boots of
one build differ among themselves, is noise and only counted.

With --output json it is one object: from and to (build, arch, version,
timestamp, commit, linux, config), packages [{name, change, from, to}], files
[{path, change, what, from, to}], kargs [{platform, added, removed}], image [{key,
from, to}], sizes [{name, from, to}] in bytes, size_details {packages, dirs} (each
[{name, from, to}], all of them; the package "" is files of none), config_files
[{path, change, diff}], boot {machine, boots (each of from
and to), phases [{name, change, from, to}], units [likewise], hidden}, notes. Parts that were not asked
for are not in it; a part without differences is [].` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, list []string) error {
			switch len(list) {
			case 2:
				req.From, req.To = list[0], list[1]
			case 1:
				req.From = list[0]
			}
			return a.runDiff(cmd.Context(), req, diffView{arch: arch, all: all, artifact: artifact})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&req.Packages, "packages", false, "only packages (and what else is asked for)")
	f.BoolVar(&req.Files, "files", false, "only files")
	f.BoolVar(&req.Kargs, "kargs", false, "only kernel arguments")
	f.BoolVar(&req.Image, "image-config", false, "only image.json")
	f.BoolVar(&req.Sizes, "sizes", false, "only sizes")
	f.BoolVar(&req.SizeDetails, "size-details", false, "sizes by package and by directory (only when asked for)")
	f.BoolVar(&req.Config, "config", false, "the files of the config (only when asked for)")
	f.BoolVar(&req.Boot, "boot", false, "what booting them costs (only when asked for)")
	f.StringVar(&artifact, "artifact", "qemu", "with --boot: qemu, metal or metal4k")
	f.BoolVar(&all, "all", false, "list every file")
	f.StringVar(&arch, "arch", "", "the builds for `ARCH` (default: this machine's)")
	cmd.ValidArgsFunction = a.completeBuilds
	return cmd
}

// diffView is how a diff is shown.
type diffView struct {
	arch     string
	all      bool
	artifact string // whose boots
}

// wholeDiff is a diff with the part that the builder does not know.
type wholeDiff struct {
	*builder.BuildDiff
	Boot *check.CostDiff `json:"boot,omitempty"`
}

func (a *app) runDiff(ctx context.Context, req builder.DiffRequest, view diffView) error {
	env, err := builder.NewEnv(builder.Env{
		Dir: a.flags.dir, Version: buildVersion(), Job: "nosa diff", Now: a.now, Sink: noteSink{a}, NoWait: a.flags.noWait,
	})
	if err != nil {
		return err
	}
	if view.arch != "" {
		if env.Arch, err = workspace.FindArch(view.arch); err != nil {
			return usageError{err}
		}
	}
	syscall.Umask(0o022) // of what is brought back into the cache
	d, err := builder.Diff(ctx, env, req)
	if err != nil {
		return err
	}
	whole := wholeDiff{BuildDiff: d}
	if req.Boot {
		if whole.Boot, err = diffBoots(env, d, view.artifact); err != nil {
			return err
		}
	}
	if a.flags.output == "json" {
		if err := json.NewEncoder(a.stdout).Encode(whole); err != nil {
			return fmt.Errorf("printing the differences: %w", err)
		}
		return nil
	}
	_, err = fmt.Fprint(a.stdout, diffText(whole, view))
	return err
}

// diffBoots compares what booting the two builds was measured to cost.
func diffBoots(env *builder.Env, d *builder.BuildDiff, artifact string) (*check.CostDiff, error) {
	var sides [2]check.Costs
	for i, side := range []builder.DiffSide{d.From, d.To} {
		again := "nosa check --icount --artifact " + artifact + " --build " + side.Build
		file := icountFile(env.WS.BuildDir(side.Build, side.Arch), artifact)
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hinted{fmt.Errorf("build %s: what booting its %s image costs was not measured", side.Build, artifact), again}
		}
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", side.Build, err)
		}
		if sides[i], err = check.ParseCosts(data); err != nil {
			return nil, hinted{fmt.Errorf("%s: %w", file, err), again}
		}
		if sides[i].Commit != side.Commit {
			return nil, hinted{fmt.Errorf("build %s: what booting its %s image costs was measured of another commit", side.Build, artifact), again}
		}
	}
	if sides[0].Machine != sides[1].Machine {
		return nil, hinted{
			fmt.Errorf("the two boots were measured on different machines: %s, and %s", sides[0].Machine, sides[1].Machine),
			"nosa check --icount of both, with the same options",
		}
	}
	diff := check.DiffCosts(sides[0], sides[1])
	return &diff, nil
}

// noteSink shows what a command without a job has to say meanwhile.
type noteSink struct{ a *app }

// Emit implements event.Sink.
func (s noteSink) Emit(e event.Event) {
	if e.Kind == event.Log && s.a.flags.output != "json" && !s.a.flags.quiet {
		fmt.Fprintln(s.a.stderr, event.Clean(e.Text))
	}
}
