package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// stages is what the worker can do, by the stage's name in job.json.
func stages() map[string]stageFunc {
	return map[string]stageFunc{
		"init":                stageInit,
		"pool":                stagePool,
		"fetch":               builderStage(builder.Fetch),
		"build":               builderStage(builder.Build),
		"buildextend-qemu":    builderStage(builder.Images),
		"buildextend-metal":   builderStage(builder.Images),
		"buildextend-metal4k": builderStage(builder.Images),
		"check":               stageCheck,
		"compress":            builderStage(builder.Compress),
		"decompress":          builderStage(builder.Compress),
	}
}

// builderStage is the job of a command that builder does as a whole: R is what it is asked.
func builderStage[R any](do func(context.Context, *builder.Env, R) error) stageFunc {
	return func(ctx context.Context, w *worker) error {
		var req R
		if err := w.request(&req); err != nil {
			return err
		}
		env, err := w.env()
		if err != nil {
			return err
		}
		return do(ctx, env, req)
	}
}

// rule decides exit code and hint of a kind of error.
type rule struct {
	is   func(error) bool
	code int
	hint string
}

// exitRules are asked in order; the first that fits decides.
func exitRules() []rule {
	is := func(target error) func(error) bool {
		return func(err error) bool { return errors.Is(err, target) }
	}
	return []rule{
		{as[usageError], exitUsage, ""},
		{as[checkFailed], exitCheck, ""},
		{as[*builder.ContentError], exitCheck, "nosa verify tells what of the build is damaged"},
		{is(workspace.ErrNoWorkspace), exitNoWorkspace, "nosa init --sample, or nosa init GITURL, in an empty directory"},
		{is(workspace.ErrBrokenIndex), exitFailed, "move builds/builds.json away: the next build lists again what is in builds/ (tags are lost)"},
		{is(workspace.ErrLocked), exitLocked, "nosa jobs tells who; without --no-wait nosa waits"},
		{as[*tool.MissingError], exitMissing, ""},
		{as[doc.Diagnostics], exitConfig, ""},
		{builder.IsConfigError, exitConfig, ""},
		{as[*builder.NotFetchedError], exitConfig, "nosa fetch"},
		{is(job.ErrNotFound), exitFailed, "nosa jobs lists them"},
	}
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// failEvent is how a stage's error ends its journal. Every problem of a
// configuration has an event of its own before it.
func failEvent(err error, sink event.Sink) event.Event {
	e := event.Event{Kind: event.Fail, Code: exitCode(err), Text: err.Error(), Hint: hintOf(err)}
	if step, ok := errors.AsType[*builder.StepError](err); ok {
		e.Step = step.Step
	}
	if missing, ok := errors.AsType[*tool.MissingError](err); ok {
		e.Hint = missing.Install()
	}
	if problems, ok := errors.AsType[doc.Diagnostics](err); ok {
		n, first := sayDiagnostics(problems, sink)
		e.Text, e.Hint, e.Path = "1 problem in the configuration: "+first.Message, "", first.Origin.String()
		if n > 1 {
			e.Text = fmt.Sprintf("%d problems in the configuration, the first: %s", n, first.Message)
		}
	} else if place := inlinePlaces().FindStringSubmatch(e.Text); place != nil {
		e.Path = place[1]
	}
	if e.Code == exitCancelled {
		e.Text, e.Hint, e.Path = "cancelled", "", ""
	}
	return e
}

// sayDiagnostics makes events of diagnostics, their codes as reasons, and gives
// the number of errors and the first of them.
func sayDiagnostics(list doc.Diagnostics, sink event.Sink) (errs int, first doc.Diagnostic) {
	for _, d := range list {
		level := event.Info
		switch d.Severity {
		case doc.Error:
			level = event.Error
			if errs++; errs == 1 {
				first = d
			}
		case doc.Warning:
			level = event.Warn
		case doc.Note:
		}
		text := d.Message
		if len(d.Chain) > 0 {
			text += fmt.Sprintf(" (included by %s)", d.Chain[len(d.Chain)-1])
		}
		sink.Emit(event.Event{Kind: event.Log, Level: level, Path: d.Origin.String(), Text: text, Hint: d.Hint, Reason: d.Code})
	}
	return errs, first
}

// env makes the surroundings of a stage of the workspace that the job lies in.
func (w *worker) env() (*builder.Env, error) {
	dir := filepath.Dir(filepath.Dir(filepath.Dir(w.dir))) // DIR/tmp/jobs/ID
	epoch, err := sourceDateEpoch(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return nil, err
	}
	return builder.NewEnv(builder.Env{
		Dir: dir, Version: w.info.Version, Job: string(w.info.ID), Now: w.app.now,
		Sink: w.journal, Lines: w.journal, Epoch: epoch,
	})
}

// sourceDateEpoch reads the variable of that name; nil when it is empty.
func sourceDateEpoch(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH %q: want seconds since 1970", text)
	}
	t := time.Unix(seconds, 0).UTC()
	return &t, nil
}
