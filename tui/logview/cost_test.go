package logview

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/bubbles/viewport"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/workspace/job"
)

// ofLines is a rig with a log of so many lines, read.
func ofLines(t testing.TB, n int) *rig {
	t.Helper()
	r := newRig(t, 200, 60, Options{})
	line := []byte(jobLog(0, 50))
	f, err := os.Create(r.file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range n / 50 {
		if _, err := f.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	return r
}

// A frame costs what it shows, however long the log is.
func TestDrawCost(t *testing.T) {
	small, big := ofLines(t, 1000), ofLines(t, 1_000_000)
	for _, tt := range []struct {
		name string
		do   func(*rig)
	}{
		{"follow", func(*rig) {}},
		{"cursor", func(r *rig) { r.keys("pgup") }},
		{"search", func(r *rig) {
			if err := r.v.Find("package"); err != nil {
				t.Fatal(err)
			}
			r.settle()
		}},
		{"wrap", func(r *rig) { r.keys("w") }},
		{"filter", func(r *rig) {
			if err := r.v.Keep("broken"); err != nil {
				t.Fatal(err)
			}
			r.settle()
		}},
	} {
		tt.do(small)
		tt.do(big)
		of := func(r *rig) float64 {
			a := r.c.Area().Sub(canvas.Rect{X: 1, Y: 1, W: 198, H: 58})
			return testing.AllocsPerRun(50, func() { r.v.Draw(a, r.th, true) })
		}
		a, b := of(small), of(big)
		t.Logf("%s: %.0f allocations a frame at 1,000 lines, %.0f at 1,000,000", tt.name, a, b)
		if words := testing.AllocsPerRun(50, func() { big.v.Bar(big.th); big.v.Note(big.th) }); words > 50 {
			t.Errorf("%s: %.0f allocations for what the frame says", tt.name, words)
		}
		if b > 100 || b > 1.3*a {
			t.Errorf("%s: %.0f allocations a frame at 1,000 lines, %.0f at 1,000,000", tt.name, a, b)
		}
	}
}

// The least of some runs: what else goes on here does not count.
func fastest(n int, do func()) time.Duration {
	least := time.Duration(1<<63 - 1)
	for range n {
		start := time.Now()
		do()
		least = min(least, time.Since(start))
	}
	return least
}

// A frame at a million lines takes as long as at a thousand.
func TestDrawTime(t *testing.T) {
	small, big := ofLines(t, 1000), ofLines(t, 1_000_000)
	frame := func(r *rig) time.Duration {
		return fastest(200, func() { r.draw() })
	}
	ratio := 0.0
	for range 5 {
		a, b := frame(small), frame(big)
		ratio = float64(b) / float64(a)
		t.Logf("%v at 1,000 lines, %v at 1,000,000: %.2f", a, b, ratio)
		if ratio <= 1.3 {
			return
		}
	}
	t.Errorf("a frame takes %.2f times as long at 1,000,000 lines", ratio)
}

// What a view of a million lines keeps in memory, search and filter included.
func TestViewMemory(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	r := ofLines(t, 1_000_000)
	if err := r.v.Find("package"); err != nil {
		t.Fatal(err)
	}
	if err := r.v.Keep("0"); err != nil {
		t.Fatal(err)
	}
	r.settle()
	grown := heap() - before
	t.Logf("%.2f bytes a line", float64(grown)/1e6)
	if grown > 16<<20 {
		t.Errorf("a million lines take %d bytes", grown)
	}
	runtime.KeepAlive(r)
}

// BenchmarkIngest gives the times as ratios: indexing a log against reading it as wc -l does, and against giving
// its lines to bubbles' viewport; searching it against bytes.Index over the same bytes in memory.
func BenchmarkIngest(b *testing.B) {
	r := newRig(b, 200, 60, Options{})
	line := []byte(strings.Repeat(jobLog(8, 6), 20) + jobLog(0, 10))
	line = bytes.ReplaceAll(line, []byte("Warning:"), []byte("Fetched"))
	line = append(line, jobLog(4, 1)...)
	data := bytes.Repeat(line, 64<<20/len(line))
	if err := os.WriteFile(r.file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	lines := bytes.Count(data, []byte("\n"))
	index := func(do func(*job.LogIndex) bool) func() {
		return func() {
			x := job.OpenLog(filepath.Clean(r.file), job.JobLog)
			defer x.Close()
			for do(x) {
				continue
			}
		}
	}
	extend := func(x *job.LogIndex) bool {
		more, err := x.Extend(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		return more
	}
	read := index(extend)
	x := job.OpenLog(r.file, job.JobLog)
	defer x.Close()
	for extend(x) {
		continue
	}
	search := func(p job.LogPattern) func() {
		return func() {
			for s, more := job.NewLogScan(p), true; more; {
				var err error
				if more, err = x.Scan(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	re, err := job.RegexpPattern(`nowhere-\d+`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		wc := fastest(3, func() { countLines(b, r.file) })
		ingest := fastest(3, read)
		memory := fastest(3, func() { bytes.Index(data, []byte("nowhere")) })
		b.ReportMetric(float64(len(data))/1e6/ingest.Seconds(), "ingest-MB/s")
		b.ReportMetric(float64(ingest)/float64(wc), "ingest/wc")
		b.ReportMetric(float64(fastest(3, search(job.LiteralPattern("Nowhere"))))/float64(memory), "search/Index")
		b.ReportMetric(float64(fastest(3, search(job.LiteralPattern("nowhere"))))/float64(memory), "anycase/Index")
		b.ReportMetric(float64(fastest(1, search(re)))/float64(memory), "regexp/Index")
		text := string(data)
		v := viewport.New(200, 60)
		b.ReportMetric(float64(fastest(1, func() { v.SetContent(text) }))/float64(ingest), "viewport/ingest")
		b.ReportMetric(float64(lines), "lines")
	}
}

func countLines(t testing.TB, name string) int {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf, n := make([]byte, 256<<10), 0
	for {
		k, err := f.Read(buf)
		n += bytes.Count(buf[:k], []byte("\n"))
		if err != nil {
			return n
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := ofLines(b, n)
			b.ReportAllocs()
			for b.Loop() {
				r.draw()
			}
		})
	}
	b.Run("viewport", func(b *testing.B) {
		v := viewport.New(198, 58)
		v.SetContent(strings.Repeat(jobLog(0, 50), 200))
		v.GotoBottom()
		b.ReportAllocs()
		for b.Loop() {
			_ = v.View()
		}
	})
}
