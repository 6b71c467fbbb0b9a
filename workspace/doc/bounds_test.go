package doc

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cost is the processor time that this thread takes for work, which what else
// the machine does is not in, and the bytes that are allocated in it.
func cost(t *testing.T, work func()) (time.Duration, uint64) {
	t.Helper()
	var before, after runtime.MemStats
	var begin, end unix.Timespec
	runtime.ReadMemStats(&before)
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &begin)
	work()
	if err == nil {
		err = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &end)
	}
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return time.Duration(end.Nano() - begin.Nano()), after.TotalAlloc - before.TotalAlloc
}

// isLinear fails when 16 times as much takes 160 times as long or as much
// memory, or when a byte costs more than a KiB of it.
func isLinear(t *testing.T, name string, work func(n int)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const small, large = 2 << 10, 32 << 10
	took, room := [2]time.Duration{time.Hour, time.Hour}, [2]uint64{1 << 62, 1 << 62}
	for range 2 { // the better of two
		for i, n := range []int{small, large} {
			d, b := cost(t, func() { work(n) })
			took[i], room[i] = min(took[i], d), min(room[i], b)
		}
	}
	if took[1] > 160*max(took[0], 50*time.Microsecond) {
		t.Errorf("%s: %v for %d bytes, %v for %d", name, took[0], small, took[1], large)
	}
	if room[1] > 160*room[0]+large || room[1] > detector*large<<10 {
		t.Errorf("%s: %d bytes allocated for %d, %d for %d", name, room[0], small, room[1], large)
	}
}

// TestParsersAreLinear takes what is bad for a parser of YAML or JSON again
// and again.
func TestParsersAreLinear(t *testing.T) {
	for _, part := range []string{
		"a: b\n", "- a\n", "- &a\n", "[", "{", "{a: ", "[a, ", "? ", "- - ", "a:\n ", "#\n", "- #\n", " # a\n", "---\n", "\r", "\u2028#", "'", "\"", "\"\\x41", "!a ", "*a ",
		"- |\n  a\n", "- >\n\n  a\n", "- \"a\n\n  b\"\n", "a b ", "-\n", "<<: {}\n", "- ~\n", "%a\n", "\t", "a: b: c\n", "- |\n  cat <<EOF\n", "\x01", "ä",
	} {
		for _, in := range []string{"%s", "- %s"} {
			isLinear(t, fmt.Sprintf("YAML "+in, part), func(n int) {
				ParseYAML(Source{Name: "a.yaml"}, fmt.Appendf(nil, in, strings.Repeat(part, n/len(part))))
			})
		}
	}
	for _, part := range []string{"[", "{\"a\":", "1,", "\"a\",", "\"\\u00e9", "\"a\":1,", " ", "\n", "-1e9,", "é"} {
		for _, in := range []string{"%s", "[%s", "{%s", "[\"%s"} {
			isLinear(t, fmt.Sprintf("JSON "+in, part), func(n int) {
				ParseJSON(Source{Name: "a.json"}, fmt.Appendf(nil, in, strings.Repeat(part, n/len(part))))
			})
		}
	}
}

// TestReportsAreLinear: many keys, many names, many diagnostics, one long line.
func TestReportsAreLinear(t *testing.T) {
	isLinear(t, "different keys", func(n int) {
		var b strings.Builder
		for i := range n / 8 {
			fmt.Fprintf(&b, "%06x:\n", i)
		}
		ParseYAML(Source{Name: "a.yaml"}, []byte(b.String()))
	})
	isLinear(t, "Nearest of a long name", func(n int) { Nearest(strings.Repeat("a", n), []string{strings.Repeat("b", n), "c"}) })
	isLinear(t, "Nearest of many", func(n int) { Nearest("name", slicesOf("nmae", n/4)) })
	isLinear(t, "Sorted", func(n int) {
		var d Decoder
		for i := range n / 8 {
			d.Report(Origin{File: "a", Line: n - i, Column: 1}.Errorf("TF002", "x"))
		}
		d.Diagnostics.Sorted()
	})
	isLinear(t, "Excerpts of a long file", func(n int) {
		var ds Diagnostics
		for i := range n / 128 {
			ds = append(ds, Origin{File: "a", Line: i + 1, Column: 1}.Errorf("TF002", "x"))
		}
		Excerpts(ds, func(string) []byte { return []byte(strings.Repeat("- a\n", n/4)) })
	})
}

func slicesOf(text string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = text
	}
	return list
}

// TestLargestDocuments: whatever fills a file of the largest size, it costs no
// more than 100 times that.
func TestLargestDocuments(t *testing.T) {
	for _, part := range []string{
		"- #\n", "a:\n", "[", "1,", "\n", "\r", "? ", "- !a\n", "'\n",
	} {
		in := []byte(strings.Repeat(part, MaxBytes/len(part)))
		if _, room := cost(t, func() { ParseYAML(Source{Name: "a"}, in) }); room > detector*100*MaxBytes {
			t.Errorf("%q: %d MiB", part, room>>20)
		}
	}
}

// TestEnoughReports: of a million reports a thousand of each severity are kept,
// and what is left out is counted where it begins.
func TestEnoughReports(t *testing.T) {
	var d Decoder
	at := func(line int) Origin { return Origin{File: "a", Line: line} }
	_, room := cost(t, func() {
		for i := range 1_000_000 {
			d.Report(at(i).Warnf("TF002", "x"))
		}
	})
	if room > 1_000_000*600 {
		t.Errorf("%d MiB", room>>20)
	}
	if !d.Enough(Warning) || d.Enough(Error) {
		t.Error("Enough is wrong")
	}
	d.Report(at(5).Errorf("TF003", "an error behind all the warnings"))
	if len(d.Diagnostics) != MaxReported+2 || !d.Diagnostics.HasErrors() {
		t.Fatalf("%d diagnostics are left", len(d.Diagnostics))
	}
	want := "a:1000: warning[TF035]: and 999000 more warnings, the first of them here, are not shown"
	if got := d.Diagnostics[MaxReported].String(); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
}

// TestReadBytes: pipes and devices are never opened, and a file that grows
// without end is read to the bound.
func TestReadBytes(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBytes(dir + "/pipe"); err == nil || !strings.Contains(err.Error(), "a pipe") {
		t.Errorf("a pipe: %v", err)
	}
	// Its size is said to be 0, but it has text: like a file that grew after it was asked.
	if data, err := ReadBytes("/proc/self/status"); err != nil || len(data) == 0 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
