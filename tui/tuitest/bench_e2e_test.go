//go:build e2e

package tuitest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/tuitest"
)

// BenchmarkWorkbench measures what a person feels, against the least that is
// possible or against the same without load. The last part of a name is the baseline.
func BenchmarkWorkbench(b *testing.B) {
	dir := sample(b)
	manyBuilds(b, dir, 100)
	b.Run("first-frame/bare_Bubble_Tea", func(b *testing.B) {
		var ours, base time.Duration
		for b.Loop() {
			ours = median(7, func() time.Duration {
				start := time.Now()
				tm := launch(b, dir, 120, 40, "--screen", "builds")
				tm.Await("3 Builds")
				took := time.Since(start)
				tm.Ready()
				leave(tm)
				return took
			})
			base = median(7, func() time.Duration {
				start := time.Now()
				tm := tuitest.Start(b, tuitest.Command{Argv: []string{self(b)}, Env: []string{"NOSA_TUITEST_CHILD=bare"}, W: 120, H: 40})
				tm.Await("one line")
				took := time.Since(start)
				leave(tm)
				return took
			})
		}
		ratio(b, ours, base, 2)
	})
	for name, load := range map[string]func(context.Context, *testing.B, *flood) (wait func()){
		"key-to-frame/at_rest":            func(ctx context.Context, b *testing.B, f *flood) func() { return f.run(ctx, b, 20<<20) },
		"key-to-frame-busy-cores/at_rest": func(ctx context.Context, b *testing.B, _ *flood) func() { return burn(ctx, b) },
	} {
		b.Run(name, func(b *testing.B) {
			var rest, loaded []time.Duration
			for b.Loop() {
				rest = latenciesUnder(b, dir, func(context.Context, *testing.B, *flood) func() { return func() {} })
				loaded = latenciesUnder(b, dir, load)
			}
			ratio(b, percentile(loaded, 99), percentile(rest, 99), 2)
			b.ReportMetric(percentile(loaded, 50).Seconds()*1e3, "ms-p50")
			b.ReportMetric(percentile(loaded, 99).Seconds()*1e3, "ms-p99")
			b.ReportMetric(percentile(rest, 99).Seconds()*1e3, "ms-p99-rest")
		})
	}
	if ws := os.Getenv("NOSA_TEST_WORKSPACE"); ws != "" { // with a build: here it would take minutes to make one
		b.Run("key-to-frame-vm-boots/at_rest", func(b *testing.B) {
			var rest, loaded []time.Duration
			for b.Loop() {
				rest = latenciesUnder(b, ws, func(context.Context, *testing.B, *flood) func() { return func() {} })
				loaded = latenciesUnder(b, ws, func(ctx context.Context, b *testing.B, f *flood) func() {
					end := boot(b, ws)
					wait := f.run(ctx, b, 1<<20)
					return func() { wait(); end() }
				})
			}
			ratio(b, percentile(loaded, 99), percentile(rest, 99), 2)
			b.ReportMetric(percentile(loaded, 50).Seconds()*1e3, "ms-p50")
			b.ReportMetric(percentile(loaded, 99).Seconds()*1e3, "ms-p99")
			b.ReportMetric(percentile(rest, 99).Seconds()*1e3, "ms-p99-rest")
		})
	}
	b.Run("memory/no_log", func(b *testing.B) {
		var with, without int64
		for b.Loop() {
			without = resident(b, dir, 0)
			with = resident(b, dir, 1<<30)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(with)/(1<<20), "MiB-peak")
		b.ReportMetric(float64(without)/(1<<20), "MiB-peak-base")
		b.ReportMetric(120, "MiB-peak-aim")
	})
	b.Run("idle/nothing", func(b *testing.B) {
		var used time.Duration
		const watched = 20 * time.Second
		for b.Loop() {
			tm := workbench(b, dir, 120, 40)
			tm.Rest()
			before := cpuOf(b, tm.Pid)
			time.Sleep(watched)
			used = cpuOf(b, tm.Pid) - before
			leave(tm)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(100*used.Seconds()/watched.Seconds(), "percent-of-a-CPU")
		b.ReportMetric(0.5, "percent-of-a-CPU-aim")
	})
}

func leave(tm *tuitest.Terminal) {
	tm.Signal(os.Interrupt)
	tm.Wait()
}

// ratio reports wall times, as the other benchmarks do.
func ratio(b *testing.B, ours, base time.Duration, aim float64) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.Seconds(), "s-wall")
	b.ReportMetric(base.Seconds(), "s-wall-base")
	b.ReportMetric(ours.Seconds()/base.Seconds(), "x-wall")
	b.ReportMetric(aim, "x-aim")
}

func median(n int, measure func() time.Duration) time.Duration {
	var all []time.Duration
	for range n {
		all = append(all, measure())
	}
	return percentile(all, 50)
}

func percentile(all []time.Duration, p int) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)*p/100, len(all)-1)]
}

// latenciesUnder are latencies while the log of a running job is shown.
func latenciesUnder(b *testing.B, dir string, load func(context.Context, *testing.B, *flood) (wait func())) []time.Duration {
	b.Helper()
	f := startFlood(b, dir)
	defer f.forget(b)
	tm := workbench(b, dir, 120, 40, "--screen", "stages")
	defer leave(tm)
	follow(tm)
	ctx, stop := context.WithCancel(b.Context())
	wait := load(ctx, b, f)
	defer wait()
	defer stop()
	return latencies(tm, 300)
}

// boot starts a machine of a workspace, which boots for a minute or more; end pulls its plug.
func boot(b *testing.B, ws string) (end func()) {
	b.Helper()
	run := func(args ...string) string {
		out, err := exec.CommandContext(b.Context(), filepath.Join(bin(b), "nosa"), append([]string{"-C", ws}, args...)...).Output()
		if err != nil {
			b.Fatalf("nosa %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	id := run("run", "-d", "--cold")
	return func() { run("stop", "--force", id) }
}

// burn keeps all processors busy, as a build and a VM beside it do.
func burn(ctx context.Context, b *testing.B) (wait func()) {
	b.Helper()
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		cmd := exec.CommandContext(ctx, "sha256sum", "/dev/zero")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		wg.Go(func() { _ = cmd.Wait() })
	}
	return wg.Wait
}

// latencies are the times from a key to the frame that shows what it did: letters that are typed
// in the palette, above the log that is shown.
func latencies(tm *tuitest.Terminal, n int) []time.Duration {
	const most = 20 // letters
	tm.Send(":")
	tm.Await("Palette")
	var all []time.Duration
	for i := range n {
		key, line := "z", "> "+strings.Repeat("z", i%(2*most)+1)+" "
		if i%(2*most) >= most {
			key, line = "\x7f", "> "+strings.Repeat("z", 2*most-1-i%(2*most))+" "
		}
		start := time.Now()
		tm.Send(key)
		tm.Until(line, func() bool { return strings.Contains(tm.Text(), line) })
		all = append(all, time.Since(start))
		time.Sleep(7 * time.Millisecond) // people do not type in time with the frames
	}
	tm.Send("\x1b")
	return all
}

// resident is the most memory of a workbench that shows the log of a job of so many bytes
// to its end.
func resident(b *testing.B, dir string, log int) int64 {
	b.Helper()
	f := startFlood(b, dir)
	for written := 0; written < log; written += 16 << 20 {
		f.print(b, 16<<20)
	}
	f.print(b, 4096)
	tm := workbench(b, dir, 120, 40, "--screen", "stages")
	follow(tm)
	tm.UntilWithin(2*time.Minute, "the end of the log", func() bool { return strings.Contains(tm.Text(), fmt.Sprintf("%07d", f.line)) })
	tm.Press("tab tab j k")
	memory := tm.Memory()
	leave(tm)
	f.forget(b)
	return memory
}

// cpuOf is the processor time that a process has used (proc(5), fields 14 and 15, hundredths).
func cpuOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
