package lock_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/lock"
)

func open(t *testing.T, path string) *lock.File {
	t.Helper()
	l, err := lock.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestTry(t *testing.T) {
	for _, tt := range []struct {
		name     string
		first    lock.Kind
		second   lock.Kind
		off      int64
		wantHeld bool
	}{
		{"shared by two", lock.Shared, lock.Shared, 0, false},
		{"exclusive after shared", lock.Shared, lock.Exclusive, 0, true},
		{"shared after exclusive", lock.Exclusive, lock.Shared, 0, true},
		{"exclusive twice", lock.Exclusive, lock.Exclusive, 0, true},
		{"another byte", lock.Exclusive, lock.Exclusive, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lock")
			a, b := open(t, path), open(t, path)
			if err := a.Try(tt.first, 0); err != nil {
				t.Fatal(err)
			}
			held, err := b.Held(tt.second, tt.off)
			if err != nil || held != tt.wantHeld {
				t.Errorf("Held = %v, %v; want %v", held, err, tt.wantHeld)
			}
			probed, err := lock.Probe(path, tt.second, tt.off)
			if err != nil || probed != tt.wantHeld {
				t.Errorf("Probe = %v, %v; want %v", probed, err, tt.wantHeld)
			}
			if err := b.Try(tt.second, tt.off); errors.Is(err, lock.ErrHeld) != tt.wantHeld {
				t.Errorf("Try = %v, want held %v", err, tt.wantHeld)
			}
			if own, err := a.Held(tt.first, 0); err != nil || (own && tt.first == lock.Exclusive) {
				t.Errorf("own exclusive lock counts as held: %v, %v", own, err)
			}
			if err := a.Unlock(0); err != nil {
				t.Fatal(err)
			}
			if err := b.Try(tt.second, 0); err != nil {
				t.Errorf("after Unlock: %v", err)
			}
		})
	}
}

func TestProbeMakesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := lock.Probe(path, lock.Exclusive, 0)
	if err != nil || held {
		t.Fatalf("Probe = %v, %v", held, err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Fatalf("Probe made the file: %v", err)
	}
}

func TestOpenThereMakesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, err := lock.OpenThere(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("OpenThere of nothing: %v", err)
	}
	open(t, path)
	l, err := lock.OpenThere(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Try(lock.Exclusive, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Try of a file that is gone: %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("Try made the file: %v", err)
	}
}

func TestLockWaitsAndCancels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	if err := a.Try(lock.Exclusive, 0); err != nil {
		t.Fatal(err)
	}
	if err := a.SetHolder("build 7f3a of pid 12"); err != nil {
		t.Fatal(err)
	}
	if got := b.Holder(); got != "build 7f3a of pid 12" {
		t.Errorf("Holder = %q", got)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Millisecond, cause)
	defer cancel()
	err := b.Lock(ctx, lock.Exclusive, 0)
	if !errors.Is(err, cause) || !errors.Is(err, lock.ErrHeld) {
		t.Fatalf("Lock = %v, want the cause and ErrHeld", err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Lock(t.Context(), lock.Exclusive, 0) }()
	if err := a.Unlock(0); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := b.SetHolder("x"); err != nil {
		t.Fatal(err)
	}
	if got := a.Holder(); got != "x" {
		t.Errorf("Holder = %q, want the shorter text alone", got)
	}
}

// A child with the open file keeps the lock when the parent has closed it, and
// its end frees the lock however it ended.
func TestInheritedByChild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a := open(t, path)
	if err := a.Try(lock.Exclusive, 3); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	cmd.ExtraFiles = []*os.File{a.File()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b := open(t, path)
	if held, err := b.Held(lock.Shared, 3); err != nil || !held {
		t.Fatalf("Held while the child lives = %v, %v", held, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := b.Try(lock.Exclusive, 3); err != nil {
		t.Fatalf("after the child: %v", err)
	}
}

func TestReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stale := open(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, path)
	if err := fresh.Try(lock.Exclusive, 0); err != nil {
		t.Fatal(err)
	}
	if err := stale.Try(lock.Exclusive, 0); !errors.Is(err, lock.ErrHeld) {
		t.Fatalf("Try on the removed file = %v, want ErrHeld of the new one", err)
	}

	holder := open(t, path)
	if err := holder.Try(lock.Exclusive, 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := holder.Try(lock.Exclusive, 2); !errors.Is(err, lock.ErrReplaced) {
		t.Fatalf("Try while holding a byte of the removed file = %v", err)
	}
}
