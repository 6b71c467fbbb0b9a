package job

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// bigLog writes a log like a build's: mostly harmless lines, one in a hundred an error, a warning or suspect.
func bigLog(t testing.TB, lines int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var b bytes.Buffer
	for i := range lines {
		text := "udev-252.39-1.x86_64%posttrans: Creating group 'systemd-journal' with GID 999."
		switch i % 300 {
		case 100:
			text = "error: package " + fmt.Sprint(i) + " is broken"
		case 200:
			text = "Warning: something"
		case 299:
			text = "that was not needed"
		}
		fmt.Fprintf(&b, "2026-11-22T12:%02d:%02d.794404%03dZ\tinstall\t%s\n", i/60_000%60, i/1000%60, i%1000, text)
		if b.Len() > 1<<20 || i == lines-1 {
			if _, err := b.WriteTo(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	return name
}

// The memory of a log is a few bits a line.
func TestLogMemory(t *testing.T) {
	const lines = 1_000_000
	name := bigLog(t, lines)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	x := OpenLog(name, JobLog)
	defer x.Close()
	st := readAll(t, x)
	s := NewLogScan(LiteralPattern("journal"))
	for more := true; more; {
		var err error
		if more, err = x.Scan(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	grown := heap() - before
	t.Logf("%d lines, %d bytes: %d bytes of heap, %.2f a line", st.Lines, st.Bytes, grown, float64(grown)/lines)
	if st.Lines != lines || st.Errors.Count() != lines/300 || st.Warnings.Count() != lines/300 || s.Found().Count() != lines-3*(lines/300) {
		t.Errorf("%d lines, %d errors, %d warnings, %d found", st.Lines, st.Errors.Count(), st.Warnings.Count(), s.Found().Count())
	}
	if grown > 4<<20 {
		t.Errorf("a million lines take %d bytes", grown)
	}
	runtime.KeepAlive(x)
	runtime.KeepAlive(s)
}

func TestLogAllocs(t *testing.T) {
	const lines = 100_000
	x := OpenLog(bigLog(t, lines), JobLog)
	defer x.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	readAll(t, x)
	runtime.ReadMemStats(&after)
	if n := float64(after.Mallocs-before.Mallocs) / lines; n > 0.2 { // those of the suspicious lines
		t.Errorf("%.3f allocations a line", n)
	}
}

func BenchmarkLogExtend(b *testing.B) {
	name := bigLog(b, 500_000)
	for b.Loop() {
		x := OpenLog(name, JobLog)
		b.SetBytes(readAll(b, x).Bytes)
		_ = x.Close()
	}
}
