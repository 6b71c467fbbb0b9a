package settings

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/renameio/v2"
)

// A change is seen however it is made: by events, and by looking where there are none.
func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration
	}{{"events", time.Hour}, {"looking", 10 * time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "nosa")
			path := filepath.Join(dir, "tui.yaml")
			if c.name == "events" {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			end := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			posted, ended := make(chan Changed), make(chan error, 1)
			go func() { ended <- watching{path, Stamp(path), c.every}.run(ctx, func(v any) { posted <- v.(Changed) }) }()
			await := func(what string, change func() error, fits func(Changed) bool) {
				t.Helper()
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for { // again until it is seen: the watch may not have begun, and a text may be seen half written
					if err := change(); err != nil {
						t.Fatal(err)
					}
					select {
					case got := <-posted:
						if fits(got) {
							return
						}
					case <-tick.C:
					case <-time.After(20 * time.Second):
						t.Fatalf("%s was not seen", what)
					}
				}
			}
			n := 0
			text := func(s string) []byte { // never the same twice
				n++
				return []byte(s + "\n#" + time.Duration(n).String() + "\n")
			}
			await("a file by renaming", func() error {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
				return renameio.WriteFile(path, text("ascii: true"), 0o644)
			}, func(c Changed) bool { return c.Settings.ASCII })
			await("a change in place", func() error { return os.WriteFile(path, text("mouse: false"), 0o644) },
				func(c Changed) bool { return !c.Settings.Mouse && !c.Settings.ASCII })
			await("a mistake", func() error { return os.WriteFile(path, text("mouse: [\nascii: true"), 0o644) },
				func(c Changed) bool { return c.Diags.HasErrors() && c.Settings.Mouse })
			await("the end of the file", func() error { return os.RemoveAll(path) },
				func(c Changed) bool { return c.Diags == nil && c.Settings.Mouse })
			cancel(end)
			if err := <-ended; !errors.Is(err, end) {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}
