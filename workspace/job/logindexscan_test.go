package job

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func scanAll(t testing.TB, x *LogIndex, p LogPattern) LineSet {
	t.Helper()
	for s := NewLogScan(p); ; {
		more, err := x.Scan(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return s.Found()
		}
	}
}

func TestLogPatterns(t *testing.T) {
	x := opened(t, "2026-11-22T12:03:58Z\tfetch\tFetch One\n2026-11-22T12:03:58Z\tbuild\tone two\n2026-11-22T12:03:58Z\tbuild\tfetch 12:03\n"+
		"plain fetch\n2026-11-22T12:03:58Z\tbuild\tcol\x1b[31mour\x1b[0m\n2026-11-22T12:03:58Z\tbuild\tÄrger\nlast one", JobLog)
	readAll(t, x)
	re, err := RegexpPattern(`t\w+ o|^o`)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		p    LogPattern
		want []int
	}{
		"any case":            {LiteralPattern("fetch"), []int{0, 2, 3}},
		"with a capital":      {LiteralPattern("Fetch"), []int{0}},
		"not times and steps": {LiteralPattern("12:03"), []int{2}},
		"over colours":        {LiteralPattern("colour"), []int{4}},
		"beyond ASCII":        {LiteralPattern("ärger"), []int{5}},
		"regular":             {re, []int{0, 1}},
		"not":                 {LiteralPattern("o").Not(), []int{2, 3, 5}},
		"of a step":           {LiteralPattern("").Of("build"), []int{1, 2, 4, 5}},
		"in a step":           {LiteralPattern("fetch").Of("build"), []int{2}},
	} {
		if diff := cmp.Diff(tt.want, members(scanAll(t, x, tt.p))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, err := RegexpPattern("("); err == nil {
		t.Error("half an expression was taken")
	}
}

func TestLogAt(t *testing.T) {
	var b strings.Builder
	base := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i := range 2000 {
		fmt.Fprintf(&b, "%s\ts\t%d\n", base.Add(time.Duration(i/2)*time.Second).Format(time.RFC3339Nano), i)
	}
	x := opened(t, b.String(), JobLog)
	st := readAll(t, x)
	if !st.First.Equal(base) || len(st.Steps) != 1 || st.Steps[0] != (LogStep{"s", 2000}) {
		t.Errorf("first %v, steps %v", st.First, st.Steps)
	}
	for after, want := range map[time.Duration]int{-time.Hour: 0, 0: 0, 500 * time.Millisecond: 2, 256 * time.Second: 512, 999 * time.Second: 1998, time.Hour: -1} {
		if got, err := x.At(base.Add(after)); got != want || err != nil {
			t.Errorf("%s: line %d, %v, want %d", after, got, err, want)
		}
	}
	end, err := x.End(3)
	if err != nil || len(end) != 3 || end[2].Text != "1999" || end[2].Number != -1 {
		t.Errorf("the end: %v, %v", end, err)
	}
}

func TestFoldASCII(t *testing.T) {
	all := make([]byte, 256+7)
	for i := range all {
		all[i] = byte(i)
	}
	got := make([]byte, len(all))
	foldASCII(got, all)
	for i, b := range all {
		want := b
		if b >= 'A' && b <= 'Z' {
			want += 'a' - 'A'
		}
		if got[i] != want {
			t.Errorf("%#x became %#x", b, got[i])
		}
	}
}
