package builds_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/workspace"
)

var (
	record = flag.String("record", "", "record the builds of the workspace `DIR` anew")
	nosa   = flag.String("nosa", "nosa", "the nosa to record with")
)

// recorded is where the recorded workspace seems to be.
const recorded = "/ws"

// TestRecord writes what the screen gets of a real workspace: make testdata. Without
// -record it makes sure that the recording can be read.
func TestRecord(t *testing.T) {
	if *record == "" {
		if b := recordedBuilds(t); len(b.List) < 2 || b.List[0].Meta == nil {
			t.Errorf("the recording holds %d builds", len(b.List))
		}
		return
	}
	dir, err := filepath.Abs(*record)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := workspace.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var last feed.Builds
	feed.FollowBuilds(ctx, ws, func(e any) {
		if last = e.(feed.Builds); last.Reading == 0 {
			cancel()
		}
	})
	keep(t, "recorded.json", dir, last)
	from, to := last.List[len(last.List)-1].ID, last.List[0].ID
	for name, args := range map[string][]string{
		"recorded-diff.json":  {"diff", from, to, "--packages", "--files", "--kargs", "--image-config", "--config", "--sizes", "--size-details"},
		"recorded-prune.json": {"prune", "--dry-run", "--keep-last-n", "1"},
		"recorded-meta.json":  {"meta", "--dump", "--build", to},
	} {
		out, err := exec.CommandContext(t.Context(), *nosa, append([]string{"-C", dir, "--output", "json"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		var v json.RawMessage = out
		keep(t, name, dir, v)
	}
}

func keep(t *testing.T, name, dir string, v any) {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(append(data, '\n'), []byte(dir), []byte(recorded))
	if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func recordedBuilds(t testing.TB) feed.Builds {
	t.Helper()
	var b feed.Builds
	if err := json.Unmarshal(testdata(t, "recorded.json"), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fakeNosa is a nosa that answers with a file by the name of its command, and keeps what it was asked.
func fakeNosa(t testing.TB, answers map[string]string) (path, asked string) {
	t.Helper()
	dir := t.TempDir()
	asked = filepath.Join(dir, "asked")
	var b strings.Builder
	b.WriteString("#!/bin/sh\nprintf '%s\\n' \"$*\" >> " + asked + "\nfor word; do case $word in\n")
	for command, file := range answers {
		path, err := filepath.Abs(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(command + ") cat " + path + "; exit 0;;\n")
	}
	b.WriteString("delete|undelete|tag) exit 0;;\nbroken) echo '{\"v\":1,\"kind\":\"fail\",\"text\":\"it is in use\",\"hint\":\"wait\"}'; exit 11;;\nesac; done\nexit 2\n")
	path = filepath.Join(dir, "nosa")
	if err := os.WriteFile(path, []byte(b.String()), 0o755); err != nil {
		t.Fatal(err)
	}
	return path, asked
}
