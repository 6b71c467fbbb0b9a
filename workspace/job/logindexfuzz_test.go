package job

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/proc"
)

func FuzzLogIndex(f *testing.F) {
	f.Add([]byte("a\n2026-11-22T12:03:58Z\tstep\terror: x\n\r\n50%\r100%\nend"), uint64(3), true)
	f.Add([]byte("Traceback (most recent call last):\n  x\nBad: y\nwarning: z\n"), uint64(1), false)
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, jobLog bool) {
		form := PlainLog
		if jobLog {
			form = JobLog
		}
		r := rand.New(rand.NewPCG(seed, 0))
		if len(data) > 0 && r.IntN(4) == 0 { // so that there are many marks
			data = bytes.Repeat(data, 1+r.IntN(80_000)/len(data))
		}
		name := filepath.Join(t.TempDir(), "log")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		x := OpenLog(name, form)
		defer x.Close()
		re, err := RegexpPattern(`(er|ba)+(ror|d)|\w+Y$`)
		if err != nil {
			t.Fatal(err)
		}
		regular := NewLogScan(re)
		search, other := NewLogScan(LiteralPattern("e")), NewLogScan(LiteralPattern("E").Not())
		for rest := data; ; {
			n := len(rest)
			if n > 0 {
				n = min(1+r.IntN(n), n)
			}
			if _, err := file.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			if len(rest) == 0 || len(data) < 4<<10 {
				checkIndex(t, x, data[:len(data)-len(rest)], []*LogScan{search, other, regular})
			}
			if len(rest) == 0 {
				return
			}
			readAll(t, x)
		}
	})
}

// checkIndex compares an index with what reading the text line by line gives.
func checkIndex(t *testing.T, x *LogIndex, data []byte, scans []*LogScan) {
	t.Helper()
	st := readAll(t, x)
	var want []LogLine
	var errs, warns []int
	judge := x.judge
	if len(data) > 0 {
		judge = proc.NewJudge()
	}
	found := make([][]int, len(scans))
	var fold []byte
	for raw := range bytes.Lines(data) {
		raw = bytes.TrimSuffix(raw, []byte("\n"))
		n := len(want)
		want = append(want, x.line(n, raw, 0))
		_, step, text := splitLine(raw, x.form)
		switch v := judge.Line(text); {
		case v.IsError():
			errs = append(errs, n)
		case v == proc.Warning:
			warns = append(warns, n)
		}
		for i, s := range scans {
			want := s.pattern
			want.need = nil
			if want.wants(step, text, &fold) {
				found[i] = append(found[i], n)
			}
		}
	}
	if st.Lines != len(want) || st.Bytes != int64(len(data)) {
		t.Fatalf("%d lines, %d bytes, want %d, %d", st.Lines, st.Bytes, len(want), len(data))
	}
	got, err := x.Lines(0, len(want)+1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("line %d of %d: %+v", i, len(got), want[i])
		}
	}
	if n := len(want); n > 0 {
		part, err := x.Lines(n/2, 3)
		if err != nil || len(part) != min(3, n-n/2) || part[0] != want[n/2] {
			t.Fatalf("from line %d: %+v, %v", n/2, part, err)
		}
	}
	if diff := cmp.Diff([][]int{errs, warns}, [][]int{members(st.Errors), members(st.Warnings)}); diff != "" {
		t.Fatal(diff)
	}
	for i, s := range scans {
		for more := true; more; {
			if more, err = x.Scan(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(found[i], members(s.Found())); diff != "" {
			t.Fatalf("%q: %s", s.pattern.text, diff)
		}
	}
}
