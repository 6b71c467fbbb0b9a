package editor

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/term"
)

// Whatever is done at whatever size, the cursor is on a character and everything else where it may be.
func TestAnythingAtAnySize(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		r := newRig("a.yaml", []byte(strings.Repeat("a: \u65e5\u672c\n  - |\n    x\t\"y\n", 20)), 30, 6)
		commands := []func(){
			func() { r.e.ToggleComment() },
			func() { r.e.MoveLines(rnd.IntN(9) - 4) },
			func() { r.e.DuplicateLines() },
			func() { r.e.DeleteLines() },
			func() { r.e.JoinLines() },
			func() { r.e.Indent() },
			func() { r.e.Outdent() },
			func() { r.e.Undo() },
			func() { r.e.Redo() },
			func() { r.e.SelectAll() },
			func() { r.e.Reload([]byte(strings.Repeat("b\r\n", rnd.IntN(40)))) },
			func() {
				_ = r.e.Find([]string{"x", "\u65e5", "nowhere"}[rnd.IntN(3)], FindOptions{Regexp: seed%2 == 0})
			},
			func() { r.e.Next() },
			func() { r.e.Prev() },
			func() { r.e.Replace("y\n\u65e5") },
			func() { r.e.ReplaceAll("x\u0301") },
			func() { r.e.Matches() },
			func() { r.e.SetCompletions([]Completion{{Label: "abc"}, {Label: "\u65e5"}, {Label: "c"}}) },
			func() {
				r.e.SetMarks([]Mark{{Line: rnd.IntN(90), Column: rnd.IntN(9), Severity: Error}, {Line: rnd.IntN(90), Severity: Info}})
			},
			func() { r.e.SetChanges(map[int]Change{rnd.IntN(90): Added, rnd.IntN(90): Removed}) },
			func() { r.e.NextMark(rnd.IntN(5) - 2) },
			func() { r.e.ScrollTo(rnd.IntN(99)) },
			func() { r.e.SetState(State{rnd.IntN(99), rnd.IntN(9), rnd.IntN(99), rnd.IntN(9)}) },
			func() { r.c.Reset(rnd.IntN(60), rnd.IntN(12)) },
			func() {
				kinds := []term.MouseKind{term.Press, term.Drag, term.Release, term.WheelUp, term.WheelDown}
				r.e.Mouse(term.Mouse{Kind: kinds[rnd.IntN(5)], Button: 1, X: rnd.IntN(70) - 5, Y: rnd.IntN(16) - 2, Clicks: rnd.IntN(4), Shift: rnd.IntN(4) == 0}, r.now)
			},
		}
		for range 250 {
			if rnd.IntN(2) == 0 {
				commands[rnd.IntN(len(commands))]()
			} else {
				r.e.Key(keysOf([]byte{byte(rnd.Uint32())})[0], r.now)
			}
			r.draw()
			for _, p := range []pos{r.e.cursor, r.e.anchor} {
				if p != r.e.snap(p) {
					t.Fatalf("seed %d: %v is within a character of %q", seed, p, r.e.buf.lines[min(p.line, len(r.e.buf.lines)-1)])
				}
			}
			for _, m := range r.e.marks {
				if m.from.line < 0 || m.from.line >= len(r.e.buf.lines) || m.to.before(m.from) {
					t.Fatalf("seed %d: mark %+v of %d lines", seed, m, len(r.e.buf.lines))
				}
			}
			if w, h := r.c.Size(); w < 1 || h < 1 {
				continue
			}
			if r.e.top < 0 || r.e.top >= len(r.e.buf.lines) || r.e.left < 0 {
				t.Fatalf("seed %d: top %d left %d of %d lines", seed, r.e.top, r.e.left, len(r.e.buf.lines))
			}
		}
	}
}
