package tui

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/settings"
)

// docs/keys.md is the table of actions.
func TestKeysAreDocumented(t *testing.T) {
	const file = "../docs/keys.md"
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 80, 24)
	got := settings.CheatSheet(d.table())
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not current (go test ./tui -run KeysAreDocumented -update):\n%s", file, diff)
	}
}
