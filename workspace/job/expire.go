package job

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/share"
)

// KeepRecords is how long the records of ended jobs are kept.
const KeepRecords = 30 * 24 * time.Hour

// Expire removes the records of jobs that began before a time and do not run,
// and gives their number. Their names carry the date, so that with nothing to
// remove it costs the reading of one directory.
func Expire(jobs string, before time.Time) (int, error) {
	entries, err := os.ReadDir(jobs)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("expiring jobs: %w", err)
	}
	n := 0
	for _, e := range entries {
		name := strings.TrimPrefix(e.Name(), ".") // one that was never finished, or half removed
		began, ok := startOf(name)
		if !ok || !began.Before(before) {
			continue
		}
		dir := filepath.Join(jobs, e.Name())
		if running, err := Held(filepath.Join(dir, "lock")); running || err != nil {
			continue // in doubt it runs
		}
		if share.Others(dir) {
			continue // whose it is removes it
		}
		if err := discard(dir, filepath.Join(jobs, "."+name)); err != nil {
			return n, fmt.Errorf("expiring job %s: %w", name, err)
		}
		n++
	}
	return n, nil
}

// discard removes a record under a hidden name: half a record is none.
func discard(dir, hidden string) error {
	if dir != hidden {
		if err := os.Rename(dir, hidden); err != nil {
			return err
		}
	}
	return os.RemoveAll(hidden)
}

// Describe gives for people what a job's id says: "build since 14:03:58 (20261122T…-build-7f3a)"; another
// text stays as it is. The time is the reader's local one.
func Describe(id string) string {
	began, ok := startOf(id)
	_, rest, _ := strings.Cut(id, "-")
	cut := strings.LastIndex(rest, "-")
	if !ok || cut < 1 {
		return id
	}
	return fmt.Sprintf("%s since %s (%s)", rest[:cut], began.Local().Format(time.TimeOnly), id)
}

// startOf reads the time in a job's name.
func startOf(name string) (time.Time, bool) {
	stamp, _, ok := strings.Cut(name, "-")
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(idTime, stamp)
	return t, err == nil
}
