//go:build e2e

package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/vm/console"
)

// What the guest prints: 30 to 40 s at the 130 to 170 kB/s of an emulated serial port.
const (
	vmPrints = 5_000_000 // bytes
	vmTurns  = 3         // with the pane open; one more without
	bootMost = 15 * time.Minute
)

// BenchmarkMachine is what a guest feels of being looked at: a machine of the workspace NOSA_TEST_WORKSPACE, else of
// one that is built, prints a text to its serial port and takes the time by its own clock, without the workbench and
// with its console in the pane, in turns.
func BenchmarkMachine(b *testing.B) {
	b.Run("vm-rate/pane_closed", func(b *testing.B) {
		g := bootGuest(b)
		var open, closed, cpu []float64
		for b.Loop() {
			closed = append(closed, g.print(b))
			for range vmTurns {
				pid, leave := discardGuest(b, g.hub)
				before := ranFor(b, pid)
				open = append(open, g.print(b))
				cpu = append(cpu, (ranFor(b, pid)-before).Seconds()*1e3/(vmPrints/float64(1<<20)))
				leave()
				closed = append(closed, g.print(b))
			}
		}
		b.Logf("kB/s closed %.1f, open %.1f", closed, open)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(mean(open), "kB/s")
		b.ReportMetric(mean(closed), "kB/s-base")
		b.ReportMetric(mean(open)/mean(closed), "of-the-rate")
		b.ReportMetric(0.98, "of-the-rate-aim")
		b.ReportMetric(mean(cpu), "ms-CPU/MiB")
	})
}

func mean(all []float64) (m float64) {
	for _, x := range all {
		m += x / float64(len(all))
	}
	return m
}

// vmGuest is a machine at a prompt.
type vmGuest struct {
	hub  *hub
	line *console.Client
	at   int64 // what of its output was looked at
}

// bootGuest starts a machine and has its text ready.
func bootGuest(b *testing.B) *vmGuest {
	b.Helper()
	ws := os.Getenv("NOSA_TEST_WORKSPACE")
	if ws == "" {
		ws = filepath.Join(b.TempDir(), "work")
		for _, args := range [][]string{{"init", "--sample"}, {"pool", "create"}, {"fetch"}, {"build"}} {
			inWorkspace(b, ws, args...)
		}
	}
	id := strings.TrimSpace(inWorkspace(b, ws, "run", "-d"))
	b.Cleanup(func() {
		_ = nosaCommand(context.Background(), b, ws, "stop", "--force", id).Run() // it may have ended
	})
	dir := filepath.Join(ws, "tmp", "vms", id)
	g := &vmGuest{hub: &hub{ws: emptyWorkspace(b), dir: dir}}
	for end := time.Now().Add(bootMost); ; time.Sleep(time.Second) {
		if reached(b, ws, id) == "login" {
			break
		}
		if time.Now().After(end) {
			b.Fatal("the machine does not come to its prompt")
		}
	}
	var err error
	if g.line, err = console.Dial(b.Context(), dir, "bench", 0); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = g.line.Close() })
	g.at = g.line.Ring().End()
	g.do(b, fmt.Sprintf(`stty -echo; seq -f '[ %%.0f.123456] systemd[1]: Started a unit of a long boot.' 1 60000 | head -c %d >/tmp/text; echo ready=$(stat -c %%s /tmp/text)`, vmPrints), `ready=(\d+)`)
	return g
}

// reached is the last milestone of a machine.
func reached(b *testing.B, ws, id string) string {
	b.Helper()
	for line := range strings.Lines(inWorkspace(b, ws, "vms", "--output", "json")) {
		var m struct{ ID, Reached string }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			b.Fatal(err)
		}
		if m.ID == id {
			return m.Reached
		}
	}
	b.Fatalf("the machine %s has ended", id)
	return ""
}

// print has the guest print its text, and gives its rate in kB/s of the text by the guest's clock.
func (g *vmGuest) print(b *testing.B) float64 {
	b.Helper()
	ns := g.do(b, `s=$(date +%s%N); cat /tmp/text; e=$(date +%s%N); echo; echo took=$((e-s)).`, `took=(\d+)\.`)
	return vmPrints / 1e3 / (float64(ns) / 1e9)
}

// do types a command and gives the number that it says.
func (g *vmGuest) do(b *testing.B, command, says string) int64 {
	b.Helper()
	if _, err := io.WriteString(g.line, command+"\r"); err != nil {
		b.Fatal(err)
	}
	want := regexp.MustCompile(says)
	ctx, stop := context.WithTimeout(b.Context(), 10*time.Minute)
	defer stop()
	for tail := []byte(nil); ; {
		data, next, _, err := g.line.Ring().Read(ctx, g.at)
		if err != nil {
			b.Fatalf("%s: %v; last was %q", command, err, tail)
		}
		g.at = next
		tail = append(slices.Clone(tail[max(len(tail)-256, 0):]), data...)
		if found := want.FindSubmatch(tail); found != nil {
			n, err := strconv.ParseInt(string(found[1]), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
}

func nosaCommand(ctx context.Context, b *testing.B, ws string, args ...string) *exec.Cmd {
	b.Helper()
	path, err := buildNosa()
	if err != nil {
		b.Fatal(err)
	}
	return exec.CommandContext(ctx, path, append([]string{"-C", ws}, args...)...)
}

// inWorkspace runs nosa and gives what it printed.
func inWorkspace(b *testing.B, ws string, args ...string) string {
	b.Helper()
	cmd := nosaCommand(b.Context(), b, ws, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("nosa %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// ranFor is how long the threads of a process have run (proc_pid_schedstat).
func ranFor(b *testing.B, pid int) time.Duration {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		b.Fatalf("no threads of %d: %v", pid, err)
	}
	var sum time.Duration
	for _, name := range threads {
		var ns int64
		if text, err := os.ReadFile(name); err == nil { // else it has just ended
			_, _ = fmt.Sscan(string(text), &ns)
		}
		sum += time.Duration(ns)
	}
	return sum
}
