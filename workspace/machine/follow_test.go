package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

// A follower sees every event of a journal that grows, in pieces too, and the end
// of the machine.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, t.TempDir(), 1, "")
		var got []string
		done := make(chan error, 1)
		go func() {
			done <- Follow(t.Context(), m.Dir, func(e event.Event) bool {
				got = append(got, e.Step)
				return true
			})
		}()
		write := func(text string) {
			f, err := os.OpenFile(filepath.Join(m.Dir, "events.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = f.WriteString(text)
			_ = f.Close()
			time.Sleep(4 * followEvery)
		}
		time.Sleep(4 * followEvery) // there is no journal yet
		write(`{"v":1,"kind":"milestone","step":"a"}` + "\n" + `{"v":1,"kind":"mile`)
		write(`stone","step":"b"}` + "\nno event\n")
		write(`{"v":1,"kind":"milestone","step":"c"}` + "\n")
		if err := m.End(time.Now(), "off"); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// It ends when it is told to, and with its context.
func TestFollowEnds(t *testing.T) {
	m := newMachine(t, t.TempDir(), 1, "")
	events, err := m.OpenEvents()
	if err != nil {
		t.Fatal(err)
	}
	events.Emit(event.Event{V: event.Version, Step: "a"})
	events.Emit(event.Event{V: event.Version, Step: "b"})
	_ = events.Close()
	n := 0
	if err := Follow(t.Context(), m.Dir, func(event.Event) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("%v after %d events", err, n)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	err = Follow(ctx, m.Dir, func(e event.Event) bool {
		if e.Step == "b" {
			cancel(enough)
		}
		return true
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v, want %v", err, enough)
	}
	if err := Follow(t.Context(), t.TempDir(), nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v of no machine", err)
	}
}
