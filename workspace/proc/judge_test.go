package proc

import (
	"strings"
	"testing"
)

// The quick look at a line must not miss what the forms know, nor find more.
func TestJudgeAgreesWithFindCause(t *testing.T) {
	errors := 0
	j := NewJudge()
	for _, f := range failures(t) {
		for _, line := range f.log {
			checkJudge(t, j, line)
			if j.Line([]byte(line)).IsError() {
				errors++
			}
		}
	}
	if errors < 50 {
		t.Errorf("only %d errors in all failures", errors)
	}
}

func checkJudge(t *testing.T, j *Judge, line string) {
	t.Helper()
	if len(line) > maxSuspectLine || strings.Contains(line, "Traceback") || strings.ContainsRune(line, '\x1b') {
		return
	}
	j.python = false
	got := j.Line([]byte(line))
	want := j.forms.weigh(strings.TrimSpace(visible(line))) >= consequence
	if got.IsError() != want {
		t.Errorf("%q: verdict %d, want an error: %v", line, got, want)
	}
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []Verdict
	}{
		{"installed x-1.0", []Verdict{Harmless}},
		{"\x1b[31merror:\x1b[0m no space", []Verdict{Certain}},
		{"10%\rerror: it broke\r", []Verdict{Certain}},
		{"Warning: old key", []Verdict{Warning}},
		{"dracut[W]: cannot do it", []Verdict{Warning}},
		{"10 errors\n0 errors\n20 errors\nmke2fs: 1\nmke3fs: 1", []Verdict{Likely, Suspect, Likely, Certain, Harmless}},
		{"ignored: 0 errors", []Verdict{Suspect}},
		{"make: *** [all] Error 2", []Verdict{Consequence}},
		{"tar: x", []Verdict{Certain}},
		{"/usr/bin/tar: x", []Verdict{Certain}},
		{"Traceback (most recent call last):\n  File \"x.py\", line 3, in f\n    f()\nOddity: x\nfine", []Verdict{Suspect, Suspect, Suspect, Certain, Harmless}},
		{strings.Repeat("x", 2000) + "error: far off", []Verdict{Harmless}},
	} {
		j := NewJudge()
		for i, line := range strings.Split(tt.text, "\n") {
			if got := j.Line([]byte(line)); got != tt.want[min(i, len(tt.want)-1)] {
				t.Errorf("%.60q: verdict %d, want %d", line, got, tt.want[min(i, len(tt.want)-1)])
			}
		}
	}
}

func FuzzJudge(f *testing.F) {
	for _, line := range []string{
		"gpg: keyblock resource '/x:1'", "xorriso : SORRY : 1:2", "write: Broken pipe", "/a/b.c:12: odd", "x: line 3: y", "make[1]: *** Error 1", "tar: 1",
	} {
		f.Add(line)
	}
	j := NewJudge()
	f.Fuzz(func(t *testing.T, line string) {
		for _, r := range line {
			if r >= 0x80 || r < ' ' {
				t.Skip("folds cases otherwise, or is cut differently")
			}
		}
		checkJudge(t, j, line)
	})
}

func BenchmarkJudge(b *testing.B) {
	j := NewJudge()
	line := []byte("udev-252.39-1~deb12u2.x86_64%posttrans: Creating group 'systemd-journal' with GID")
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		j.Line(line)
	}
	b.ReportMetric(float64(testing.AllocsPerRun(100, func() { j.Line(line) })), "allocs/line")
}

func BenchmarkJudgeSuspects(b *testing.B) {
	j := NewJudge()
	for _, text := range []string{"this was not needed at all by anybody here", "error: it broke", "Warning: the fs_type small is not defined in mke2fs.conf"} {
		b.Run(text[:5], func(b *testing.B) {
			line := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				clear(j.known)
				j.Line(line)
			}
		})
	}
}

func BenchmarkNewJudge(b *testing.B) {
	for b.Loop() {
		NewJudge()
	}
}
