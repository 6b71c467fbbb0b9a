package job_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/job"
)

func TestExpire(t *testing.T) {
	jobs := filepath.Join(t.TempDir(), "jobs")
	if n, err := job.Expire(jobs, time.Now()); n != 0 || err != nil {
		t.Errorf("without jobs: %d, %v", n, err)
	}
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	put := func(days int, stage string) *job.Job {
		t.Helper()
		j, err := job.Create(jobs, job.Info{Stage: stage, Created: now.Add(-time.Duration(days) * 24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	old, lost, live, recent := put(31, "old"), put(40, "lost"), put(50, "live"), put(29, "recent")
	for _, j := range []*job.Job{old, lost, recent} {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	defer live.Close()
	hidden := filepath.Join(jobs, ".20200101T000000Z-build-0000")
	for _, dir := range []string{hidden, filepath.Join(jobs, "notes")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n, err := job.Expire(jobs, now.Add(-job.KeepRecords))
	if err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
	entries, err := os.ReadDir(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := []string{string(live.Info.ID), string(recent.Info.ID), "notes"}
	slices.Sort(want)
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
}
