package vt

import (
	"io"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"

	"github.com/nestos/nosa/tui/canvas"
)

// BenchmarkBoot feeds a boot log in the pieces that a console is read in, and a part of it to x/vt alone, which
// is too slow for all of it. The aim is 20 MB a second.
func BenchmarkBoot(b *testing.B) {
	for _, c := range []struct {
		name  string
		piece int
	}{{"log-by-4-KiB/bare_emulator", 4 << 10}, {"log-by-32-KiB/bare_emulator", 32 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			data := bootLog(250_000)
			const part = 100 // of which x/vt gets one
			var ours, theirs spent
			for b.Loop() {
				s := New(Options{W: 120, H: 40})
				ours.add(func() { feedIn(s, data, c.piece) })
				e := vt.NewEmulator(120, 40)
				theirs.add(func() { feedIn(e, data[:len(data)/part], c.piece) })
			}
			n := float64(b.N)
			for unit, v := range map[string]float64{
				"s-wall": ours.wall / n, "s-wall-base": theirs.wall * part / n, "x-wall": ours.wall / theirs.wall / part,
				"s-cpu": ours.cpu / n, "s-cpu-base": theirs.cpu * part / n, "x-cpu": ours.cpu / theirs.cpu / part,
				"x-aim": 1.0 / 7, // alone x/vt has some 3 MB a second
				"MB/s":  float64(len(data)) * n / ours.wall / 1e6, "MB/s-cpu": float64(len(data)) * n / ours.cpu / 1e6, "ns/op": 0,
			} {
				b.ReportMetric(v, unit)
			}
		})
	}
}

// spent is time in seconds.
type spent struct{ wall, cpu float64 }

func (s *spent) add(do func()) {
	start, before := time.Now(), cpuSeconds()
	do()
	s.wall += time.Since(start).Seconds()
	s.cpu += cpuSeconds() - before
}

func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

func feedIn(w io.Writer, data []byte, piece int) {
	for p := range slices.Chunk(data, piece) {
		_, _ = w.Write(p)
	}
}

// A screenful is drawn without garbage.
func TestDrawAllocations(t *testing.T) {
	s := New(Options{W: 120, H: 40})
	s.Write(bootLog(100))
	s.Write([]byte("\x1b[2;3H日本語 \x1b[38;2;1;2;3mé┌─┐"))
	c := canvas.New(120, 40)
	_, top, _ := s.Bounds()
	if n := testing.AllocsPerRun(20, func() { s.Draw(c.Area(), top) }); n > 0 {
		t.Errorf("drawing allocates %v times", n)
	}
}

// 100,000 lines of a boot log take less than 150 bytes each.
func TestMemoryPerLine(t *testing.T) {
	data := bootLog(100_000)
	var before, after runtime.MemStats
	s := New(Options{W: 120, H: 40})
	runtime.GC()
	runtime.ReadMemStats(&before)
	s.Write(data)
	runtime.GC()
	runtime.ReadMemStats(&after)
	perLine := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / 100_000
	t.Logf("%d bytes a line, of text %d", perLine, len(data)/100_000)
	if perLine > 150 {
		t.Errorf("a line takes %d bytes", perLine)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(data)
}
