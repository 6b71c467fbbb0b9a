package vt

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
)

// One writes, others draw, look for something and copy, nobody reads the answers.
func TestAtOnce(t *testing.T) {
	s := New(Options{W: 40, H: 12})
	written := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(written)
		for seed := range uint64(20) {
			s.Write(random(seed, 100))
			s.Write([]byte("\x1b[6n\x18\x1b[m\x1b[r\x1b[99;1H"))
			s.Write(bootLog(200))
		}
	})
	wg.Go(func() {
		c := canvas.New(40, 12)
		r := rand.New(rand.NewPCG(1, 1))
		for {
			select {
			case <-written:
				return
			default:
			}
			first, screen, end := s.Bounds()
			s.Draw(c.Area(), first+r.IntN(end-first))
			s.Text(Selection{Place{screen - 3, 2}, Place{end, 3}, Words})
			s.Step(NewFinder("pci"), Place{screen, 0}, Backwards, 100)
			s.Resize(30+r.IntN(20), 8+r.IntN(8))
			s.Modes()
			s.Title()
			s.Counts()
		}
	})
	wg.Wait()
	check(t, s)
}

// What is on the main screen is there again after a program that had another size.
func TestResizeOnAlternate(t *testing.T) {
	s := New(Options{W: 20, H: 6})
	s.Write([]byte("one\r\n0123456789abcdefgh\r\nprompt$ \x1b[?1049h\x1b[2J\x1b[6;1Hstatus\x1b[1;1Htop"))
	s.Resize(10, 4)
	if diff := cmp.Diff("top", screenText(s)); diff != "" {
		t.Error(diff)
	}
	s.Write([]byte("\x1b[?1049lx"))
	if diff := cmp.Diff("one\n0123456789\nabcdefgh\nprompt$ x", screenText(s)); diff != "" {
		t.Error(diff)
	}
	s.Resize(20, 6)
	if diff := cmp.Diff("one\n0123456789abcdefgh\nprompt$ x", screenText(s)); diff != "" {
		t.Error(diff)
	}
	if c := s.Cursor(); c.X != 9 || c.Line != 2 {
		t.Errorf("the cursor is at %+v", c)
	}
}

// Lines of the scrollback are drawn with their colours; the cursor where it is seen.
func TestDrawScrolled(t *testing.T) {
	s := New(Options{W: 12, H: 3})
	s.Write([]byte("\x1b[31mred\x1b[m 日\r\n\x1b[1;38;5;99;48;2;1;2;3mx\x1b[m\r\n👩\u200d👧a\r\nfour\r\nfive"))
	c := canvas.New(10, 4)
	s.Draw(c.Area(), 0)
	want := []string{"red 日", "x", "? a", "four"}
	if diff := cmp.Diff(want, []string{c.Text(0), c.Text(1), c.Text(2), c.Text(3)}); diff != "" {
		t.Error(diff)
	}
	if got, want := c.Row(0)[2].Style, (canvas.Style{FG: canvas.Indexed(1)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := c.Row(1)[0].Style, (canvas.Style{FG: canvas.Indexed(99), BG: canvas.RGB(1, 2, 3), Attr: canvas.Bold}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if x, y, ok := c.Cursor(); ok {
		t.Errorf("there is a cursor at %d,%d", x, y)
	}
	c.Reset(10, 5)
	s.Draw(c.Area(), 0)
	if x, y, ok := c.Cursor(); !ok || x != 4 || y != 4 {
		t.Errorf("the cursor is at %d,%d, %v", x, y, ok)
	}
}
