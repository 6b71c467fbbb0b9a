package vt

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
)

// drawn is what Draw shows of the screen's first row.
func drawn(s *Screen) string {
	c := canvas.New(10, 3)
	_, top, _ := s.Bounds()
	s.Draw(c.Area(), top)
	return strings.TrimRight(c.Text(0), " ")
}

// Half a picture is not drawn, but for one that does not end in time.
func TestHold(t *testing.T) {
	const begin, end = "\x1b[?2026h", "\x1b[?2026l"
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	s := New(Options{W: 10, H: 3})
	s.now = func() time.Time { return now }
	var got []string
	step := func(pass time.Duration, text string) {
		now = now.Add(pass)
		_, _ = s.Write([]byte(text))
		got = append(got, drawn(s))
	}
	step(0, "one")
	step(time.Second, begin+"\r\x1b[Ktw")     // half
	step(0, "o"+end)                          // whole
	step(time.Second, begin+"\r\x1b[Kthr")    // half again,
	step(HoldMost-1, begin)                   // and what begins in it is no other
	step(1, "")                               // too late
	step(time.Second, end+begin+"\r\x1b[Kfo") // one that has another at once after it
	step(holdEvery-1, end+begin+"\r\x1b[Kfi") // too soon to be kept
	step(1, end+begin+"\r\x1b[Ksi")
	step(0, "\x1bc7") // a reset ends it
	step(time.Second, begin+"\r8")
	s.Resize(10, 2) // what was kept does not fit
	step(0, "")
	want := []string{"one", "one", "two", "two", "two", "thr", "thr", "thr", "fi", "7", "7", "8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s.Held() {
		t.Error("it is held still")
	}
}
