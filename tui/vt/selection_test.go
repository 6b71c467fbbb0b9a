package vt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSelection(t *testing.T) {
	s := New(Options{W: 10, H: 4})
	s.Write([]byte("first   \r\n0123456789abcde/f.go x\r\n日本語 two\r\n\r\nlast\x1b[44m    \x1b[m"))
	// 0 first, 1 0123456789, 2 abcde/f.go, 3 " x", 4 日本語 two, 5 "", 6 last
	for _, tt := range []struct {
		name     string
		from, to Place
		unit     Unit
		want     string
	}{
		{"trailing blanks", Place{0, 0}, Place{0, 9}, Characters, "first"},
		{"soft wraps", Place{1, 8}, Place{3, 1}, Characters, "89abcde/f.go x"},
		{"backwards", Place{3, 1}, Place{0, 3}, Characters, "st\n0123456789abcde/f.go x"},
		{"half of a wide one", Place{4, 1}, Place{4, 2}, Characters, "日本"},
		{"empty line", Place{4, 7}, Place{6, 1}, Characters, "two\n\nla"},
		{"word", Place{4, 8}, Place{4, 8}, Words, "two"},
		{"word over rows", Place{2, 1}, Place{2, 1}, Words, "0123456789abcde/f.go"},
		{"wide word", Place{4, 3}, Place{4, 3}, Words, "日本語"},
		{"words", Place{0, 2}, Place{1, 2}, Words, "first\n0123456789abcde/f.go"},
		{"line", Place{2, 5}, Place{2, 5}, WholeLines, "0123456789abcde/f.go x"},
		{"lines", Place{2, 5}, Place{4, 0}, WholeLines, "0123456789abcde/f.go x\n日本語 two"},
		{"after the text", Place{5, 7}, Place{5, 9}, Characters, ""},
		{"blanks with a background", Place{6, 0}, Place{6, 9}, Characters, "last"},
		{"outside", Place{-5, 0}, Place{99, 0}, Characters, "first\n0123456789abcde/f.go x\n日本語 two\n\nlast"},
	} {
		if got := s.Text(Selection{tt.from, tt.to, tt.unit}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A line keeps its number and its text while more is printed and the oldest are dropped.
func TestNumbersStay(t *testing.T) {
	s := New(Options{W: 20, H: 5, Lines: 2000})
	for i := range 5000 {
		fmt.Fprintf(s, "line %d\r\n", i)
		if i%97 == 0 {
			s.Cursor() // somebody looks
		}
	}
	first, screen, end := s.Bounds()
	if end != 5001 || screen != end-5 || screen-first < 2000 || screen-first >= 2000+perBlock {
		t.Errorf("lines %d to %d, the screen at %d", first, end, screen)
	}
	for _, n := range []int{first, first + 1, 4000, screen - 1, screen, end - 2} {
		if l, ok := s.Line(n); !ok || l.Text != fmt.Sprintf("line %d", n) {
			t.Errorf("line %d is %q", n, l.Text)
		}
	}
	if _, ok := s.Line(first - 1); ok {
		t.Error("a dropped line is still there")
	}
	if got := s.Text(Selection{Place{0, 0}, Place{first, 3}, Characters}); got != fmt.Sprintf("line %d", first)[:4] {
		t.Errorf("what is left of the selection is %q", got)
	}
	s.Write([]byte("\x1b[3J"))
	if first, screen, _ := s.Bounds(); first != 4996 || screen != first {
		t.Errorf("after ED 3 lines are from %d, the screen from %d", first, screen)
	}
}

func find(t *testing.T, s *Screen, f Finder, from Place, way Way) (found []string) {
	t.Helper()
	for range 10_000 {
		m, next, more := s.Step(f, from, way, 7)
		if m != nil {
			found = append(found, fmt.Sprintf("%d,%d-%d,%d", m.From.Line, m.From.X, m.End.Line, m.End.X))
			next = m.From
			if way == Forwards {
				next.X++
			}
		} else if !more {
			return found
		}
		from = next
	}
	t.Fatal("it finds no end")
	return nil
}

func TestFind(t *testing.T) {
	s := New(Options{W: 10, H: 3})
	s.Write([]byte("Error one\r\n日本 error\r\n" + strings.Repeat("nothing\r\n", 30) + "12345678error wrapped\r\nerr 42 err 43\r\nend"))
	literal, all := NewFinder("ERROR"), []string{"0,0-0,5", "1,5-1,10", "32,8-33,3"}
	if diff := cmp.Diff(all, find(t, s, literal, Place{}, Forwards)); diff != "" {
		t.Error(diff)
	}
	backwards := []string{all[2], all[1], all[0]}
	if diff := cmp.Diff(backwards, find(t, s, literal, Place{1 << 30, 0}, Backwards)); diff != "" {
		t.Error(diff)
	}
	re, err := NewRegexpFinder(`err \d+`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"35,0-35,6", "35,7-36,3"}, find(t, s, re, Place{}, Forwards)); diff != "" {
		t.Error(diff)
	}
	if got := s.Matches(re, 36, 37); len(got) != 2 {
		t.Errorf("a wrapped line has %v", got)
	}
	if _, err := NewRegexpFinder("("); err == nil {
		t.Error("a broken pattern is taken")
	}
	empty, _ := NewRegexpFinder("x*")
	if got := find(t, s, empty, Place{}, Forwards); got != nil {
		t.Errorf("nothing is found as %v", got)
	}
}

// A step through many lines is short: it never takes longer than its lines.
func TestStepIsBounded(t *testing.T) {
	s := New(Options{W: 120, H: 24})
	s.Write(bootLog(50_000))
	_, next, more := s.Step(NewFinder("no such text"), Place{}, Forwards, 1000)
	if !more || next.Line != 1000 {
		t.Errorf("a step of 1000 lines ends at %v, %v", next, more)
	}
}
