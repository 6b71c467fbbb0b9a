package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
)

// A snapshot goes only for what is its own fault.
func TestReject(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		stays bool
	}{
		{"QEMU does not take it", fmt.Errorf("starting: %w", vm.ErrState), false},
		{"its guest cannot renew", unfitGuest{errors.New("no entropy")}, false},
		{"its guest panics", &guest.BootError{Trouble: guest.Panic}, false},
		{"a slow host", &guest.BootError{Trouble: guest.Timeout}, true},
		{"no memory", errors.New("cannot allocate memory"), true},
	} {
		s, o, key := workshop(t)
		mustMake(t, s, o)
		snap, err := s.Find(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if got := snap.Reject(t.Context(), tc.err); !errors.Is(got, ErrNone) || !errors.Is(got, tc.err) {
			t.Errorf("%s: %v", tc.name, got)
		}
		if found := usable(t, s, key) == nil; found != tc.stays {
			t.Errorf("%s: stays: %v, want %v", tc.name, found, tc.stays)
		}
	}
}

// Ctrl-C is no reason to boot instead, nor to remove anything.
func TestRejectCancelled(t *testing.T) {
	s, o, key := workshop(t)
	mustMake(t, s, o)
	snap, err := s.Find(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if got := snap.Reject(ctx, vm.ErrState); !errors.Is(got, cause) || errors.Is(got, ErrNone) {
		t.Errorf("%v, want %v alone", got, cause)
	}
	if err := usable(t, s, key); err != nil {
		t.Error(err)
	}
}

// Where QEMU does not even start, Fork says to boot, keeps the snapshot and
// leaves nothing.
func TestForkFails(t *testing.T) {
	s, o, key := workshop(t)
	mustMake(t, s, o)
	bin, work := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte("#!/bin/sh\necho 'no memory' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if _, err := s.Fork(t.Context(), key, ForkOptions{Spec: o.Spec, Start: vm.StartOptions{Dir: work}}); !errors.Is(err, ErrNone) {
		t.Errorf("%v, want %v", err, ErrNone)
	}
	if err := usable(t, s, key); err != nil {
		t.Error(err)
	}
	if left := names(t, work); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
