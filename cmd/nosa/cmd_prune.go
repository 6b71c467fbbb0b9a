package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// pruneOptions are the flags of nosa prune.
type pruneOptions struct {
	keepLast int
	builds   []string
	dryRun   bool
	images   bool
	cache    bool
	limit    string
}

func newPruneCommand(a *app) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:     "prune",
		Short:   "Remove old builds, or what can be remade",
		GroupID: groupWork,
		Args:    words(0, 0),
		Long: `Remove all but the newest builds, or those that --build names. Tagged builds do
not count and do not go. What the index knows only from elsewhere stays, and so
do other architectures that are not here. What only those builds needed of the
cache's repository goes too, and deleted builds whose day is over.

--images removes the disk images of these builds instead and keeps the commit
and all records: nosa buildextend-TYPE --build ID makes an image again, with the
checksum that it had. An image that could not be made again stays.

--cache brings the cache within its limit, the least used first: packages that
neither the last fetch nor a build that is here needs, trees, layers, records of
steps, then old commits of the repository. What the newest build used stays. Of
builds only what --keep-last-n or --build says then goes. The limit is
--cache-limit, else NOSA_CACHE_LIMIT, else 20 GiB or a quarter of the file
system, whichever is less; "none" is none.

--dry-run removes nothing and prints what would go: with --output json a document
with victims (kind, path, bytes), kept (and why), freed and the state of the
cache. A real run is a job: with --output json its events, of which the log
events with the reason "removed" have path and bytes (in total), and the one
with the reason "freed" has the sum. Sizes are what is allocated on disk, hard
links counted once.` + exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitLocked, exitMissing, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error {
			changed := cmd.Flags().Changed
			o.cache = o.cache || changed("cache-limit")
			history := o.images || !o.cache || changed("keep-last-n") || changed("build")
			if o.keepLast < 0 {
				return seeHelp(cmd, fmt.Errorf("--keep-last-n %d: want 0 (all) or more", o.keepLast))
			}
			return a.runPrune(cmd.Context(), o, history)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.keepLast, "keep-last-n", 3, "keep the `N` newest builds that are not tagged; 0 keeps all")
	f.StringSliceVar(&o.builds, "build", nil, "remove the build `ID`; may be given several times")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would go, with sizes")
	f.BoolVar(&o.images, "images", false, "remove the disk images of these builds, not the builds")
	f.BoolVar(&o.cache, "cache", false, "bring the cache within its limit")
	f.StringVar(&o.limit, "cache-limit", envOr("NOSA_CACHE_LIMIT", ""), "the cache may take `SIZE` (30G, none); with --cache")
	f.BoolVar(&o.cache, "pkgcache", false, "the same as --cache")
	_ = f.MarkHidden("pkgcache") // the original tool's
	cmd.MarkFlagsMutuallyExclusive("keep-last-n", "build")
	_ = cmd.RegisterFlagCompletionFunc("build", a.completeBuilds)
	return cmd
}

func (a *app) runPrune(ctx context.Context, o pruneOptions, history bool) error {
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	req := builder.PruneRequest{History: history, Builds: o.builds, KeepLast: o.keepLast, Cache: o.cache, NoWait: a.flags.noWait}
	if o.images {
		req.Images = remakeable()
	}
	if o.cache {
		if req.Limit, err = ws.CacheLimit(o.limit); err != nil {
			return usageError{err}
		}
	}
	env, err := builder.NewEnv(builder.Env{Dir: ws.Dir, Now: a.now})
	if err != nil {
		return err
	}
	plan, err := builder.DescribePrune(ctx, env, req) // also refuses before a job begins
	if errors.Is(err, workspace.ErrTagged) {
		return hinted{err, "nosa tag delete --tag NAME, if it is to go"}
	}
	if err != nil {
		return err
	}
	if !o.dryRun {
		return a.inWorkspace(ctx, "prune", req)
	}
	if a.flags.output == "json" {
		if err := json.NewEncoder(a.stdout).Encode(plan); err != nil {
			return fmt.Errorf("printing the plan: %w", err)
		}
		return nil
	}
	a.printPrune(plan)
	return nil
}

// remakeable are the types of images that a stage of nosa makes.
func remakeable() []string {
	var types []string
	for _, t := range workspace.ArtifactTypes() {
		if _, ok := stages()[imagePrefix+t.Stage]; ok {
			types = append(types, t.Key)
		}
	}
	return types
}

func (a *app) printPrune(p builder.PrunePlan) {
	var rpms int
	var bytes int64
	line := func(kind workspace.VictimKind, size, what string) {
		fmt.Fprintf(a.stdout, "%-8s %9s  %s\n", kind, size, what)
	}
	for _, v := range p.Victims {
		switch v.Kind {
		case workspace.VictimRPM:
			rpms++
			bytes += v.Bytes
		case workspace.VictimRef:
			line(v.Kind, "", v.Path)
		default:
			line(v.Kind, event.Bytes(v.Bytes).String(), v.Path)
		}
	}
	if rpms > 0 {
		line(workspace.VictimRPM, event.Bytes(bytes).String(), fmt.Sprintf("cache/rpms, %d of them", rpms))
	}
	for _, k := range p.Kept {
		what := k.Path
		if what == "" {
			what = "builds/" + k.Build
		}
		fmt.Fprintf(a.stdout, "%-8s %9s  %s  (%s)\n", "stays", "", what, event.Clean(k.Reason))
	}
	if c := p.Cache; c != nil {
		fmt.Fprintf(a.stdout, "the cache takes %s, its limit is %s%s\n", c.Bytes, limitText(c.Limit),
			map[bool]string{true: "; the newest build needs what is left above it"}[c.Needed])
	}
	if len(p.Victims) == 0 {
		fmt.Fprintln(a.stdout, "nothing to remove")
		return
	}
	text := "would free " + event.Bytes(p.Freed).String()
	if slices.ContainsFunc(p.Victims, func(v workspace.Victim) bool { return v.Kind == workspace.VictimRef }) {
		text += " and what only these refs hold"
	}
	fmt.Fprintln(a.stdout, text)
}

func limitText(limit event.Bytes) string {
	if limit >= 1<<62 {
		return "none"
	}
	return limit.String()
}
