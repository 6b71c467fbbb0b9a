package tui

import (
	"testing"

	"github.com/nestos/nosa/tui/canvas"
)

func TestLayout(t *testing.T) {
	for h := range 120 {
		for _, w := range []int{0, 1, 39, 40, 80, 300} {
			a := layout(w, h)
			all := []canvas.Rect{a.header, a.body, a.status, a.footer}
			if r, s, ok := canvas.Overlap(all); ok {
				t.Fatalf("%dx%d: %v and %v overlap", w, h, r, s)
			}
			rows := 0
			for _, r := range all {
				if r.H > 0 && r.W != w || r.H < 0 || r.Y < 0 || r.Y+r.H > h {
					t.Fatalf("%dx%d: %v", w, h, r)
				}
				rows += r.H
			}
			if rows != h {
				t.Fatalf("%dx%d: %d rows are given away", w, h, rows)
			}
			if h >= minHeight && a.body.H < 7 {
				t.Fatalf("%dx%d: a body of %d rows", w, h, a.body.H)
			}
		}
	}
}
