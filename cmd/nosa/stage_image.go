package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/builder/container"
	"github.com/nestos/nosa/builder/pool"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/proc"
)

// stageImage is the job of nosa image build.
func stageImage(ctx context.Context, w *worker) error {
	i, err := w.imageJob(ctx)
	if err != nil {
		return err
	}
	defer i.close()
	deps, err := assets.ImageDigest()
	if err != nil {
		return err
	}
	o := container.Options{
		Engine: i.engine, Env: container.ClientEnv(os.Environ()), Dir: i.dir, Base: i.req.Base, Tag: i.req.Tag,
		CA: i.req.CA, Repos: i.req.Repos, URLs: i.req.URLs, Programs: i.req.Programs, Version: w.info.Version, Deps: deps, Fresh: i.req.Fresh, Stop: proc.KillOrphans,
	}
	w.plan([2]string{"base", "Base " + cmp.Or(i.req.Base, container.DefaultBase)}, [2]string{"image", fmt.Sprintf("Image %s by %s", i.req.Tag, i.engine.Kind)})
	err = w.step("base", func() (string, error) {
		image, err := container.Pull(ctx, o, w.reporter("base"))
		return event.Bytes(image.Size).String(), err
	})
	if err != nil {
		return err
	}
	return w.step("image", func() (string, error) {
		sum, err := container.Build(ctx, o, w.reporter("image"))
		what := "new"
		if sum.Image.ID == sum.Before {
			what = "as it was"
		}
		return what + ", " + event.Bytes(sum.Image.Size).String(), err
	})
}

// stageImageBase is the job of nosa image base.
func stageImageBase(ctx context.Context, w *worker) error {
	if err := tool.Require("mmdebstrap"); err != nil {
		return err
	}
	i, err := w.imageJob(ctx)
	if err != nil {
		return err
	}
	defer i.close()
	b := container.Bootstrap{
		Engine: i.engine, Env: container.ClientEnv(os.Environ()), Dir: i.dir, Suite: pool.DefaultSuite,
		Mirror: i.req.Mirror, Security: i.req.SecurityMirror, Tag: i.req.Tag,
	}
	w.plan([2]string{"debian", "Debian from " + i.req.Mirror}, [2]string{"import", fmt.Sprintf("Image %s by %s", i.req.Tag, i.engine.Kind)})
	err = w.step("debian", func() (string, error) { return "", b.Make(ctx, w.reporter("debian")) })
	if err != nil {
		return err
	}
	return w.step("import", func() (string, error) {
		image, err := b.Import(ctx, w.reporter("import"))
		return event.Bytes(image.Size).String(), err
	})
}

// imageJob is what both stages start with.
type imageJob struct {
	req    imageRequest
	engine backend.Engine
	dir    string // scratch, empty
	close  func()
}

func (w *worker) imageJob(ctx context.Context) (imageJob, error) {
	var i imageJob
	if err := w.request(&i.req); err != nil {
		return i, err
	}
	engine, err := backend.Find(ctx, i.req.Engine)
	if err != nil {
		return i, err
	}
	l, err := w.lockImages(ctx, i.req.NoWait)
	if err != nil {
		return i, err
	}
	tmp := filepath.Join(w.workspace(), "tmp")
	i.engine, i.dir = engine, filepath.Join(tmp, "work", string(w.info.ID))
	i.close = func() {
		_ = builder.RemoveScratch(tmp, string(w.info.ID)) // else the next job does it
		_ = l.Close()
	}
	err = sweepScratch(tmp)
	if err == nil {
		err = os.MkdirAll(i.dir, 0o755)
	}
	if err != nil {
		i.close()
		return i, fmt.Errorf("making the image's scratch directory: %w", err)
	}
	return i, nil
}

// lockImages keeps the caller's image jobs from each other, whatever workspaces they are of.
func (w *worker) lockImages(ctx context.Context, noWait bool) (*lock.File, error) {
	dir, err := imageCache()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("locking images: %w", err)
	}
	l, err := lock.Open(filepath.Join(dir, "image.lock"))
	if err != nil {
		return nil, err
	}
	err = l.Try(lock.Exclusive, 0)
	switch {
	case errors.Is(err, lock.ErrHeld) && noWait:
		err = fmt.Errorf("what makes images is %w by another job", workspace.ErrLocked)
	case errors.Is(err, lock.ErrHeld):
		w.journal.Emit(event.Event{Kind: event.Log, Level: event.Info, Text: "waiting: another image is being made"})
		err = l.Lock(ctx, lock.Exclusive, 0)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// sweepScratch removes the scratch directories of jobs that are gone: outside of a workspace nothing else does.
func sweepScratch(tmp string) error {
	entries, err := os.ReadDir(filepath.Join(tmp, "work"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, entry := range entries {
		st, err := job.Look(filepath.Join(tmp, "jobs", entry.Name()))
		if err == nil && st.State == job.Running {
			continue
		}
		if err := builder.RemoveScratch(tmp, entry.Name()); err != nil && !errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("removing leftovers: %w", err)
		}
	}
	return nil
}

// plan tells the steps to come, each as name and title.
func (w *worker) plan(steps ...[2]string) {
	for _, s := range steps {
		w.journal.Emit(event.Event{Kind: event.Plan, Step: s[0], Title: s[1]})
	}
}

// step runs one step, and tells the text that it gives.
func (w *worker) step(name string, do func() (string, error)) error {
	w.journal.Emit(event.Event{Kind: event.Step, Step: name, State: event.Run})
	start := w.app.now()
	text, err := do()
	if err != nil {
		return &builder.StepError{Step: name, Err: err}
	}
	w.journal.Emit(event.Event{Kind: event.Step, Step: name, State: event.Done, Text: text, MS: w.app.now().Sub(start).Milliseconds()})
	return nil
}
