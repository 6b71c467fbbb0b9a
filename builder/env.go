package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// Env is what the steps of one job share: the workspace, where they report, and
// a scratch directory for what they hand on.
type Env struct {
	Dir       string               // of the workspace
	WS        *workspace.Workspace // set by NewEnv
	Arch      workspace.Arch
	Version   string // nosa's own
	Job       string // the job's id; names the scratch directory and the lock holders
	Scratch   string // the scratch directory of who only looks, outside of the workspace; empty is the job's own in tmp/
	Now       func() time.Time
	Sink      event.Sink
	Lines     event.LineSink
	Epoch     *time.Time // SOURCE_DATE_EPOCH, where it is set
	Offline   bool
	NoWait    bool
	Fence     proc.Fence   // what the stage runs behind
	Shim      string       // nosa's own executable, which knows sandbox.TraceCommand; empty is none
	GnuPGHome string       // GNUPGHOME of the person who builds
	Proc      sandbox.Proc // what kind of /proc a sandbox can have here; set by the stages that run one

	engine        manifest.Engine // what composes; "" is dnf
	engineVersion string          // of rpm-ostree, where that composes

	outcomes *outcomes
	closing  []func() error // what ends with the stage, the last first

	cacheLock *lock.File // where it is held shared
}

// NewEnv completes e for the workspace in e.Dir.
func NewEnv(e Env) (*Env, error) {
	var err error
	if e.WS, err = workspace.Open(e.Dir); err != nil {
		return nil, err
	}
	if e.Arch, err = workspace.HostArch(); err != nil {
		return nil, err
	}
	e.outcomes = &outcomes{}
	return &e, nil
}

// probe finds out how programs of a target can be run here. It runs one, so
// only the stages that need it ask.
func (e *Env) probe(ctx context.Context) error {
	support, err := sandbox.Probe(ctx)
	e.Proc = support.Proc
	return err
}

// Reporter reports on one step.
func (e *Env) Reporter(step string) *event.Reporter {
	return event.NewReporter(step, e.Sink, e.Lines, e.Now)
}

// Work is the job's scratch directory in tmp/: on the filesystem of builds and
// cache, so that results get there by a rename or a hard link.
func (e *Env) Work(elem ...string) string {
	if e.Scratch != "" {
		return filepath.Join(append([]string{e.Scratch}, elem...)...)
	}
	return filepath.Join(append([]string{e.WS.Tmp(), "work", e.Job}, elem...)...)
}

// Repo is the OSTree repository that serves as build cache.
func (e *Env) Repo(r *event.Reporter) ostree.Repo {
	return ostree.Repo{Path: filepath.Join(e.WS.Cache(), "repo"), Line: r.Line}
}

// Open makes the scratch directory, after removing those that killed jobs left
// behind, and takes the locks of a stage that writes the cache and reads
// builds. The returned function undoes both.
func (e *Env) Open(ctx context.Context, locks ...func(context.Context, *Env) (*lock.File, error)) (done func() error, err error) {
	var held []*lock.File
	release := func() error {
		var errs []error
		for _, end := range slices.Backward(e.closing) {
			errs = append(errs, end())
		}
		e.closing = nil
		for _, h := range slices.Backward(held) {
			errs = append(errs, h.Close())
		}
		return errors.Join(append(errs, removeTree(e.Work()))...)
	}
	for _, take := range locks {
		l, err := take(ctx, e)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		held = append(held, l)
	}
	if err := e.sweep(); err != nil {
		return nil, errors.Join(err, release())
	}
	if err := share.MkdirPlain(e.Work()); err != nil {
		return nil, errors.Join(fmt.Errorf("making the scratch directory: %w", err), release())
	}
	return release, nil
}

// Discard removes the scratch directory.
func (e *Env) Discard() error { return removeTree(e.Work()) }

// RemoveScratch removes the scratch directory of a job that has ended, in the
// workspace's tmp.
func RemoveScratch(tmp, job string) error { return removeTree(filepath.Join(tmp, "work", job)) }

// sweep removes the scratch directories of jobs that are gone.
func (e *Env) sweep() error {
	entries, err := os.ReadDir(filepath.Dir(e.Work()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, entry := range entries {
		st, err := job.Look(filepath.Join(e.WS.JobsDir(), entry.Name()))
		if err == nil && st.State == job.Running {
			continue
		}
		// Another account's stay until that one, or root, has a job.
		if err := removeTree(filepath.Join(filepath.Dir(e.Work()), entry.Name())); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("removing leftovers: %w", err)
		}
	}
	return nil
}

// removeTree removes a tree of a target, whose directories may forbid writing.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	walk := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return err
	})
	return errors.Join(walk, os.RemoveAll(dir))
}
