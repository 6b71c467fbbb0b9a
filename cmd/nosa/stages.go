package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/builder/container"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/machine"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// stages is what the worker can do, by the stage's name in job.json.
func stages() map[string]stageFunc {
	all := map[string]stageFunc{
		"init":             stageInit,
		"pool":             stagePool,
		"fetch":            builderStage(builder.Fetch),
		"build":            builderStage(builder.Build),
		"buildextend-live": builderStage(builder.Live),
		"check":            stageCheck,
		"prune":            builderStage(builder.Prune),
		"verify":           builderStage(builder.Verify),
		"compress":         builderStage(builder.Compress),
		"shell":            stageShell,
		"decompress":       builderStage(builder.Compress),
		"exec":             stageExec,
		"unpack":           stageUnpack,
		"image":            stageImage,
		"image-base":       stageImageBase,
	}
	for _, kind := range workspace.DiskImageTypes() {
		all[imagePrefix+kind] = builderStage(builder.Images)
	}
	return all
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
		{as[*builder.VerifyError], exitCheck, ""},
		{as[*builder.ContentError], exitCheck, "nosa verify tells what of the build is damaged"},
		{is(workspace.ErrNoWorkspace), exitNoWorkspace, "nosa init --sample, or nosa init GITURL, in an empty directory"},
		{is(workspace.ErrBrokenIndex), exitFailed, "move builds/builds.json away: the next build lists again what is in builds/ (tags are lost)"},
		{is(workspace.ErrLocked), exitLocked, "nosa jobs tells who; without --no-wait nosa waits"},
		{is(workspace.ErrLive), exitLocked, "wait for it, nosa jobs --cancel ID, or nosa stop ID"},
		{as[*tool.MissingError], exitMissing, ""},
		{as[*backend.MissingError], exitMissing, ""},
		{is(backend.ErrNone), exitMissing, "nosa doctor tells what is missing"},
		{is(backend.ErrNoImage), exitMissing, "nosa image build makes it; a base: nosa image base"},
		{as[noRoot], exitMissing, ""},
		{as[notMade], exitMissing, "make build makes it beside nosa"},
		{is(errInside), exitMissing, ""},
		{is(container.ErrNoBase), exitFailed, "where no registry can be reached: nosa image base, then nosa image build --base " + container.LocalBase},
		{is(container.ErrDynamic), exitMissing, "make build makes static ones"},
		{is(share.ErrForeignLink), exitFailed, "remove the link, or let the owner of the workspace or root make it"},
		{as[noInstaller], exitMissing, "make build makes it beside nosa; --installer names another place"},
		{as[configRefused], exitConfig, ""},
		{is(workspace.ErrInUse), exitFailed, "remove vms/NAME if what the machine changed may go; nosa delete --force asks nobody"},
		{is(workspace.ErrNoBuild), exitFailed, "nosa list tells which there are; nosa build makes one"},
		{is(machine.ErrNone), exitFailed, "nosa run -d starts one; nosa vms --all lists what ran"},
		{is(machine.ErrNotFound), exitFailed, "nosa vms --all lists them"},
		{as[doc.Diagnostics], exitConfig, ""},
		{builder.IsConfigError, exitConfig, ""},
		{as[*builder.NotFetchedError], exitConfig, "nosa fetch"},
		{is(syscall.EROFS), exitFailed, "builds/, cache/ and tmp/ must be writable: mount their filesystem rw, or make a workspace elsewhere"},
		{is(job.ErrNotFound), exitFailed, "nosa jobs lists them"},
	}
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// env makes the surroundings of a stage of the workspace that the job lies in.
func (w *worker) env() (*builder.Env, error) {
	epoch, err := sourceDateEpoch(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding nosa's own executable: %w", err)
	}
	return builder.NewEnv(builder.Env{
		Dir: w.workspace(), Fence: proc.Fence(os.Getenv("NOSA_FENCE")), Shim: self, Version: w.info.Version, Job: string(w.info.ID), Now: w.app.now,
		Sink: w.journal, Lines: w.journal, Epoch: epoch, GnuPGHome: os.Getenv("GNUPGHOME"),
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
