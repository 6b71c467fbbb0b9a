package feed

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// In peace looks are rarer and rarer, until something happens; where nothing is told they stay as they are.
func TestIdle(t *testing.T) {
	dir := t.TempDir()
	w, err := watch(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	w.remote = false // wherever the tests run
	w.set(map[string]bool{dir: true})
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, restMost, restMost} {
		if got := w.idle(2 * time.Second); got != want {
			t.Errorf("waits %v, want %v", got, want)
		}
		w.wait(t.Context(), time.Nanosecond, time.Nanosecond)
	}
	if got := w.idle(time.Hour); got != time.Hour {
		t.Errorf("waits %v where an hour was asked", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.wait(t.Context(), 20*time.Second, time.Nanosecond)
	if got := w.idle(2 * time.Second); got != 2*time.Second {
		t.Errorf("waits %v after an event", got)
	}
	for range 4 {
		w.wait(t.Context(), time.Nanosecond, time.Nanosecond)
	}
	w.remote = true
	if got := w.idle(2 * time.Second); got != 2*time.Second {
		t.Errorf("waits %v on a remote file system", got)
	}
}
