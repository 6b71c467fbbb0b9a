//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/loop"
	"github.com/nestos/nosa/workspace/machine"
)

// roundWithin is how long a round may take: a boot under TCG on a busy host takes minutes.
const roundWithin = 15 * time.Minute

// rounds waits until nosa watch has had n rounds that count, and gives them.
func (n nosa) rounds(want int) []loop.Round {
	n.t.Helper()
	for end := time.Now().Add(roundWithin); ; time.Sleep(100 * time.Millisecond) {
		list, err := loop.Read(filepath.Join(n.dir, "tmp", "rounds.jsonl"))
		if err != nil {
			n.t.Fatal(err)
		}
		if len(list) >= want {
			return list
		}
		if time.Now().After(end) {
			n.t.Fatalf("%d rounds after %s, want %d", len(list), roundWithin, want)
		}
	}
}

// save writes a file of the config as an editor does: beside it, then in its place.
func (n nosa) save(name, text string) {
	n.t.Helper()
	name = filepath.Join(n.dir, "src", "config", name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		n.t.Fatal(err)
	}
	beside := filepath.Join(filepath.Dir(name), "4913")
	if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(beside, name); err != nil {
		n.t.Fatal(err)
	}
}

// partNames are the parts of a round, in their order.
func partNames(r loop.Round) string {
	var names []string
	for _, p := range r.Parts {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// The loop: everything is built and booted at once, then again after a save, in
// another machine in place of the first; Ctrl-C ends it with all that it started.
// What --once boots stays, is found again, and goes for the next.
func TestFullWatch(t *testing.T) {
	n := sample(t)
	cmd := n.command(t.Context(), "watch", "--boot")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	first := n.rounds(1)[0]
	n.save("overlay.d/10sample/etc/motd", "saved\n")
	second := n.rounds(2)[1]
	for i, r := range []loop.Round{first, second} {
		if r.Result != loop.Login || partNames(r) != "wait plan build image start boot" {
			t.Fatalf("round %d: %s\n%s", i+1, r, r.Error)
		}
		if r.BeforeGuest() <= 0 || r.BeforeGuest() >= r.Total() {
			t.Errorf("round %d: %s before the guest, of %s", i+1, r.BeforeGuest(), r.Total())
		}
	}
	if diff := cmp.Diff([]string{"src/config/overlay.d/10sample/etc/motd"}, second.Paths); diff != "" {
		t.Errorf("what was saved: %s", diff)
	}
	if first.Build == second.Build || second.Build != n.meta("latest").BuildID {
		t.Errorf("builds %s and %s", first.Build, second.Build)
	}
	live := n.live()
	if len(live) != 1 || string(live[0].ID) != second.VM || live[0].Build != second.Build {
		t.Errorf("%d machines run, want %s alone: %+v", len(live), second.VM, live)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C while it waits: %v", err)
	}
	if want := first.String() + "\n"; !strings.Contains(out.String(), want) || !strings.Contains(out.String(), second.String()) {
		t.Errorf("its output has no line %q:\n%s", want, out.String())
	}
	waitNothingLeft(t, n.dir)
	n.once(second.Build)
}

// once is the part about --once, whose machine stays though the command ends early.
func (n nosa) once(build string) {
	t := n.t
	t.Helper()
	left := n.bootOnce()
	live := n.live()
	if len(live) != 1 || string(live[0].ID) != left || live[0].Build != build {
		t.Fatalf("%d machines run, want %s with build %s", len(live), left, build)
	}
	if again := strings.TrimSpace(n.run(0, "watch", "--once", "--boot", "-q")); again != left {
		t.Errorf("it prints %q of what runs already, want %s", again, left)
	}
	n.save("overlay.d/10sample/etc/motd", "saved again\n")
	next := n.bootOnce()
	if live := n.live(); len(live) != 1 || string(live[0].ID) != next || next == left {
		t.Errorf("%d machines run, want %s in place of %s", len(live), next, left)
	}
	n.run(0, "stop", "--force")
}

func (n nosa) live() []machine.Entry {
	n.t.Helper()
	live, err := machine.Live(filepath.Join(n.dir, "tmp", "vms"))
	if err != nil {
		n.t.Fatal(err)
	}
	return live
}

// bootOnce runs nosa watch --once --boot --output json until it says which machine
// boots, and gives its ID.
func (n nosa) bootOnce() string {
	n.t.Helper()
	cmd := n.command(n.t.Context(), "watch", "--once", "--boot", "--output", "json")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	id := ""
	var last event.Event
	for lines := json.NewDecoder(pipe); ; {
		var e event.Event
		if lines.Decode(&e) != nil {
			break
		}
		last = e
		if e.Kind == event.Artifact && e.Step == "machine" {
			id = e.Text
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
	}
	if err := cmd.Wait(); id == "" || last.Kind != event.Round || cmd.ProcessState.ExitCode() != exitCancelled {
		n.t.Fatalf("machine %q, last event %+v, %v", id, last, err)
	}
	return id
}

// BenchmarkWatch measures what lies between a save and a machine's first instruction
// against a cold build with its image. An ext4 without a journal is slow to make files
// for minutes after many were deleted (it looks at each free inode's time), which the
// round has more of: there the ratio is higher by half.
func BenchmarkWatch(b *testing.B) {
	n := sample(b)
	round := func(b *testing.B) cost {
		b.Helper()
		before, _ := loop.Read(filepath.Join(n.dir, "tmp", "rounds.jsonl"))
		// The boot is not waited for: the machine is the hub's, whose time is not counted.
		took := measure(b, n.dir, func() { n.run(1, "watch", "--once", "--boot", "--timeout", "1ms") })
		r := n.rounds(len(before) + 1)[len(before)]
		b.Logf("%s", r)
		took.wall = r.BeforeGuest() + loop.Settle
		return took
	}
	cold := measure(b, n.dir, func() { n.run(0, "build", "--version", "12.1") })
	b.Run("save-to-guest/cold_build", func(b *testing.B) {
		n.save("overlay.d/10sample/etc/motd", "an edit to learn from\n")
		round(b)
		for b.Loop() {
			n.save("overlay.d/10sample/etc/motd", "an edit\n")
			report(b, round(b), cold, 0.25)
		}
	})
	b.Run("package-to-guest/cold_build", func(b *testing.B) {
		for b.Loop() {
			shell(b, n.dir, `sed -i 's/ jq gawk$/ gawk/' src/config/manifests/tools.yaml`)
			report(b, round(b), cold, 0)
		}
	})
	n.run(0, "stop", "--force")
}
