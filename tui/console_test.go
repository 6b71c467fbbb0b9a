package tui

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/machine"
)

// A boot that goes wrong while another screen is shown marks the Console's name in the header until it was seen.
func TestFailureMarksTheHeader(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 120, 40)
	d.keys("1")
	m := feed.Machine{Entry: machine.Entry{Info: machine.Info{ID: "20261122T120000Z-7e57", State: machine.Running, Created: d.clock}, Dir: t.TempDir()}}
	d.send(posted{feed.Machines{List: []feed.Machine{m}}})
	d.wantNot("Console ✗")
	m.Phase, m.Failure = feed.PhaseFailed, &milestone.Milestone{Kind: milestone.Panic, Line: "Kernel panic"}
	d.send(posted{feed.Machines{List: []feed.Machine{m}}})
	d.want("4 Console ✗", "panic: Kernel panic")
	d.keys("4")
	d.wantNot("Console ✗")
	d.keys("1")
	d.wantNot("Console ✗")
}

// A start is a process of its own that has no job: its answer comes as it is, its failure in words.
func TestStartWithoutAJob(t *testing.T) {
	dir := t.TempDir()
	fake := filepath.Join(dir, "nosa")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho '{\"v\":1,\"kind\":\"log\",\"text\":\"preparing\"}' >&2\necho '{\"v\":1,\"id\":\"x-1\"}'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := newCommands(fake, dir, "ann")
	defer c.waiting.Wait()
	started := c.start(t.Context(), screen.Start{Args: []string{"run", "-d"}})
	if started.Err != nil || started.Text != "preparing\n{\"v\":1,\"id\":\"x-1\"}" {
		t.Errorf("%q, %v", started.Text, started.Err)
	}
}
