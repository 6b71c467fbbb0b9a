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

func TestIncomplete(t *testing.T) {
	for seq, want := range map[string]bool{
		"a": false, "": false, "é": false, "\xc3": true, "\xe6\x97": true, "\xff": false,
		"\x1b": true, "a\x1b": true, "\x1ba": false, "\x1b\x1b": true, "\x1b\x1b[": true, "\x1b\x1b[A": false,
		"\x1b[": true, "\x1b[1": true, "\x1b[1;5": true, "\x1b[1;5A": false, "\x1b[A": false, "\x1b[200~": false, "\x1b[200": true,
		"\x1b[<0;1;1": true, "\x1b[<0;1;1M": false, "\x1b[M": true, "\x1b[M !": true, "\x1b[M !!": false,
		"\x1b[[": true, "\x1b[[A": false, "\x1bO": true, "\x1bOP": false, "\x1bO5": true, "\x1bO5P": false,
		"\x1b]11;rgb:0/0/0": true, "\x1b]11;rgb:0/0/0\a": false, "\x1b]11;rgb:0/0/0\x1b": true, "\x1b]11;rgb:0/0/0\x1b\\": false,
		"\x1b[1\r": false, "\x1b[Axyz": false,
	} {
		if got := incomplete([]byte(seq)); got != want {
			t.Errorf("incomplete(%q) = %v", seq, got)
		}
	}
}

// packets gives one of its parts a read, as a slow link does.
type packets [][]byte

func (p *packets) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	return n, nil
}

func reads(t *testing.T, size int, parts ...string) []string {
	t.Helper()
	var p packets
	for _, s := range parts {
		if s != "" {
			p = append(p, []byte(s))
		}
	}
	var got []string
	buf := make([]byte, size)
	for {
		n, err := join(&p, buf, func() bool { return len(p) > 0 })
		if n > 0 {
			got = append(got, string(buf[:n]))
		}
		if err != nil {
			return got
		}
	}
}

func TestJoin(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts []string
		want  []string
	}{
		{"whole", []string{"a", "\x1b[A"}, []string{"a", "\x1b[A"}},
		{"split arrow", []string{"\x1b", "[", "A", "b"}, []string{"\x1b[A", "b"}},
		{"esc, and then nothing", []string{"a\x1b"}, []string{"a\x1b"}},
		{"split character", []string{"\xe6", "\x97\xa5"}, []string{"日"}},
		{"split mouse", []string{"\x1b[<35;1", "0;5M"}, []string{"\x1b[<35;10;5M"}},
	} {
		if diff := cmp.Diff(tt.want, reads(t, 256, tt.parts...)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	// A buffer is filled only where a sequence goes on behind it.
	if diff := cmp.Diff([]string{"abcdefg", "h"}, reads(t, 8, "abcdefgh")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"abcdef\x1b[", "A"}, reads(t, 8, "abcdef\x1b[A")); diff != "" {
		t.Error(diff)
	}
}

// However bytes are split: none is lost, and where the whole would have been one read, no
// read but the last ends within a sequence.
func FuzzJoin(f *testing.F) {
	f.Add("a\x1b[1;5A日\x1bOP", 3, 7, 16)
	f.Add("\x1b[200~pasted\x1b[201~", 1, 9, 256)
	f.Fuzz(func(t *testing.T, text string, i, j, size int) {
		size = max(size%300, 2)
		i, j = min(max(i, 0), len(text)), min(max(j, 0), len(text))
		got := reads(t, size, text[:min(i, j)], text[min(i, j):max(i, j)], text[max(i, j):])
		if joined := strings.Join(got, ""); joined != text {
			t.Fatalf("lost: %q of %q", joined, text)
		}
		for k, r := range got {
			if k < len(got)-1 && len(r) < size && incomplete([]byte(r)) {
				t.Errorf("%q ends within a sequence", r)
			}
			if len(r) == size && size > 1 && !incomplete([]byte(r[:size-1])) {
				t.Errorf("%q fills the buffer and goes on nowhere", r)
			}
		}
	})
}

// Bubble Tea sees keys whole over a link that delivers single bytes, a bare esc too.
func TestInputWithTea(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wait  time.Duration
		types string
		want  []string
	}{
		{"slow link", time.Minute, "\x1b[1;5A\x1bOP日", []string{"ctrl+up", "f1", "日"}},
		{"esc", time.Millisecond, "a\x1b", []string{"a", "esc"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			keys := make(chan string, 10)
			p := tea.NewProgram(keyModel{keys}, tea.WithInput(NewInput(r, tt.wait, nil)), tea.WithOutput(io.Discard), tea.WithoutSignals(), tea.WithContext(t.Context()))
			done := make(chan error, 1)
			go func() { _, err := p.Run(); done <- err }()
			for _, b := range []byte(tt.types) {
				if _, err := w.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range tt.want {
				if got := <-keys; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			p.Quit()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

type keyModel struct{ keys chan string }

func (m keyModel) Init() tea.Cmd { return nil }
func (m keyModel) View() string  { return "" }
func (m keyModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if k, ok := msg.(tea.KeyMsg); ok {
		m.keys <- k.String()
	}
	return m, nil
}

// Who waits for keys that cannot come is told once.
func TestInputGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Close()
	told := 0
	in := NewInput(r, time.Millisecond, func(error) { told++ })
	for range 3 {
		if n, err := in.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Fatal(n, err)
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestClicks(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)
	var c Clicks
	var got bytes.Buffer
	for _, s := range []struct {
		after time.Duration
		msg   tea.MouseMsg
	}{
		{0, press(3, 4)},
		{300 * time.Millisecond, press(3, 4)},
		{300 * time.Millisecond, press(3, 4)},
		{300 * time.Millisecond, press(3, 4)},
		{300 * time.Millisecond, press(4, 4)},
		{500 * time.Millisecond, press(4, 4)},
		{0, tea.MouseMsg{X: 4, Y: 4, Button: tea.MouseButtonLeft, Action: tea.MouseActionMotion}},
		{0, tea.MouseMsg{X: 5, Y: 4, Button: tea.MouseButtonLeft, Action: tea.MouseActionMotion}},
		{0, tea.MouseMsg{X: 5, Y: 4, Button: tea.MouseButtonLeft, Action: tea.MouseActionMotion}},
		{0, tea.MouseMsg{X: 5, Y: 4, Action: tea.MouseActionMotion}},
		{0, wheel(tea.MouseButtonWheelDown)},
		{5 * time.Millisecond, wheel(tea.MouseButtonWheelDown)},
		{5 * time.Millisecond, wheel(tea.MouseButtonWheelDown)},
		{10 * time.Millisecond, wheel(tea.MouseButtonWheelDown)},
		{1 * time.Millisecond, wheel(tea.MouseButtonWheelUp)},
		{time.Second, wheel(tea.MouseButtonWheelUp)},
	} {
		at = at.Add(s.after)
		m, ok := c.Filter(s.msg, at)
		switch {
		case !ok:
			got.WriteString(" -")
		case m.Kind == Press:
			got.WriteString(" press" + string(rune('0'+m.Clicks)))
		case m.Kind == Drag:
			got.WriteString(" drag")
		default:
			got.WriteString(" " + string(m.Kind) + string(rune('0'+m.Lines)))
		}
	}
	want := " press1 press2 press3 press1 press1 press1 - drag - - wheel-down1 - - wheel-down3 wheel-up1 wheel-up1"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func press(x, y int) tea.MouseMsg {
	return tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress}
}

func wheel(b tea.MouseButton) tea.MouseMsg {
	return tea.MouseMsg{X: 1, Y: 1, Button: b, Action: tea.MouseActionPress}
}
