package vt

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
)

// bootLog makes up n lines as a boot prints them.
func bootLog(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		switch i % 4 {
		case 3:
			fmt.Fprintf(&b, "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39munit-%d.service\x1b[0m - Unit number %d.\r\n", i, i)
		default:
			fmt.Fprintf(&b, "[%12.6f] pci 0000:00:%02x.0: BAR %d [mem 0x%08x-0x%08x pref] assigned, nr %d\r\n", float64(i)/1000, i%32, i%6, i*4096, i*4096+4095, i)
		}
	}
	return b.Bytes()
}

// What is whole lines of plain text looks the same by the short way for them and by the long one.
func TestShortWay(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for seed := range 60 {
		var data bytes.Buffer
		for range 1 + r.IntN(4) {
			data.Write(random(uint64(100+seed), r.IntN(20)))
			data.WriteString("\x18\x1b[m\x1b(B\x1b[4l\x1b[?1049l\x1b[?6l\x1b[?7h\x1b[r\x1b[99;1H")
			for range r.IntN(60) {
				data.WriteString(strings.Repeat([]string{"word ", "日本 ", "é… ", "x日"}[r.IntN(4)], r.IntN(12)))
				if r.IntN(3) == 0 {
					fmt.Fprintf(&data, "\x1b[%d;3%dmred\x1b[m ", r.IntN(8), r.IntN(8))
				}
				data.WriteString([]string{"\r\n", "\r\n", "\r\n", "\r\n", "\r\n", " x\r\n", "\n", "日\r\n", "\x1b[44m\r\n\x1b[m"}[r.IntN(9)])
			}
			data.WriteString("prompt$ ")
		}
		w, h := 1+r.IntN(70), 1+r.IntN(20)
		short, long, parts := New(Options{W: w, H: h}), New(Options{W: w, H: h}), New(Options{W: w, H: h})
		short.Write(data.Bytes())
		for i := range data.Bytes() { // a line never is whole
			long.Write(data.Bytes()[i : i+1])
		}
		for p := range pieces(data.Bytes(), rand.New(rand.NewPCG(5, uint64(seed)))) {
			parts.Write(p)
			if r.IntN(50) == 0 {
				parts.Cursor()
			}
		}
		if diff := cmp.Diff(all(long), all(short)); diff != "" {
			t.Fatalf("%d, %dx%d: (-long +short)\n%s", seed, w, h, diff)
		}
		if diff := cmp.Diff(all(long), all(parts)); diff != "" {
			t.Fatalf("%d, %dx%d: (-long +in pieces)\n%s", seed, w, h, diff)
		}
	}
}

// The short way is taken: else the test above shows nothing.
func TestShortWayIsTaken(t *testing.T) {
	s := New(Options{W: 80, H: 24})
	s.Write(bootLog(100))
	if !s.log.on {
		t.Error("a boot log goes the long way")
	}
}

// check fails unless the screen is as one must be.
func check(t *testing.T, s *Screen) {
	t.Helper()
	w, h := s.Size()
	first, top, end := s.Bounds()
	if c := s.Cursor(); c.X < 0 || c.X >= w || c.Line < top || c.Line >= end || end != top+h || first > top {
		t.Fatalf("the cursor is at %+v of %dx%d, lines %d %d %d", c, w, h, first, top, end)
	}
	for y := range h {
		for x := 0; x < w; x++ {
			c := s.cell(x, y)
			if c == nil {
				t.Fatalf("there is no cell %d,%d", x, y)
			}
			if wide := c.Width == 2; wide && (x+1 >= w || s.cell(x+1, y).Width != 0) || c.Width == 0 {
				t.Fatalf("%d,%d has half a character: %+v", x, y, c)
			} else if wide {
				x++
			}
		}
	}
	c := canvas.New(w, h)
	s.Draw(c.Area(), first)
	s.Draw(c.Area(), top)
	out := string(c.AppendLines(nil, func(canvas.Style) string { return "" }))
	if strings.ContainsAny(out, "\x1b\x07\r\t\u009b\u202e\ufffd") {
		t.Fatalf("something of the guest is passed on: %q", out)
	}
	if strings.ContainsFunc(s.Title(), func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) || len(s.Title()) > longestTitle {
		t.Fatalf("the title is %q", s.Title())
	}
}

// Whatever comes, at whatever size: nothing breaks.
func TestManyTokens(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 9))
		s := New(Options{W: 20, H: 10, Lines: 1000})
		data := random(seed, 5000)
		for len(data) > 0 {
			n := min(1+r.IntN(400), len(data))
			s.Write(data[:n])
			data = data[n:]
			if r.IntN(4) == 0 {
				s.Resize(1+r.IntN(50), 1+r.IntN(20))
			}
			check(t, s)
		}
		if first, screen, _ := s.Bounds(); screen-first > 1000+perBlock {
			t.Errorf("%d lines are kept", screen-first)
		}
	}
}

func FuzzScreen(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(random(seed, 40), uint16(seed*777))
	}
	f.Add([]byte("\x1b]2;a\xffb\x1b[3\x9b1m\x90\x1bP+q\x1b\\\x1b[?1049h\x1b[999999999999;b日"), uint16(9))
	f.Add(bootLog(30), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, how uint16) {
		r := rand.New(rand.NewPCG(uint64(how), 1))
		s := New(Options{W: 1 + r.IntN(30), H: 1 + r.IntN(12), Lines: 600})
		for len(data) > 0 {
			n := 1 + r.IntN(len(data))
			s.Write(data[:n])
			data = data[n:]
			check(t, s)
			s.Resize(1+r.IntN(30), 1+r.IntN(12))
			check(t, s)
		}
		first, _, end := s.Bounds()
		s.Text(Selection{Place{first, 0}, Place{end, 5}, WholeLines})
		s.Text(Selection{Place{end - 1, 3}, Place{first, 2}, Words})
		s.Step(NewFinder("a"), Place{end, 0}, Backwards, 50)
	})
}

// A guest that means harm costs bounded memory, and nobody waits for it.
func TestHostile(t *testing.T) {
	mib := func(seq string, n int) []byte { return bytes.Repeat([]byte(seq), n<<20/len(seq)) }
	for name, data := range map[string][]byte{
		"questions":    bytes.Repeat([]byte("\x1b[6n"), 1_000_000),
		"endless OSC":  append([]byte("\x1b]0;"), mib("x", 1)...),
		"endless DCS":  append([]byte("\x1bP"), mib("q;", 1)...),
		"OSC 52":       mib("\x1b]52;c;aGk=\x07", 2),
		"titles":       mib("\x1b]2;"+strings.Repeat("t\x01\u009b\u202e", 50)+"\x07", 2),
		"big numbers":  mib("\x1b[99999999999999999999;4294967297;18446744073709551616H\x1b[2147483647b\x1b[2147483647L\x1b[2147483647;2147483647r\x1b[2147483647@", 1),
		"many numbers": append(append([]byte("\x1b["), mib("1;", 2)...), 'm'),
		"modes":        mib("\x1b[?12345h\x1b[?54321h\x1b[4711h", 1),
		"alternating":  mib("\x1b[?1049h\x1b[?1049l", 1)[:4<<10],
		"combining":    append([]byte("a"), mib("\u0301", 2)...),
		"joined":       append([]byte("👩"), mib("\u200d👩", 2)...),
		"REP":          mib("日\x1b[65535b", 1)[:2<<10],
		"bells":        mib("\a", 1),
		"no UTF-8":     mib("\xff\xfe\x80\x9b31m\x90\xc0", 1),
		"no line end":  mib("x", 1),
		"long log":     bootLog(60_000),
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Options{Lines: 5000})
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			done := make(chan struct{})
			go func() {
				s.Write(data)
				close(done)
			}()
			select {
			case <-done:
			case <-time.After(5 * time.Minute):
				t.Fatal("it hangs")
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
				t.Errorf("it keeps %d KiB", grown>>10)
			}
			s.Write([]byte("\x18\x1b\\\x1b[m\x1bc"))
			s.Write([]byte("still here"))
			if got := screenText(s); got != "still here" {
				t.Errorf("afterwards it shows %q", got)
			}
			check(t, s)
			if n := len(s.Replies()); n > 64 {
				t.Errorf("%d answers wait", n)
			}
			runtime.KeepAlive(data)
		})
	}
}

// Whatever is dear lets others have their turn soon.
func TestTurns(t *testing.T) {
	for _, seq := range []string{
		"\n", "\x1bM", "\x1bc", "\x1b#8", "\x1b[2J", "\x1b[1J", "\x1b[9L", "\x1b[9M", "\x1b[S", "\x1b[T", "\x1b[@", "\x1b[P", "\x1b[4hx",
		"x\x1b[999b", "\x1b[?7lx\x1b[999b", "\x1b[?1049h\x1b[?1049l", "\t",
	} {
		s := New(Options{})
		s.Write([]byte("\x1b[99;1H"))
		s.edits = 0
		if n := s.write(bytes.Repeat([]byte(seq), 64<<10/len(seq))) / len(seq); n > enoughEdits+24 { // some only move the cursor
			t.Errorf("%q: %d are done at once", seq, n)
		}
	}
}

func TestCounts(t *testing.T) {
	s := New(Options{})
	s.Write([]byte("\a\a\x1b]52;c;aGk=\a\x1b]9;hello\x1b\\\x1b]777;notify;a;b\a\x1bPq\x1b\\\x1b_x\x1b\\\x1b]8;;http://x\a"))
	s.Write(bytes.Repeat([]byte("\x1b[5n"), 100))
	s.Write(append([]byte("\x1b]2;"), bytes.Repeat([]byte("x"), 70<<10)...))
	want := Counts{Bells: 2, Replies: 36, Clipboard: 1, Notices: 2, Strings: 3, Overlong: 1}
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestTitle(t *testing.T) {
	for title, want := range map[string]string{
		"root@guest: ~":              "root@guest: ~",
		"a\u009b31mb\u202ec\u2028d":  "a31mbcd",
		"ümläut ✜":                   "ümläut ✜",
		strings.Repeat("日", 200):     strings.Repeat("日", 85),
		"bad \xff\xfe":               "bad",
		"tab\tand\rreturn\x01\x02 x": "tabandreturn x",
	} {
		s := New(Options{})
		s.Write([]byte("\x1b]0;" + title + "\x1b\\"))
		if got := s.Title(); got != want {
			t.Errorf("%q: got %q, want %q", title, got, want)
		}
	}
}
