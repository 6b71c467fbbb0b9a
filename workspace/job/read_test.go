package job

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

func TestReadEvents(t *testing.T) {
	name := filepath.Join(t.TempDir(), "events.jsonl")
	text := `{"v":1,"time":"2026-11-22T10:00:00Z","kind":"start","title":"build"}` + "\nno event\n\n" +
		`{"v":1,"time":"2026-11-22T10:00:01Z","kind":"step","step":"install","state":"skip","reason":"the same"}` + "\n{\"v\":1,\"ki"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := ReadEvents(name)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, string(e.Kind)+" "+e.Step+" "+string(e.State)+" "+e.Reason)
	}
	if diff := cmp.Diff([]string{string(event.Start) + "   ", "step install skip the same"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ReadEvents(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no journal was read")
	}
}
