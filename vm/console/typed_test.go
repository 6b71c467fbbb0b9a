package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lastTyped waits until an event says that the viewer typed last.
func lastTyped(t *testing.T, c *Client, id int) {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case data := <-c.Events():
			var e ViewersEvent
			if err := json.Unmarshal(data, &e); err != nil {
				t.Fatal(err)
			}
			var last Viewer
			for _, v := range e.Viewers {
				if v.Typed.After(last.Typed) {
					last = v
				}
			}
			if last.ID == id {
				return
			}
		case <-ctx.Done():
			t.Fatalf("nobody says that viewer %d typed", id)
		}
	}
}

// Everybody learns who types, and who has taken the keyboard before a key.
func TestTyped(t *testing.T) {
	dir, _ := start(t, &Server{Ring: &Ring{}, Input: io.Discard})
	one, two := look(t, dir, "one", 0), look(t, dir, "two", 0)
	if _, err := one.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	lastTyped(t, one, one.ID())
	lastTyped(t, two, one.ID())
	if err := two.Claim(); err != nil {
		t.Fatal(err)
	}
	lastTyped(t, one, two.ID())
	lastTyped(t, two, two.ID())
}

// The end of a log is read over all of its files.
func TestLogTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	if _, _, err := LogTail(path, 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: %v", err)
	}
	log, err := OpenLog(path, LogOptions{Head: 50, Tail: 200})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		fmt.Fprintf(log, "line %02d\n", i)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	whole := slurp(t, path) + slurp(t, path+olderSuffix) + slurp(t, path+tailSuffix)
	for _, n := range []int{0, 1, 20, 150, len(whole), len(whole) + 1} {
		got, before, err := LogTail(path, int64(n))
		if err != nil {
			t.Fatal(err)
		}
		want := whole[max(len(whole)-n, 0):]
		if diff := cmp.Diff(want, string(got)); diff != "" || int(before) != len(whole)-len(want) {
			t.Errorf("the last %d: %d before it; %s", n, before, diff)
		}
	}
	if !strings.HasSuffix(whole, "line 29\n") {
		t.Errorf("the log ends %q", whole)
	}
}
