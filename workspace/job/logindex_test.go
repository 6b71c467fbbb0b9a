package job

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readAll(t testing.TB, x *LogIndex) LogState {
	t.Helper()
	for {
		more, err := x.Extend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return x.State()
		}
	}
}

func opened(t testing.TB, text string, form LogForm) *LogIndex {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x := OpenLog(name, form)
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func TestLogIndexLines(t *testing.T) {
	stamp := func(s int) string { return fmt.Sprintf("2026-11-22T12:03:%02d.5Z", s) }
	at := func(s int) time.Time { return time.Date(2026, 11, 22, 12, 3, s, 5e8, time.UTC) }
	long := strings.Repeat("x", 3<<20)
	for _, tt := range []struct {
		name, text string
		form       LogForm
		want       []LogLine
	}{
		{"nothing", "", JobLog, nil},
		{"job", stamp(1) + "\tinstall\ta\n" + stamp(2) + "\tcommit\tb\tc\n", JobLog, []LogLine{{Time: at(1), Step: "install", Text: "a"}, {Number: 1, Time: at(2), Step: "commit", Text: "b\tc"}}},
		{"torn", stamp(1) + "\tins\n" + stamp(2) + "\tinstall\tb\n", JobLog, []LogLine{{Text: stamp(1) + "\tins"}, {Number: 1, Time: at(2), Step: "install", Text: "b"}}},
		{"no end", "a\nb", PlainLog, []LogLine{{Text: "a"}, {Number: 1, Text: "b"}}},
		{"returns", "1%\r50%\r100%\r\nb\r\n\r\n", PlainLog, []LogLine{{Text: "100%"}, {Number: 1, Text: "b"}, {Number: 2}}},
		{"zeros and no UTF-8", "a\x00b\xff\nc\n", PlainLog, []LogLine{{Text: "a\x00b\xff"}, {Number: 1, Text: "c"}}},
		{"megabytes", "a\n" + long + "\nb\n", PlainLog, []LogLine{{Text: "a"}, {Number: 1, Text: long[:MaxLogText], Cut: len(long) - MaxLogText}, {Number: 2, Text: "b"}}},
		{"megabytes without an end", "a\n" + long, PlainLog, []LogLine{{Text: "a"}, {Number: 1, Text: long[:MaxLogText], Cut: len(long) - MaxLogText}}},
		{"megabytes of progress", strings.Repeat("50%\r", 1<<20) + "100%\nb\n", PlainLog, []LogLine{{Text: "100%"}, {Number: 1, Text: "b"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := opened(t, tt.text, tt.form)
			st := readAll(t, x)
			got, err := x.Lines(0, 100)
			if err != nil || st.Lines != len(tt.want) || st.Bytes != int64(len(tt.text)) {
				t.Errorf("%d lines, %d bytes, %v", st.Lines, st.Bytes, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%.2000s", diff)
			}
		})
	}
}

// A log may not be there yet, grow in the middle of a line, be cut off and be replaced.
func TestLogChanges(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	x := OpenLog(name, PlainLog)
	defer func() { _ = x.Close() }()
	search := NewLogScan(LiteralPattern("err"))
	look := func() string {
		t.Helper()
		st := readAll(t, x)
		lines, err := x.Lines(0, 10)
		if err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(lines))
		for i, l := range lines {
			texts[i] = l.Text
		}
		if _, err := x.Scan(t.Context(), search); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d exists=%v partial=%v %q errors=%v found=%v", st.Generation, st.Exists, st.Partial, texts, members(st.Errors), members(search.Found()))
	}
	add := func(text string) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(text string) {
		t.Helper()
		if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		do   func()
		want string
	}{
		{func() {}, `1 exists=false partial=false [] errors=[] found=[]`},
		{func() { add("a\nerr") }, `1 exists=true partial=true ["a" "err"] errors=[] found=[1]`},
		{func() { add("or: x") }, `1 exists=true partial=true ["a" "error: x"] errors=[1] found=[1]`},
		{func() { add("\nb\n") }, `1 exists=true partial=false ["a" "error: x" "b"] errors=[1] found=[1]`},
		{func() { _ = x.Close(); add("c\n") }, `1 exists=true partial=false ["a" "error: x" "b" "c"] errors=[1] found=[1]`},
		{func() { _ = os.Truncate(name, 2) }, `2 exists=true partial=false ["a"] errors=[] found=[]`},
		{func() { replace("error: y\nanother, longer one\n") }, `3 exists=true partial=false ["error: y" "another, longer one"] errors=[0] found=[0]`},
		{func() { _ = x.Close(); replace("a third, longer than all of the second\n") }, `4 exists=true partial=false ["a third, longer than all of the second"] errors=[] found=[]`},
		{func() { _ = os.Remove(name) }, `4 exists=true partial=false ["a third, longer than all of the second"] errors=[] found=[]`},
	} {
		tt.do()
		if diff := cmp.Diff(tt.want, look()); diff != "" {
			t.Error(diff)
		}
	}
}

// One extends, others read.
func TestLogTogether(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	x := OpenLog(name, PlainLog)
	defer x.Close()
	const lines = 20_000
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			s := NewLogScan(LiteralPattern("7"))
			for {
				st := x.State()
				from := max(st.Lines-100, 0)
				got, err := x.Lines(from, 50)
				if err != nil {
					t.Error(err)
				}
				for i, l := range got {
					if want := fmt.Sprint(from + i); !strings.HasPrefix(want, l.Text) {
						t.Errorf("line %d is %q", from+i, l.Text)
					}
				}
				if _, err := x.Scan(t.Context(), s); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range lines {
		text := fmt.Sprintf("%d\n", i)
		if _, err := file.WriteString(text[:1]); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			readAll(t, x)
		}
		if _, err := file.WriteString(text[1:]); err != nil {
			t.Fatal(err)
		}
	}
	if st := readAll(t, x); st.Lines != lines {
		t.Errorf("%d lines", st.Lines)
	}
	close(done)
	readers.Wait()
}
