package logview

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/workspace/job"
)

// Whatever is done, in any order, at any size: the rows are lines of the log in their order, the cursor is among
// them, and following shows the end.
func TestRandomWalk(t *testing.T) {
	keys := strings.Fields("j k down up ctrl+d ctrl+u ctrl+f ctrl+b g home G F h l 0 w t T S n N E W { ( ) ! m ' V shift+up shift+down esc")
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		g := newRig(t, 10+r.IntN(80), 4+r.IntN(30), Options{})
		lines := 0
		for step := range 80 {
			did := "key "
			switch r.IntN(12) {
			case 0:
				n := r.IntN(60)
				did = fmt.Sprint("add ", n)
				g.add(jobLog(lines, n))
				lines += n
			case 1:
				did = "resize"
				g.c = canvas.New(3+r.IntN(100), 3+r.IntN(40))
			case 2:
				text := []string{"", "package", "retry", "/[0-9]3 /", "!package", "nowhere"}[r.IntN(6)]
				did = "keep " + text
				_ = g.v.Keep(text)
			case 3:
				did = "find"
				_ = g.v.Find([]string{"", "package-1", "broken"}[r.IntN(3)])
			case 4:
				did = "mouse"
				m := term.Mouse{Kind: []term.MouseKind{term.Press, term.Drag, term.WheelUp, term.WheelDown}[r.IntN(4)], Y: r.IntN(40) - 2, Button: 1, Lines: 1 + r.IntN(3)}
				g.v.Mouse(m)
			case 5:
				did = "go"
				_ = g.v.GoTo([]string{"17", "@12:05", "+2:00", "9999"}[r.IntN(4)])
			default:
				k := keys[r.IntN(len(keys))]
				did += k
				g.v.Key(term.Key{Name: k})
			}
			if r.IntN(3) > 0 {
				g.draw() // without news
			}
			g.draw()
			g.settle()
			if problem := g.wrong(); problem != "" {
				t.Fatalf("seed %d, step %d, after %s: %s\n%s", seed, step, did, problem, strings.Join(g.texts(), "\n"))
			}
		}
	}
}

// wrong says what is not as it should be.
func (r *rig) wrong() string {
	v := r.v
	if v.empty() != "" || v.h == 0 {
		return ""
	}
	if len(v.screen) == 0 {
		return "nothing is shown"
	}
	here, full := false, false
	for i, s := range v.screen {
		line := v.news.lineAt(s.k)
		row := v.row(s.k)
		switch {
		case row == nil:
			return fmt.Sprintf("row %d has not been read", s.k)
		case row.line != line:
			return fmt.Sprintf("row %d is line %d, want %d", s.k, row.line, line)
		case i > 0 && (s.k < v.screen[i-1].k || s.k == v.screen[i-1].k && s.sub != v.screen[i-1].sub+1 || s.k > v.screen[i-1].k+1):
			return fmt.Sprintf("row %d.%d comes after %d.%d", s.k, s.sub, v.screen[i-1].k, v.screen[i-1].sub)
		}
		here = here || line == v.line
		full = full || s.k == v.news.count()-1
	}
	switch {
	case !here:
		return fmt.Sprintf("the cursor's line %d is out of sight", v.line)
	case v.follow && !full:
		return "the end is not shown"
	case len(v.screen) < v.h && v.screen[0].k > 0:
		return "rows are empty though there are lines above"
	}
	return ""
}

// Every log can be drawn at every size.
func FuzzDraw(f *testing.F) {
	f.Add("a\x1b[31mb\n日本語\tx\r50%\r", 40, 8, true)
	f.Add(strings.Repeat("é日", 40), 3, 3, true)
	f.Fuzz(func(t *testing.T, text string, w, h int, wrap bool) {
		r := newRig(t, max(w, 0)%120, max(h, 0)%50, Options{Form: job.PlainLog})
		if wrap {
			r.v.ToggleWrap()
		}
		r.add(text)
		_ = r.v.Find("a")
		r.settle()
		r.keys("g", "g", "l", "j", "V", "ctrl+f")
		if problem := r.wrong(); problem != "" {
			t.Error(problem)
		}
		for y := range h % 50 {
			if strings.ContainsAny(r.c.Text(max(y, 0)), "\x1b\x07\r\n\u009b\u202e") {
				t.Errorf("row %d: %q", y, r.c.Text(y))
			}
		}
	})
}
