package console

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestFilter(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"text", "Grüße, 世界 👍\r\n\ttab\b\a", "Grüße, 世界 👍\r\n\ttab\b\a"},
		{"colours", "\x1b[1;38;2;1;2;3mx\x1b[4:3m\x1b[m", "\x1b[1;38;2;1;2;3mx\x1b[4:3m\x1b[m"},
		{"cursor", "\x1b[H\x1b[2;3f\x1b[5A\x1b[s\x1b[u\x1b7\x1b8\x1bM", "\x1b[H\x1b[2;3f\x1b[5A\x1b[s\x1b[u\x1b7\x1b8\x1bM"},
		{"erase", "\x1b[J\x1b[2J\x1b[1K\x1b[3P\x1b[2@\x1b[4X", "\x1b[J\x1b[2J\x1b[1K\x1b[3P\x1b[2@\x1b[4X"},
		{"the terminal's scrollback", "a\x1b[3Jb", "ab"},
		{"screen of whiptail", "\x1b[?1049h\x1b[1;24r\x1b(0lqk\x1b(B\x1b[?1049l", "\x1b[?1049h\x1b[1;24r\x1b(0lqk\x1b(B\x1b[?1049l"},
		{"modes of readline", "\x1b[?2004h$ \x1b[?2004l", "\x1b[?2004h$ \x1b[?2004l"},
		{"some modes of several", "\x1b[?1000;25;1006;7l", "\x1b[?25;7l"},
		{"mouse, focus, keyboard", "\x1b[?1000h\x1b[?1006h\x1b[?1004h\x1b[>4;2m\x1b[>1u\x1b[1;2;3;4;5T.", "."},
		{"lock of the keyboard", "\x1b[2h\x1b[12l\x1b[20h\x1b[4h.\x1b[4l", "\x1b[4h.\x1b[4l"},
		{"vt52, 132 columns, no repeat", "\x1b[?2l\x1b[?3h\x1b[?8l.", "."},
		{"title", "a\x1b]0;evil\ab\x1b]2;evil\x1b\\c", "abc"},
		{"clipboard", "\x1b]52;c;ZXZpbA==\a.", "."},
		{"link", "\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"DCS, SOS, PM, APC", "a\x1bP$qm\x1b\\b\x1bXx\x1b\\c\x1b^x\x1b\\d\x1b_Gf=1;x\x1b\\e", "abcde"},
		{"BEL ends OSC alone", "\x1bPa\ab\x1b\\c", "c"},
		{"a string without an end", "a\x1b]0;" + strings.Repeat("x", 1<<20), "a"},
		{"ESC ends a string", "\x1b]0;evil\x1b[31mred", "\x1b[31mred"},
		{"CAN ends a string", "\x1b]0;evil\x18text", "text"},
		{"questions", "\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[18t\x1b[?25$p\x1b[x\x1bZ\x05.", "."},
		{"printing, LEDs, reset", "\x1b[5i\x1b[?5i\x1b[4q\x1bc\x1b#8\x1bN\x1bn\x1b%@.", "."},
		{"soft reset, cursor", "\x1b[!p\x1b[5 q\x1b[7 q", "\x1b[!p\x1b[5 q"},
		{"8-bit controls", "a\x9b31mb\x9d0;c\x9c", "a\ufffd31mb\ufffd0;c\ufffd"},
		{"8-bit controls in UTF-8", "a\u009b31mb\u0085\u009c", "a31mb"},
		{"no UTF-8", "a\xffb\xc3(c\xe4\xb8d\xf4\x90\x80\x80\xc0\xaf", "a\ufffdb\ufffd(c\ufffdd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"},
		{"a sequence in a character", "\xe4\xb8\x1b[31mx", "\ufffd\x1b[31mx"},
		{"a character in a sequence", "\x1b[3é1m\x1bé.", "é1mé."},
		{"controls in a sequence", "\x1b[3\r\n1m\x1b[3\x1a1m\x1b[\x7f1m", "\r\n\x1b[31m1m\x1b[1m"},
		{"ESC in a sequence", "\x1b[3\x1b[1m\x1b\x1b[2m", "\x1b[1m\x1b[2m"},
		{"too long", "\x1b[" + strings.Repeat("1;", 100) + "mx", "x"},
		{"malformed", "\x1b[1?h\x1b[1 2m\x1b[<1m.", "."},
		{"repeat", "x\x1b[900b\x1b[99999b\x1b[9999999999999999999999b", "x\x1b[900b"},
		{"controls", "a\x00b\x11c\x13d\x7fe\x1cf", "abcdef"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string((&Filter{}).Append(nil, []byte(tt.in)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			checkFilter(t, []byte(tt.in))
		})
	}
}

func TestFilterPlain(t *testing.T) {
	in := "\x1b[2J\x1b[H[\x1b[32m  OK  \x1b[0m] Started\r\r\n10%\r20%\x1b[K\r\x1b[K\n\x1b]0;t\ag\xffr\x0eün\a\b\n"
	want := "[  OK  ] Started\n10%\r20%\ng\ufffdrün\n"
	if diff := cmp.Diff(want, string((&Filter{Plain: true}).Append(nil, []byte(in)))); diff != "" {
		t.Error(diff)
	}
}

// Restore undoes what the guest left on, and nothing else.
func TestFilterRestore(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "\x1b[1mtext\x1b[m\x1b[?25l\x1b[?25h\x1b[?2004h\x1b[?2004l\x1b[2r\x1b[r", ""},
		{"editor", "\x1b[?1049h\x1b[?1h\x1b=\x1b[?25l\x1b[7m", "\x1b[?1049l\x1b[?1l\x1b[?25h\x1b>\x1b[0m"},
		{"region", "\x1b[2;5r", "\x1b[r\x1b[9999;1H"},
		{"line drawing", "\x1b(0\x1b)0\x0e\x1b[4h\x1b[3 q", "\x1b[4l\x1b[0 q\x0f\x1b(B\x1b)B"},
		{"what did not pass", "\x1b[?1000h\x1b[?7", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &Filter{}
			f.Append(nil, []byte(tt.in))
			if diff := cmp.Diff(tt.want, string(f.Restore())); diff != "" {
				t.Error(diff)
			}
			if again := f.Restore(); len(again) > 0 {
				t.Errorf("again: %q", again)
			}
		})
	}
}

// allowed is all that may come out of a filter: text, controls, whole sequences.
var allowed = regexp.MustCompile(`^(?:[\x07-\x0f\x20-\x7e]|[^\x00-\x{9f}]|` +
	`\x1b\[[0-9;:]*m|\x1b\[[0-9;]*[@A-MPSTXZ` + "`" + `abdefHr]|\x1b\[[su]|\x1b\[0*4[hl]|\x1b\[[0-9]* q|\x1b\[!p|` +
	`\x1b\[\?(?:(?:1|5|6|7|12|25|47|1047|1048|1049|2004|2026);?)+[hl]|` +
	`\x1b[78DEM=>]|\x1b[()][B0])*$`)

// checkFilter checks what must hold for any input.
func checkFilter(t *testing.T, in []byte) {
	t.Helper()
	for _, plain := range []bool{false, true} {
		whole := &Filter{Plain: plain}
		want := whole.Append(nil, in)
		if !allowed.Match(want) || (plain && bytes.ContainsAny(want, "\x1b\x0e\x07\b")) {
			t.Errorf("%q gives %q", in, want)
		}
		if len(want) > 3*len(in)+1 {
			t.Errorf("%d bytes give %d", len(in), len(want))
		}
		if cap(whole.seq) > 2*maxSequence {
			t.Errorf("it keeps %d bytes", cap(whole.seq))
		}
		if again := (&Filter{Plain: plain}).Append(nil, want); !bytes.Equal(again, want) {
			t.Errorf("%q gives %q, that gives %q", in, want, again)
		}
		split := &Filter{Plain: plain}
		rnd := rand.New(rand.NewPCG(uint64(len(in)), 1))
		var got []byte
		for rest := in; len(rest) > 0; {
			n := min(1+rnd.IntN(5), len(rest))
			got = split.Append(got, rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%q gives %q, in pieces %q", in, want, got)
		}
		if r := (&Filter{}).Append(nil, whole.Restore()); !bytes.Equal(r, (&Filter{}).Append(nil, split.Restore())) {
			t.Errorf("%q is undone in another way when it comes in pieces", in)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		"\x1b[?1049;1000h\x1b]0;t\a\x1bP+q\x1b\\", "\x1b[1;2;3;4;5T\x1b[3J", "\xe4\xb8\x1b[0;\u009b", "\r\r\n\x1b(0\x1b\x1b[",
		"\x1b[38:2::1:2:3m\x1b[4h\x1b[5 q\x1b[!p",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(checkFilter)
}

// The time is linear, whatever comes: 16 times as much does not take
// 160 times as long.
func TestFilterIsLinear(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, part := range []string{"\x1b[", "\x1b]", "\x1b[1;", "\xe4", "\x1b[?1;1;1;1;1;1;1;1;1;1;1;1;1h", "\x1b", "1;"} {
		took := func(n int) time.Duration {
			in := []byte("\x1b[" + strings.Repeat(part, n/len(part)))
			best := time.Hour
			for range 5 {
				f, out := &Filter{}, make([]byte, 0, 4*len(in))
				begin := threadTime(t)
				f.Append(out, in)
				best = min(best, threadTime(t)-begin)
			}
			return best
		}
		small, large := took(8<<10), took(128<<10)
		if large > 160*small {
			t.Errorf("%q: %v for 8 KiB, %v for 128 KiB", part, small, large)
		}
	}
}

// threadTime is the processor time that this thread has used: what else the
// machine does is not in it.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

func BenchmarkFilter(b *testing.B) {
	in := bytes.Repeat([]byte("[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39msystemd-journald.service\x1b[0m - Journal Service.\r\n"), 400)
	b.SetBytes(int64(len(in)))
	f, out := &Filter{}, make([]byte, 0, 2*len(in))
	for b.Loop() {
		out = f.Append(out[:0], in)
	}
}
