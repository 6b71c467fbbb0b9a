package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/share"
)

// What a build that failed has left of its tree: tmp/failed/JOB/ has the upper directory of its view,
// or, where that was a copy, the root, and failed.json, which says over what.

// failedKept is how many failed trees stay.
const failedKept = 3

const (
	failedRecordFile = "failed.json"
	failedLockFile   = "lock" // shared by who looks at the tree
)

// FailedTree is failed.json: the tree that a step was working on when it failed.
type FailedTree struct {
	Job    string       `json:"job"`
	Step   string       `json:"step"`
	Time   time.Time    `json:"time"`
	Tree   string       `json:"tree"`             // key of the packages' tree in the cache, which it is the difference from
	Copied bool         `json:"copied,omitempty"` // it is whole
	Epoch  time.Time    `json:"epoch"`            // SOURCE_DATE_EPOCH of the step's programs
	Script *tree.Script `json:"script,omitempty"` // the script that failed
	Error  string       `json:"error"`
}

func failedDir(ws *workspace.Workspace, elem ...string) string {
	return filepath.Join(append([]string{ws.Tmp(), "failed"}, elem...)...)
}

// keepFailed keeps the tree of a build that failed at it, and adds to the error how to look at it. It
// is asked before the view is closed.
func (b *build) keepFailed(ctx context.Context, env *Env, failure error) error {
	step, ok := errors.AsType[*StepError](failure)
	if !ok || b.view.Root == "" || ctx.Err() != nil || IsConfigError(failure) || IsNoSpace(failure) {
		return failure
	}
	record := FailedTree{
		Job: env.Job, Step: step.Step, Time: env.Now().UTC(), Tree: b.tree.key, Copied: b.view.Copied != nil, Epoch: b.epoch.UTC(), Error: failure.Error(),
	}
	if script, ok := errors.AsType[*tree.ScriptError](failure); ok {
		record.Script = &script.Script
	}
	if err := b.moveFailed(env, record); err != nil {
		env.Reporter(step.Step).Info("the tree is not kept: " + err.Error())
		return failure
	}
	look := "nosa jobs --shell " + env.Job + " opens a shell in the tree as it is"
	if next := NextStep(failure); next != "" {
		look = next + "\n" + look
	}
	return hint(failure, look)
}

func (b *build) moveFailed(env *Env, record FailedTree) error {
	if err := b.closeView(); err != nil {
		return err
	}
	kept := env.Work("failed")
	if err := os.Mkdir(kept, 0o700); err != nil {
		return fmt.Errorf("keeping the failed tree: %w", err)
	}
	part := record.part()
	if err := os.Rename(env.Work("view", part), filepath.Join(kept, part)); err != nil {
		return fmt.Errorf("keeping the failed tree: %w", err)
	}
	if err := workspace.WriteJSON(filepath.Join(kept, failedRecordFile), record); err != nil {
		return err
	}
	if err := share.MkdirAll(failedDir(env.WS)); err != nil {
		return fmt.Errorf("keeping the failed tree: %w", err)
	}
	if err := os.Rename(kept, failedDir(env.WS, env.Job)); err != nil {
		return fmt.Errorf("keeping the failed tree: %w", err)
	}
	_, err := dropFailed(env.WS, failedKept)
	return err
}

// part is what of the view's directory is kept.
func (f FailedTree) part() string {
	if f.Copied {
		return "root"
	}
	return "upper"
}

// readFailed gives the failed tree of a job.
func readFailed(ws *workspace.Workspace, job string) (FailedTree, error) {
	var f FailedTree
	data, err := os.ReadFile(failedDir(ws, job, failedRecordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return f, hint(fmt.Errorf("no tree of %s is kept", job),
			fmt.Sprintf("only a build that fails in a step of the tree leaves one, and only the last %d stay: build again", failedKept))
	}
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		return f, fmt.Errorf("reading the record of the failed tree: %w", err)
	}
	return f, nil
}

// dropFailed removes the failed trees that nobody looks at but the newest, and gives what they took,
// in bytes.
func dropFailed(ws *workspace.Workspace, keep int) (freed int64, err error) {
	entries, err := os.ReadDir(failedDir(ws))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking for failed trees: %w", err)
	}
	ages := map[string]time.Time{}
	for _, e := range entries {
		f, _ := readFailed(ws, e.Name()) // without a record it is the oldest
		ages[e.Name()] = f.Time
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		return cmp.Or(ages[b.Name()].Compare(ages[a.Name()]), cmp.Compare(b.Name(), a.Name()))
	})
	for _, e := range entries[min(keep, len(entries)):] {
		n, err := dropOneFailed(failedDir(ws, e.Name()))
		if err != nil {
			return freed, err
		}
		freed += n
	}
	return freed, nil
}

func dropOneFailed(dir string) (int64, error) {
	inUse, err := lock.Probe(filepath.Join(dir, failedLockFile), lock.Exclusive, 0)
	if inUse || err != nil {
		return 0, err
	}
	size := sizeBelow(dir)
	if err := removeTree(dir); err != nil {
		return 0, fmt.Errorf("removing a failed tree: %w", err)
	}
	return size, nil
}

// sizeBelow is the size of the files below a directory, in bytes.
func sizeBelow(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it is a number for people
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
