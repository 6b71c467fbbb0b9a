package editor

import (
	"testing"

	"github.com/nestos/nosa/tui/term"
)

func TestMouse(t *testing.T) {
	press := func(x, y, clicks int) term.Mouse {
		return term.Mouse{Kind: term.Press, Button: 1, X: x + 5, Y: y, Clicks: clicks}
	}
	drag := func(x, y int) term.Mouse { return term.Mouse{Kind: term.Drag, Button: 1, X: x + 5, Y: y} }
	shift := press(4, 1, 1)
	shift.Shift = true
	for _, tt := range []struct {
		name   string
		events []term.Mouse
		want   string
	}{
		{"press", []term.Mouse{press(2, 1, 1)}, "one two\n日|本 x\nlast"},
		{"press in the middle", []term.Mouse{press(1, 1, 1)}, "one two\n日|本 x\nlast"},
		{"press behind", []term.Mouse{press(40, 0, 1)}, "one two|\n日本 x\nlast"},
		{"press below", []term.Mouse{press(0, 7, 1)}, "one two\n日本 x\nlast|"},
		{"drag", []term.Mouse{press(1, 0, 1), drag(2, 1)}, "o<ne two\n日>本 x\nlast"},
		{"word", []term.Mouse{press(5, 0, 2)}, "one <two>\n日本 x\nlast"},
		{"words", []term.Mouse{press(5, 0, 2), drag(1, 0)}, "<one two>\n日本 x\nlast"},
		{"line", []term.Mouse{press(5, 0, 3)}, "<one two\n>日本 x\nlast"},
		{"lines by their numbers", []term.Mouse{press(-2, 0, 1), drag(-2, 1)}, "<one two\n日本 x\n>last"},
		{"shift", []term.Mouse{press(1, 0, 1), shift}, "o<ne two\n日本> x\nlast"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rigAt("a.txt", "|one two\n日本 x\nlast")
			r.draw()
			for _, m := range tt.events {
				r.e.Mouse(m, r.now)
				r.draw()
			}
			if got := r.at(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A drag beyond the lower edge scrolls; the wheel scrolls without the cursor.
func TestMouseScrolls(t *testing.T) {
	r := newRig("a.yaml", manifestOf(100), 40, 5)
	r.e.Mouse(term.Mouse{Kind: term.Press, Button: 1, X: 8, Y: 1, Clicks: 1}, r.now)
	for range 3 {
		r.e.Mouse(term.Mouse{Kind: term.Drag, Button: 1, X: 8, Y: 6}, r.now)
		r.draw()
	}
	if line, _ := r.e.Position(); line != 11 || r.e.State().Top != 7 {
		t.Errorf("line %d, state %+v", line, r.e.State())
	}
	r.e.Mouse(term.Mouse{Kind: term.WheelDown, Lines: 2}, r.now)
	r.draw()
	if _, _, ok := r.c.Cursor(); ok || r.e.State().Top != 13 {
		t.Errorf("cursor %v, state %+v", ok, r.e.State())
	}
	s := r.e.State()
	o := newRig("a.yaml", manifestOf(100), 40, 5)
	o.e.SetState(s)
	o.draw()
	if line, _ := o.e.Position(); line != 11 {
		t.Errorf("restored %+v of %+v", o.e.State(), s)
	}
}
