package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
)

type buildOptions struct {
	builder.BuildRequest
	plan   bool
	engine engineFlag
}

func newBuildCommand(a *app) *cobra.Command {
	o := buildOptions{}
	cmd := &cobra.Command{
		Use:     "build [TARGET…]",
		Short:   "Compose the tree, commit it, make images of it",
		GroupID: groupBuild,
		Long: `Compose the root tree from the fetched packages, apply overlays and scripts,
commit it with OSTree, write the ociarchive and the images that are asked for:
` + strings.Join(workspace.DiskImageTypes(), ", ") + ` (default qemu), or ostree for no image.
Of a manifest with container: true there is no image, and the default is ostree.

When nothing that goes into the commit has changed there is no new build; images
that are missing are made all the same. When only what images are made from has
changed, the new build has the commit of the last one. Of what goes into the
commit only that is done again which may come out differently: nosa why tells.

--engine rpm-ostree has rpm-ostree make the tree, of packages that nosa fetch
--engine rpm-ostree brought; --plan -v prints its command line.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitConfig, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled),
		ValidArgs: buildTargets(),
		Args:      checkTargets,
		RunE: func(cmd *cobra.Command, targets []string) (err error) {
			if o.Engine, err = o.engine.engine(cmd); err != nil {
				return err
			}
			o.Targets = builder.Targets(modernWords("build", targets))
			o.Offline, o.NoWait = a.flags.offline, a.flags.noWait
			if o.plan {
				return a.printPlan(cmd.Context(), o.BuildRequest)
			}
			return a.inWorkspace(cmd.Context(), "build", o.BuildRequest)
		},
	}
	f := cmd.Flags()
	o.engine.add(cmd)
	f.BoolVarP(&o.Fetch, "fetch", "F", false, "fetch first")
	f.BoolVar(&o.plan, "plan", false, "print the steps and what would become of each; run nothing")
	f.BoolVarP(&o.Force, "force", "f", false, "compose even if nothing has changed")
	f.BoolVar(&o.ForceImage, "force-image", false, "make a new build even if nothing has changed, of the same commit where that is the same")
	f.BoolVar(&o.Strict, "strict", false, "install only packages that a lockfile names")
	f.BoolVar(&o.FinalizeScripts, "finalize-scripts", false, "run the scripts of finalize.d on the finished tree, in the sandbox")
	f.StringVar(&o.Version, "version", "", "the commit's `VERSION`, instead of the next one of automatic-version-prefix")
	f.StringVar(&o.Parent, "parent", "", "make the `COMMIT` the new commit's parent")
	f.StringVarP(&o.Tag, "tag", "t", "", "tag the build `NAME`")
	return cmd
}

// buildTargets are the words that nosa build takes.
func buildTargets() []string {
	return append([]string{builder.TargetOSTree}, workspace.DiskImageTypes()...)
}

func checkTargets(cmd *cobra.Command, list []string) error {
	for _, word := range modernWords("build", list) {
		if text, ok := legacyAnswer("build", word); ok {
			return seeHelp(cmd, errors.New(text))
		}
		if !slices.Contains(buildTargets(), word) {
			return seeHelp(cmd, fmt.Errorf("unknown target %q: want %s", word, alternatives(buildTargets())))
		}
	}
	return nil
}

// printPlan prints the steps of a build as they stand now.
func (a *app) printPlan(ctx context.Context, req builder.BuildRequest) error {
	r := newRenderer(a, "build --plan")
	defer r.close()
	scratch, err := os.MkdirTemp("", "nosa-plan-")
	if err != nil {
		return fmt.Errorf("planning the build: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	env, err := builder.NewEnv(builder.Env{
		Dir: a.flags.dir, Version: buildVersion(), Job: "plan", Now: a.now, Sink: showSink{r}, Offline: true, Scratch: scratch,
	})
	if err != nil {
		return err
	}
	plan, err := builder.PlanBuild(ctx, env, req)
	if err != nil {
		return r.explain(err)
	}
	steps, err := plan.Describe(ctx, env)
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		enc := json.NewEncoder(a.stdout)
		for _, s := range steps {
			if err := enc.Encode(s); err != nil {
				return fmt.Errorf("printing the plan: %w", err)
			}
		}
		return nil
	}
	for _, s := range steps {
		line := fmt.Sprintf("%-8s %-12s %-34s %s", s.State, s.Name, s.Title, s.Reason)
		fmt.Fprintln(a.stdout, strings.TrimRight(line, " "))
		if op, ok := s.Params.(interface{ Command() []string }); ok && a.flags.verbose {
			fmt.Fprintf(a.stdout, "  | %s\n", strings.Join(op.Command(), "\n  |     "))
		}
	}
	return nil
}
