//go:build e2e

package tuitest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// flood is a job of a workspace that prints without end.
type flood struct {
	job  *job.Job
	log  *os.File
	line int
}

// startFlood makes a running build.
func startFlood(t testing.TB, dir string) *flood {
	t.Helper()
	j, err := job.Create(filepath.Join(dir, "tmp", "jobs"), job.Info{
		Stage: "build", Argv: []string{"nosa", "build"}, Backend: "local", Host: "test", User: "test", Version: "test", Created: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &flood{job: j}
	t.Cleanup(func() { j.Close() })
	ev, err := json.Marshal(event.Event{V: event.Version, Time: time.Now().UTC(), Kind: event.Start, Step: "install", Text: "install packages"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.Dir, "events.jsonl"), append(ev, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if f.log, err = os.OpenFile(filepath.Join(j.Dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.log.Close() })
	return f
}

// print appends about so many bytes of lines.
func (f *flood) print(t testing.TB, size int) {
	t.Helper()
	var b bytes.Buffer
	for b.Len() < size {
		f.line++
		fmt.Fprintf(&b, "%s\tinstall\t%07d unpacking usr/share/doc/package-%d/README of a package with a long name\n", time.Now().UTC().Format(time.RFC3339Nano), f.line, f.line%977)
	}
	if _, err := f.log.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// run prints so many bytes a second until the context ends.
func (f *flood) run(ctx context.Context, t testing.TB, rate int) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				f.print(t, rate/20)
			}
		}
	})
	return wg.Wait
}

// forget takes the job away, and what the workbench remembers of it.
func (f *flood) forget(t testing.TB) {
	t.Helper()
	f.log.Close()
	f.job.Close()
	for _, path := range []string{f.job.Dir, filepath.Join(filepath.Dir(filepath.Dir(f.job.Dir)), "tui")} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

// manyBuilds fills a workspace with records of builds.
func manyBuilds(t testing.TB, dir string, n int) {
	t.Helper()
	type build struct {
		ID     string   `json:"id"`
		Arches []string `json:"arches"`
	}
	var list []build
	for i := range n {
		id := fmt.Sprintf("12.20261122.%d", n-1-i)
		list = append(list, build{id, []string{"x86_64"}})
		write(t, filepath.Join(dir, "builds", id, "x86_64", "meta.json"), map[string]any{
			"buildid": id, "name": "nosa-sample", "ostree-version": id, "ostree-commit": fmt.Sprintf("%064x", i), "ostree-timestamp": "2026-11-22T12:04:02Z",
			"images": map[string]any{"ostree": map[string]any{"path": "nosa-sample-" + id + "-ostree.x86_64.ociarchive", "sha256": fmt.Sprintf("%064x", i), "size": 200000000 + i}},
		})
	}
	write(t, filepath.Join(dir, "builds", "builds.json"), map[string]any{"schema-version": "1.0.0", "builds": list, "timestamp": "2026-11-22T12:04:02Z"})
}

func write(t testing.TB, path string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// follow shows the log of the youngest job.
func follow(tm *tuitest.Terminal) {
	tm.Await("1 running")
	tm.Press("tab g g")
	tm.Await("build · log")
}
