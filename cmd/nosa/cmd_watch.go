package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/loop"
)

// watchOptions are the flags of nosa watch.
type watchOptions struct {
	build               builder.BuildRequest
	engine              engineFlag
	run                 runOptions
	boot, once, restart bool
}

func newWatchCommand(a *app) *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:     "watch [TARGET…]",
		Short:   "Build on every save, and boot the result",
		GroupID: groupBuild,
		Long: `Build what is out of date, now and whenever something is saved in src/config,
overrides/ or src/yumrepos: fetch where what is asked for has changed, then the
build with its images (the targets are those of nosa build). With --boot boot the
qemu image then; the machine of the round before goes when the new one is ready
to start, so one whose build fails stays. nosa console and nosa ssh go there.

Saves within 0.15 s are one. A build that has begun is ended, also when something
is saved meanwhile, and one more round follows for all of that: what it makes is
kept and reused, and who saves often gets results. --restart ends it at once
instead. A round that only waits for a machine to boot makes room for the next.

What fails is told as nosa build tells it, and the next save tries again. Each
round that changed something is a build of its own; nosa prune removes old ones.

At its end a round is a line, the time since the save and what it was spent on:

  save → login 41.2s: wait 0.2 plan 0.3 build 12.1 image 3.0 start 0.4 boot 25.2

start ends with the machine's first instruction, boot with its login prompt. The
rounds are in tmp/rounds.jsonl, too.

--once has one round and ends. With --boot the machine stays in the background, as
with nosa run -d, its ID is printed as soon as it runs, and the next round that
anybody of the same name has takes its place.

With --output json: the events of the jobs that run, of a machine that was started
{kind: artifact, step: machine, text: ID, path}, and at the end of each round
{v, time, kind: round, saved, paths, result, parts [{name, ms}], jobs, build, vm,
units, error, path, user}, where result is login, built, fresh, failed or cut.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitConfig, exitNoWorkspace, exitLocked, exitMissing, exitNoSpace, exitCancelled) +
			"\n\nCtrl-C ends it: with 0 while it waits for a save, with 130 where that ends a round.\nThe codes of what failed are those of --once.",
		ValidArgs: buildTargets(),
		Args:      checkTargets,
		RunE: func(cmd *cobra.Command, targets []string) (err error) {
			if o.build.Engine, err = o.engine.engine(cmd); err != nil {
				return err
			}
			o.build.Targets = builder.Targets(modernWords("build", targets))
			o.build.Offline, o.build.NoWait = a.flags.offline, a.flags.noWait
			if err := o.check(cmd); err != nil {
				return seeHelp(cmd, err)
			}
			return a.watch(cmd.Context(), o)
		},
	}
	o.add(cmd)
	return cmd
}

// runFlags are the flags of nosa run that nosa watch has.
func runFlags() []string {
	return []string{"memory", "cpus", "qemu-firmware", "ignition", "butane", "kargs", "timeout"}
}

func (o *watchOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	o.engine.add(cmd)
	f.BoolVar(&o.boot, "boot", false, "boot what was built, in place of the machine before")
	f.BoolVar(&o.once, "once", false, "one round, now; leave the machine running")
	f.BoolVar(&o.restart, "restart", false, "end a build when something is saved, instead of one more after it")
	all := &cobra.Command{}
	o.run.add(all)
	for _, name := range runFlags() {
		flag := all.Flags().Lookup(name)
		flag.Usage = "with --boot: " + flag.Usage
		f.AddFlag(flag)
	}
	cmd.MarkFlagsMutuallyExclusive("once", "restart")
	cmd.MarkFlagsMutuallyExclusive("ignition", "butane")
}

// check refuses what does not go together.
func (o *watchOptions) check(cmd *cobra.Command) error {
	for _, name := range runFlags() {
		if cmd.Flags().Changed(name) && !o.boot {
			return fmt.Errorf("--%s is about the machine: want --boot with it", name)
		}
	}
	if o.boot && o.build.Targets != nil && !slices.Contains(o.build.Targets, "qemu") {
		return errors.New("--boot boots the qemu image: want qemu among the targets, or none")
	}
	o.run.artifact, o.run.detach, o.run.cold = "qemu", true, true
	return o.run.check()
}

// watcher is a nosa watch that runs.
type watcher struct {
	*app
	o    watchOptions
	ws   *workspace.Workspace
	vm   *ownVM // that it booted; nil is none
	had  int    // rounds
	last error  // of the round before
}

// watch has rounds until ctx ends, or one.
func (a *app) watch(ctx context.Context, o watchOptions) error {
	began := a.now()
	ws, err := openWorkspace(a.flags.dir)
	if err != nil {
		return err
	}
	if err := a.mayBuild(ctx, "build"); err != nil {
		return err
	}
	w := &watcher{app: a, o: o, ws: ws}
	if o.once {
		defer w.end()
		if err := w.round(ctx, loop.Turn{Save: loop.Save{At: began}}); err != nil {
			return err
		}
		return w.last
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	saves, watched := make(chan loop.Save), make(chan error, 1)
	go func() {
		defer close(saves)
		notice := ""
		watched <- ws.Watch(ctx, func(c workspace.Change) {
			if n := c.State.Notice; n != notice && n != "" {
				w.note("note: " + event.Clean(n))
			}
			notice = c.State.Notice
			passSave(ctx, c, saves)
		})
	}()
	first, ok := <-saves
	if !ok {
		return <-watched
	}
	first.At = began
	err = loop.Loop{Round: w.round, Restart: o.restart}.Run(ctx, first, saves)
	w.end()
	if ctx.Err() != nil { // as a person wanted
		return endOfWatch(err)
	}
	stop(nil)
	return errors.Join(err, <-watched)
}

// endOfWatch is how nosa watch ends that was told to: with nothing said where it
// was idle.
func endOfWatch(err error) error {
	if err == nil {
		return nil
	}
	return toldAlready{exitCancelled}
}

// passSave passes on what is a save of a change that was seen: what git does to its
// own files is none, nor what an editor leaves beside a file.
func passSave(ctx context.Context, c workspace.Change, saves chan<- loop.Save) {
	paths := slices.DeleteFunc(c.Paths, loop.Leftover)
	if len(paths) == 0 && !c.All {
		return
	}
	select {
	case saves <- loop.Save{At: c.At, Paths: paths}:
	case <-ctx.Done():
	}
}

// end ends the machine, unless it was left.
func (w *watcher) end() {
	if w.vm != nil {
		w.vm.end()
		w.vm = nil
	}
}

// savedText names what was saved: the first, and how many more; "" is not known.
func savedText(paths []string) string {
	switch len(paths) {
	case 0:
		return ""
	case 1:
		return paths[0]
	}
	return fmt.Sprintf("%s and %d more", paths[0], len(paths)-1)
}
