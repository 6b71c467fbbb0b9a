package sandbox

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/proc"
)

// BenchmarkTrace measures a shell's loop of short programs, which do little but look for and open
// files, traced against not traced. A larger program's ratio is much lower.
func BenchmarkTrace(b *testing.B) { b.Run("traced-forks/same_untraced", benchTrace) }

func benchTrace(b *testing.B) {
	if _, err := Probe(b.Context()); err != nil {
		b.Skip(err)
	}
	// What bubblewrap leaves behind becomes our child, so that its processor time is counted.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		b.Fatal(err)
	}
	s := traceTree(b, ProcNew)
	c := proc.Cmd{Args: []string{"sh", "-c", "i=0; while [ $i -lt 300 ]; do cat top sub/file >/dev/null; i=$((i+1)); done"}}
	var bare, traced cost
	for b.Loop() {
		bare.measure(b, func() error { return s.Run(b.Context(), c) })
		traced.measure(b, func() error { _, err := s.Trace(b.Context(), c); return err })
	}
	n := float64(b.N)
	b.ReportMetric(traced.wall.Seconds()/n, "s-wall")
	b.ReportMetric(bare.wall.Seconds()/n, "s-wall-base")
	b.ReportMetric(traced.wall.Seconds()/bare.wall.Seconds(), "x-wall")
	b.ReportMetric(traced.cpu.Seconds()/n, "s-cpu")
	b.ReportMetric(bare.cpu.Seconds()/n, "s-cpu-base")
	b.ReportMetric(traced.cpu.Seconds()/bare.cpu.Seconds(), "x-cpu")
}

// cost is what a piece of work took: by the clock, and on all processors by this process and
// what it has left behind.
type cost struct{ wall, cpu time.Duration }

func (c *cost) measure(b *testing.B, work func() error) {
	b.Helper()
	cpu, start := cpuTime(b), time.Now()
	if err := work(); err != nil {
		b.Fatal(err)
	}
	c.wall += time.Since(start)
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); errors.Is(err, syscall.ECHILD) {
			break
		}
	}
	c.cpu += cpuTime(b) - cpu
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
