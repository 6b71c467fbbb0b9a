package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/sandbox"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/lock"
	"github.com/nestos/nosa/workspace/proc"
)

// TestKeepFailed keeps the trees of the last failed builds, and of no others.
func TestKeepFailed(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"src/config", "builds"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	clock := time.Unix(1700000000, 0)
	script := &tree.ScriptError{
		Script: tree.Script{Text: "false", Title: "postprocess[0]"}, Line: 1, Source: "false", Err: &proc.ExitError{Args: []string{"x"}, Code: 1},
	}
	fail := func(job string, failure error) error {
		t.Helper()
		clock = clock.Add(time.Second)
		env, err := NewEnv(Env{Dir: dir, Job: job, Now: func() time.Time { return clock }})
		if err != nil {
			t.Fatal(err)
		}
		root := env.Work("view", "root")
		if err := os.MkdirAll(root, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "left"), []byte(job), 0o600); err != nil {
			t.Fatal(err)
		}
		b := &build{tree: treeOf(env, "key"), view: sandbox.View{Root: root, Copied: errors.ErrUnsupported}}
		return b.keepFailed(t.Context(), env, failure)
	}
	ws, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() []string {
		entries, _ := os.ReadDir(failedDir(ws))
		names := []string{}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}

	got := fail("job-1", &StepError{"scripts", script})
	if h, ok := errors.AsType[*HintError](got); !ok || h.Hint != "correct the script at that line\nnosa jobs --shell job-1 opens a shell in the tree as it is" {
		t.Errorf("hint: %+v", got)
	}
	f, err := readFailed(ws, "job-1")
	if err != nil {
		t.Fatal(err)
	}
	want := FailedTree{Job: "job-1", Step: "scripts", Time: clock.UTC(), Tree: "key", Copied: true, Epoch: f.Epoch, Script: &script.Script, Error: script.Error()}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
	for _, other := range []error{
		fmt.Errorf("no step: %w", script), &StepError{"scripts", syscall.ENOSPC}, &StepError{"layers", tree.Conflicts{{Path: "/x"}}},
	} {
		if err := fail("job-other", other); !errors.Is(err, other) || slices.Contains(kept(), "job-other") {
			t.Errorf("%v: kept %q", err, kept())
		}
	}

	// Somebody looks at the oldest.
	inUse, err := lock.Open(failedDir(ws, "job-1", failedLockFile))
	if err == nil {
		err = inUse.Try(lock.Shared, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := 2; i < 7; i++ {
		_ = fail(fmt.Sprint("job-", i), &StepError{"scripts", script})
	}
	if diff := cmp.Diff([]string{"job-1", "job-4", "job-5", "job-6"}, kept()); diff != "" {
		t.Error(diff)
	}
	if data, err := os.ReadFile(failedDir(ws, "job-6", "root", "left")); string(data) != "job-6" {
		t.Errorf("left: %q, %v", data, err)
	}
	if err := inUse.Close(); err != nil {
		t.Fatal(err)
	}
	freed, err := dropFailed(ws, 0)
	if err != nil || freed == 0 || len(kept()) > 0 {
		t.Errorf("freed %d, %v; kept %q", freed, err, kept())
	}
}
