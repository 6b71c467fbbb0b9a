package machine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/workspace/event"
)

// A guest in a loop fills no disk, and the end of what is kept says so.
func TestEventsBounded(t *testing.T) {
	m := newMachine(t, t.TempDir(), 1, "")
	events, err := m.OpenEvents()
	if err != nil {
		t.Fatal(err)
	}
	for range maxEvents + 100 {
		events.Emit(event.Event{V: event.Version, Kind: event.Milestone, Step: "failed unit", Text: "x.service"})
	}
	if err := events.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(m.Dir, "events.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"v":1,"ki`) // as a kill leaves it
	_ = f.Close()
	list, err := ReadEvents(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != maxEvents || list[len(list)-1].Kind != event.Log || list[0].Step != "failed unit" {
		t.Errorf("%d events, the last %+v", len(list), list[len(list)-1])
	}
}
