package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
)

func TestSession(t *testing.T) {
	ws := &workspace.Workspace{Dir: t.TempDir()}
	if diff := cmp.Diff(Session{}, LoadSession(ws)); diff != "" {
		t.Errorf("without a file: %s", diff)
	}
	s := Session{V: 1, Screen: screen.Builds, Screens: map[screen.Name]json.RawMessage{screen.Source: json.RawMessage(`{"file":"a"}`)}, Palette: []string{"tag"}}
	if err := s.Save(ws); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, LoadSession(ws)); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(ws.Dir, "tmp", "tui", "state.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode: %v %v", info.Mode(), err)
	}
	for name, text := range map[string]string{"broken": `{"v":1,"screen":`, "another version": `{"v":2,"screen":"builds"}`, "not an object": `[]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Session{}, LoadSession(ws)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s: loading has changed it: %s %v", name, got, err)
		}
	}
	if os.Getuid() == 0 {
		if err := s.Save(ws); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 1234, 1234); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Session{}, LoadSession(ws)); diff != "" {
			t.Errorf("somebody else's: %s", diff)
		}
	}
	if err := s.Save(ws); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, LoadSession(ws)); diff != "" {
		t.Errorf("saved over it: %s", diff)
	}
}

func TestHistory(t *testing.T) {
	ws := &workspace.Workspace{Dir: t.TempDir()}
	if list, err := ReadHistory(ws); list != nil || err != nil {
		t.Errorf("without a file: %v %v", list, err)
	}
	at := time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)
	add := func(e Entry) {
		t.Helper()
		if err := AppendHistory(ws, e); err != nil {
			t.Fatal(err)
		}
	}
	add(Entry{Time: at, Argv: []string{"nosa", "build"}, User: "u", Job: "j1", Code: Unended})
	path := filepath.Join(ws.Dir, "tmp", "tui", "history.jsonl")
	if err := appendFile(path, []byte("{\"time\":")); err != nil { // of one that was killed
		t.Fatal(err)
	}
	add(Entry{Time: at, Argv: []string{"vi", "a b"}, Dir: "/d", User: "u"})
	add(Entry{Time: at, Argv: []string{"nosa", "build"}, User: "u", Job: "j1", Code: 3})
	want := []Entry{{Time: at, Argv: []string{"nosa", "build"}, User: "u", Job: "j1", Code: 3}, {Time: at, Argv: []string{"vi", "a b"}, Dir: "/d", User: "u"}}
	got, err := ReadHistory(ws)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for i := range 1200 {
		add(Entry{Time: at, Argv: []string{"nosa", fmt.Sprint(i)}, User: "u"})
		if i%100 == 0 {
			data, err := os.ReadFile(path)
			if n := strings.Count(string(data), "\n"); n > maxHistory || err != nil {
				t.Fatalf("%d lines: %v", n, err)
			}
		}
	}
	got, err = ReadHistory(ws)
	if err != nil || len(got) < keepHistory || got[len(got)-1].Argv[1] != "1199" || got[len(got)-keepHistory].Argv[1] != fmt.Sprint(1200-keepHistory) {
		t.Errorf("%d entries, %v", len(got), err)
	}
}
