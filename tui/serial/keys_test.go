package serial

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

// The prefix and what follows it, in one piece and byte by byte.
func TestPrefix(t *testing.T) {
	for _, tt := range []struct {
		name, typed, guest, rest string
		keys                     []string
		attached                 bool
	}{
		{name: "plain", typed: "ls\r\x03\x1a", guest: "ls\r\x03\x1a", attached: true},
		{name: "literal", typed: "a\x1d\x1db", guest: "a\x1db", attached: true},
		{name: "detach", typed: "a\x1ddbc", guest: "a", rest: "bc"},
		{name: "scrollback", typed: "a\x1d[kk", guest: "a", rest: "kk"},
		{name: "the workbench's", typed: "a\x1d:x", guest: "a", rest: "x", keys: []string{":"}, attached: true},
		{name: "not a key of ours", typed: "\x1d\x1b[Ax", rest: "x", attached: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := startGuest(t)
			p := watch(t, g, 40, 6)
			p.live()
			rest := p.raw(tt.typed)
			if diff := cmp.Diff(tt.rest, rest); diff != "" {
				t.Error(diff)
			}
			p.awaitTyped(g, tt.guest)
			if diff := cmp.Diff(tt.keys, p.keys); diff != "" {
				t.Error(diff)
			}
			if p.Attached() != tt.attached {
				t.Errorf("attached: %v", p.Attached())
			}
		})
	}
}

// Requests that follow the prefix.
func TestPrefixAsks(t *testing.T) {
	g := startGuest(t)
	p := watch(t, g, 40, 6)
	p.live()
	p.raw("\x1db")
	p.until("a break", func() bool { return g.wasAsked("break") })
	p.raw("\x1ds")
	if len(p.asks) != 1 {
		t.Fatalf("without a prompt nothing was asked: %v", p.asks)
	}
	g.print("[core@vm ~]$ ")
	p.await("$")
	p.raw("\x1ds")
	p.awaitTyped(g, " stty rows 6 cols 40\r")
}

// Pasted text arrives whole however it was split; several lines are asked for first.
func TestPaste(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mode   string
		pieces []string
		asks   int
		want   string
	}{
		{"one line", "", []string{"a\x1b[200~echo x\x1b[201~b"}, 0, "aecho xb"},
		{"in pieces", "", []string{"\x1b[200~ec", "ho\x1d", "\x1b[20", "1~b"}, 0, "echob"},
		{"brackets", "\x1b[?2004h", []string{"\x1b[200~echo\x1b[201~"}, 0, "\x1b[200~echo\x1b[201~"},
		{"two lines", "", []string{"\x1b[200~a\rb\r\x1b[201~"}, 1, "a\rb\r"},
		{"an end that was pasted", "", []string{"\x1b[200~a\x1b\x03b\x1b[201~"}, 0, "ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := startGuest(t)
			g.print(tt.mode + "ready")
			p := watch(t, g, 40, 6)
			p.live()
			for _, piece := range tt.pieces {
				if rest := p.raw(piece); rest != "" {
					p.raw(rest)
				}
			}
			if len(p.asks) != tt.asks {
				t.Fatalf("asked %v", p.asks)
			}
			if tt.asks > 0 {
				if got := g.got(); got != "" {
					t.Errorf("typed %q before it was confirmed", got)
				}
				p.take(screen.Answer{Tag: p.asks[0].Tag, Choice: choiceYes})
			}
			p.awaitTyped(g, tt.want)
		})
	}
}

// Cursor keys go as the guest wants them, and keys that Bubble Tea had read already too.
func TestTranslate(t *testing.T) {
	g := startGuest(t)
	g.print("\x1b[?1happ")
	p := watch(t, g, 40, 6)
	p.live()
	p.raw("\x1b[A\x1bOB\x1b[1;5C\x1b[Hx")
	effects, mine := p.Key(term.Key{Name: "up"})
	p.do(effects)
	if !mine {
		t.Error("the key is not the guest's")
	}
	p.awaitTyped(g, "\x1bOA\x1bOB\x1b[1;5C\x1bOHx\x1bOA")
	g.print("\x1b[?1l done")
	p.await("done")
	p.raw("\x1bOA\x1b[B")
	p.awaitTyped(g, "\x1bOA\x1bOB\x1b[1;5C\x1bOHx\x1bOA\x1b[A\x1b[B")
}

// A keypad in application mode types digits into a guest that has not asked for that.
func TestKeypad(t *testing.T) {
	g := startGuest(t)
	g.print("plain")
	p := watch(t, g, 40, 6)
	p.live()
	const typed = "\x1bOp\x1bOy\x1bOM\x1bOk\x1bOn\x1bOP\x1b[\x1bOA\x1b[Oq"
	p.raw(typed)
	want := "09\r+.\x1bOP\x1b[\x1b[A\x1b[Oq"
	p.awaitTyped(g, want)
	g.print("\x1b= application")
	p.await("application")
	p.raw(typed)
	want += "\x1bOp\x1bOy\x1bOM\x1bOk\x1bOn\x1bOP\x1b[\x1b[A\x1b[Oq"
	p.awaitTyped(g, want)
	g.print("\x1b> numeric")
	p.await("numeric")
	p.raw("\x1bOw")
	p.awaitTyped(g, want+"7")
}

// However what is typed is split, the guest gets the same. A sequence is whole: tui/term sees to that.
func TestTypeSplit(t *testing.T) {
	const typed = "a\x1d\x1db\x1b[200~paste\x1b[201~é\x1b[A\x1d\x1dz"
	const want = "a\x1dbpasteé\x1bOA\x1dz"
	g := startGuest(t)
	g.print("\x1b[?1happ")
	p := watch(t, g, 40, 6)
	p.live()
	all := ""
	for i := range len(typed) {
		if j := strings.LastIndex(typed[:i], "\x1b"); j >= 0 && (strings.HasPrefix(typed[j:], "\x1b[A") || strings.HasPrefix(typed[j:], "\x1b[200~")) && i-j < len("\x1b[A") {
			continue
		}
		if j := strings.Index(typed, "\x1b[200~"); i > j && i < j+6 {
			continue
		}
		for _, part := range []string{typed[:i], typed[i:]} {
			for rest := p.raw(part); rest != ""; rest = p.raw(rest) {
			}
		}
		all += want
	}
	p.awaitTyped(g, all)
}
