package term

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/go-cmp/cmp"
)

// What a person typed is told from what the terminal reports, in one piece and byte by byte.
func TestSorter(t *testing.T) {
	for _, tt := range []struct{ name, in, typed, reports string }{
		{"text", "ls\r\x03é", "ls\r\x03é", ""},
		{"keys", "\x1b[A\x1bOP\x1b[1;5C\x1b[15;2~\x1bb\x1b[Z\x1b[H", "\x1b[A\x1bOP\x1b[1;5C\x1b[15;2~\x1bb\x1b[Z\x1b[H", ""},
		{"f3 with shift", "\x1b[1;2R", "\x1b[1;2R", ""},
		{"mouse", "a\x1b[<35;10;5Mb\x1b[<0;1;1m", "ab", "\x1b[<35;10;5M\x1b[<0;1;1m"},
		{"old mouse", "a\x1b[M !!b", "ab", "\x1b[M !!"},
		{"focus", "\x1b[Ia\x1b[O", "a", "\x1b[I\x1b[O"},
		{"place", "a\x1b[24;80Rb", "ab", ""},
		{"attributes", "a\x1b[?62;22cb\x1b[>1;10;0cc\x1b[?2026;2$yd\x1b[0ne\x1b[8;24;80tf", "abcdef", ""},
		{"strings", "a\x1b]11;rgb:0/0/0\x1b\\b\x1b]4;1;red\x07c\x1bP>|xterm\x1b\\d\x1b_Gi=1;OK\x1b\\e", "abcde", ""},
		{"a broken answer", "a\x1b]11;rgb\x1b[Ab", "a\x1b[Ab", ""},
		{"paste", "\x1b[200~\x1b[<1;1;1M\x1b[6;6R\x1d\x1b[201~\x1b[I", "\x1b[200~\x1b[<1;1;1M\x1b[6;6R\x1d\x1b[201~", "\x1b[I"},
		{"alt with a bracket", "\x1b]", "\x1b]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var whole sorter
			typed, reports := whole.split([]byte(tt.in))
			if diff := cmp.Diff(tt.typed+"|"+tt.reports, string(typed)+"|"+string(reports)); diff != "" {
				t.Error(diff)
			}
			if len(whole.held) > 0 {
				t.Errorf("holds %q", whole.held)
			}
		})
	}
}

// However a report is split, nothing of it is typed.
func TestSorterSplit(t *testing.T) {
	const in = "a\x1b[<35;10;5Mb\x1b[24;80Rc\x1b]11;rgb:00/00/00\x1b\\d\x1b[200~p\x1b[201~e"
	for i := range len(in) {
		if strings.HasSuffix(in[:i], "\x1b") || strings.HasSuffix(in[:i], "\x1b[") || strings.HasSuffix(in[:i], "\x1b]") {
			continue // a key of its own: join waits for what follows
		}
		var s sorter
		typed, reports := s.split([]byte(in[:i]))
		more, others := s.split([]byte(in[i:]))
		got := string(typed) + string(more) + "|" + string(reports) + string(others)
		if diff := cmp.Diff("abcd\x1b[200~p\x1b[201~e|\x1b[<35;10;5M", got); diff != "" {
			t.Errorf("split at %d: %s", i, diff)
		}
	}
}

// tapRig is an Input over a pipe whose reads are told apart.
type tapRig struct {
	t   *testing.T
	in  *Input
	w   *os.File
	got bytes.Buffer // of the tap
}

func newTapRig(t *testing.T) *tapRig {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return &tapRig{t: t, in: NewInput(r, time.Millisecond, nil), w: w}
}

// read gives what Bubble Tea gets of bytes that come at once.
func (r *tapRig) read(text string) string {
	r.t.Helper()
	if _, err := r.w.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
	var out []byte
	buf := make([]byte, 256)
	for {
		n, err := r.in.Read(buf)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, buf[:n]...)
		if !r.in.ready() {
			return string(out)
		}
	}
}

func (r *tapRig) tap() { r.in.Tap(func(p []byte) []byte { r.got.Write(p); return nil }) }

// Bubble Tea gets the end of a paste that it has the beginning of, with what was read with it: keys keep their order.
func TestTapInPaste(t *testing.T) {
	r := newTapRig(t)
	if got := r.read("x\x1b[200~one"); got != "x\x1b[200~one" {
		t.Fatalf("%q", got)
	}
	r.tap()
	tea := r.read(" two") + r.read(" three\x1b[20") + r.read("1~four") + r.read("five")
	if diff := cmp.Diff([]string{" two three\x1b[201~four", "five"}, []string{tea, r.got.String()}); diff != "" {
		t.Error(diff)
	}
	r.in.Tap(nil)
	if got := r.read("six"); got != "six" {
		t.Errorf("%q", got)
	}
}

// What the tap gives back is for Bubble Tea, with what the mouse did.
func TestTapGivesBack(t *testing.T) {
	r := newTapRig(t)
	r.in.Tap(func(p []byte) []byte {
		typed, rest, found := bytes.Cut(p, []byte("\x1dd"))
		r.got.Write(typed)
		if found {
			r.in.Tap(nil)
		}
		return rest
	})
	tea := r.read("ab\x1b[<0;1;1Mc\x1ddjk\x1b[A") + r.read("l")
	if diff := cmp.Diff([]string{"\x1b[<0;1;1Mjk\x1b[Al", "abc"}, []string{tea, r.got.String()}); diff != "" {
		t.Error(diff)
	}
}

// The beginning of a report that a tap was given is not lost for Bubble Tea when the tap goes.
func TestTapHeld(t *testing.T) {
	r := newTapRig(t)
	r.tap()
	tea := r.read("a\x1b[<0;1")
	r.in.Tap(nil)
	tea += r.read(";1Mb")
	if diff := cmp.Diff([]string{"\x1b[<0;1;1Mb", "a"}, []string{tea, r.got.String()}); diff != "" {
		t.Error(diff)
	}
}

// Whatever is typed and pasted, however it is split, and wherever the tap goes on and off: every byte arrives once, in order.
func FuzzTap(f *testing.F) {
	f.Add("abc\x1b[200~paste\r\x1b[201~d", uint16(0xa5a5), 3)
	f.Add(strings.Repeat("0123456789", 60)+"\x1b[200~x", uint16(0x0ff0), 200)
	f.Add("a\x1b[200~b\x1b[201~c\x1b[201~d\x1b[200~\x1b[200~e", uint16(1), 7)
	marks := strings.NewReplacer(pasteBegin, "", pasteEnd, "")
	f.Fuzz(func(t *testing.T, text string, on uint16, size int) {
		var clean strings.Builder // other sequences may be the terminal's own
		for i, part := range strings.Split(text, "\x1b") {
			if rest, ok := strings.CutPrefix(part, "[200~"); ok && i > 0 {
				clean.WriteString(pasteBegin + rest)
			} else if rest, ok := strings.CutPrefix(part, "[201~"); ok && i > 0 {
				clean.WriteString(pasteEnd + rest)
			} else {
				clean.WriteString(part)
			}
		}
		text = clean.String()
		size = max(size%190, 1)
		in := &Input{}
		var got []byte
		tap := Tap(func(p []byte) []byte { got = append(got, p...); return nil })
		buf := make([]byte, 256)
		rest := text
		for i := 0; len(rest) > 0; i++ {
			in.Tap(nil)
			if on>>(i%16)&1 == 1 {
				in.Tap(tap)
			}
			n := copy(buf, rest[:min(size, len(rest))])
			rest = rest[n:]
			left := in.divert(buf, n)
			got = append(got, buf[:left]...)
		}
		got = append(got, in.sorter.held...)
		if diff := cmp.Diff(marks.Replace(text), marks.Replace(string(got))); diff != "" {
			t.Error(diff)
		}
	})
}

// A program of Bubble Tea whose input is tapped ends at once, although nothing was read for long.
func TestTapWithTea(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	in := NewInput(r, time.Millisecond, nil)
	tapped := make(chan string, 10)
	in.Tap(func(p []byte) []byte { tapped <- string(p); return nil })
	keys := make(chan string, 10)
	p := tea.NewProgram(keyModel{keys}, tea.WithInput(in), tea.WithOutput(io.Discard), tea.WithoutSignals(), tea.WithContext(t.Context()))
	done := make(chan error, 1)
	go func() { _, err := p.Run(); done <- err }()
	for _, s := range []string{"one", "\x1b[1;5A"} {
		if _, err := w.WriteString(s); err != nil {
			t.Fatal(err)
		}
		if got := <-tapped; got != s {
			t.Errorf("the tap got %q", got)
		}
	}
	in.Tap(nil)
	if _, err := w.WriteString("k"); err != nil {
		t.Fatal(err)
	}
	if got := <-keys; got != "k" {
		t.Errorf("got %q", got)
	}
	p.Quit()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
