package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/loop"
)

// watchRound is a round that goes on.
type watchRound struct {
	loop.Round
	marks []loop.Mark
	turn  loop.Turn
	cut   error // what cut it short; nil is nothing
}

// until gives the time since the last mark to a part.
func (r *watchRound) until(part string, end time.Time) {
	r.marks = append(r.marks, loop.Mark{Part: part, End: end})
}

// round has one round. What goes wrong in it is told and ends no loop, but that
// there is no workspace any more.
func (w *watcher) round(ctx context.Context, t loop.Turn) error {
	r := &watchRound{turn: t, Round: loop.Round{Saved: t.Save.At, Paths: t.Save.Paths, User: w.userName(ctx), Result: loop.Fresh}}
	r.until(loop.PartWait, w.now())
	if about := savedText(t.Save.Paths); about != "" && !w.json() {
		w.note("saved: " + event.Clean(about))
	}
	err := w.make(ctx, r)
	if err == nil && w.o.boot {
		err = w.boot(ctx, r)
	}
	if errors.Is(err, workspace.ErrNoWorkspace) {
		return err
	}
	err = w.close(ctx, r, err)
	w.had++
	return err
}

func (w *watcher) json() bool { return w.flags.output == "json" }

// make builds what is out of date.
func (w *watcher) make(ctx context.Context, r *watchRound) error {
	env, err := w.lookEnv("watch")
	if err != nil {
		return err
	}
	s, err := builder.FindStanding(ctx, env)
	r.until(loop.PartPlan, w.now())
	if err != nil {
		return err
	}
	here := func(kind string) bool {
		a, ok := s.Previous.Images[kind]
		if !ok {
			return false
		}
		_, err := os.Stat(filepath.Join(w.ws.BuildDir(s.Previous.BuildID, env.Arch.Name), a.Path))
		return err == nil
	}
	for _, stage := range w.o.stages(s, here) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.stage(ctx, r, stage); err != nil {
			return err
		}
	}
	r.Build, err = w.ws.Resolve("latest", env.Arch.Name)
	if err == nil && r.Build == s.Previous.BuildID && !slices.ContainsFunc(r.Jobs, isImageStage) {
		r.Result = loop.Fresh // jobs that had to run to know
	}
	return err
}

func isImageStage(name string) bool { return strings.HasPrefix(name, imagePrefix) }

// stages are those that would make something else now. Of a fetch that only running
// tells about, so does the build after it.
func (o *watchOptions) stages(s builder.Standing, here func(kind string) bool) []stageRun {
	open := func(out builder.Outdated) bool { return out.Never || len(out.Reasons) > 0 || out.Unknown != "" }
	var list []stageRun
	if open(s.Fetch) {
		list = append(list, stageRun{name: "fetch", request: builder.FetchRequest{
			Engine: o.build.Engine, Offline: o.build.Offline, NoWait: o.build.NoWait,
		}})
	}
	if len(list) > 0 || open(s.Build) {
		return append(list, stageRun{name: "build", request: o.build})
	}
	kinds := o.build.Targets
	if kinds == nil && !s.Container {
		kinds = []string{"qemu"}
	}
	for _, kind := range kinds {
		if !here(kind) {
			list = append(list, stageRun{name: imagePrefix + kind, request: builder.ImageRequest{
				Build: s.Previous.BuildID, Types: []string{kind}, NoWait: o.build.NoWait,
			}})
		}
	}
	return list
}

// stage runs one as a job and notes what its time went to.
func (w *watcher) stage(ctx context.Context, r *watchRound, s stageRun) error {
	var seen []event.Event
	s.seen = func(e event.Event) {
		if e.Kind == event.Step {
			seen = append(seen, e)
		}
	}
	r.Jobs = append(r.Jobs, s.name)
	err := w.inWorkspaceSeen(ctx, s)
	isImage := func(step string) bool { _, err := workspace.FindArtifactType(step); return err == nil }
	r.marks = append(r.marks, loop.JobMarks(s.name, seen, isImage, w.now())...)
	if err == nil {
		r.Result = loop.Built
	}
	return err
}

// close tells how a round ended. What ended it is told, too, and kept for --once.
func (w *watcher) close(ctx context.Context, r *watchRound, err error) error {
	switch {
	case err != nil && ctx.Err() != nil, errors.Is(err, loop.ErrSaved):
		r.Result, w.last = loop.Cut, toldAlready{exitCancelled}
		if r.cut = err; ctx.Err() != nil {
			r.cut = context.Cause(ctx)
		}
	case err != nil:
		r.Result = loop.Failed
		w.fail(r, err)
	default:
		w.last = nil
	}
	if r.Result != loop.Login { // its end was the prompt
		r.until(r.marks[len(r.marks)-1].Part, w.now())
	}
	r.Time, r.Parts = w.now(), loop.Parts(r.Saved, r.marks)
	if r.Result != loop.Fresh {
		if lost := loop.Append(w.ws.RoundsPath(), r.Round); lost != nil {
			w.note("warning: " + lost.Error())
		}
	}
	return w.tell(r)
}

// fail says what went wrong, as the command would whose job it was.
func (w *watcher) fail(r *watchRound, err error) {
	shown := newRenderer(w.app, "")
	err = shown.explain(err)
	shown.close()
	w.last = toldAlready{w.report(err)}
	r.Error, _, _ = strings.Cut(err.Error(), "\n")
	if failed, ok := errors.AsType[stageFailed](err); ok {
		r.Path = failed.event.Path
	}
	r.Error = event.Clean(r.Error)
}

// tell prints the round.
func (w *watcher) tell(r *watchRound) error {
	if w.json() {
		return r.Encode(w.stdout)
	}
	switch r.Result {
	case loop.Fresh:
		runs := ""
		if r.VM != "" {
			runs = ", and machine " + r.VM + " runs it"
		}
		w.note("nothing to do: build " + r.Build + " is up to date" + runs)
		if w.o.once && r.VM != "" {
			fmt.Fprintln(w.stdout, r.VM)
		}
	case loop.Cut:
		if errors.Is(r.cut, loop.ErrSaved) {
			w.note(fmt.Sprintf("cut short after %.1fs: something was saved", r.Total().Seconds()))
		}
		return nil
	default:
		fmt.Fprintln(w.stdout, r.String())
	}
	switch {
	case w.o.once:
	case r.Result == loop.Failed:
		w.note("waiting for the next save")
	case w.had == 0:
		w.note("watching " + strings.Join(workspace.SourceRoots(), ", ") + " (Ctrl-C ends)")
	}
	return nil
}

// emit prints an event of this command's own with --output json.
func (w *watcher) emit(e event.Event) {
	e.V, e.Time = event.Version, w.now().UTC()
	_ = json.NewEncoder(w.stdout).Encode(e)
}
