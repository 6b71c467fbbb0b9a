package term

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// screen is a file in place of a terminal: what was written since the last look.
type screen struct {
	t    *testing.T
	file *os.File
	seen int
}

func newScreen(t *testing.T) *screen {
	f, err := os.Create(filepath.Join(t.TempDir(), "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &screen{t: t, file: f}
}

func (s *screen) got() string {
	s.t.Helper()
	all, err := os.ReadFile(s.file.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	rest := string(all[s.seen:])
	s.seen = len(all)
	return rest
}

func (s *screen) wants(what, want string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.got()); diff != "" {
		s.t.Errorf("%s: %s", what, diff)
	}
}

func send(t *testing.T, o *Output, s string) {
	t.Helper()
	if n, err := o.WriteString(s); err != nil || n != len(s) {
		t.Fatal(n, err)
	}
}

func draw(o *Output, frame string) {
	o.Show([]byte(frame), -1, -1)
	pass()
}

// pass lets the time go by in which what waits goes out, in a bubble of synctest.
func pass() {
	time.Sleep(2 * breath)
	synctest.Wait()
}

func TestOutputFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(t)
		o := NewOutput(s.file, OutputOptions{Sync: true})
		o.Send("\a")
		pass()
		s.wants("what is sent waits for the screen", "")
		o.Show([]byte("one\ntwo"), -1, -1)
		pass()
		s.wants("so does a frame", "")

		send(t, o, altOn)
		pass()
		s.wants("a frame takes along what waits", altOn+syncOn+"\x1b[1Hone\x1b[2Htwo"+syncOff+"\a")
		if got := o.Stats(); got.Frames != 1 || got.Bytes == 0 {
			t.Errorf("%+v", got)
		}
		if n, err := o.Write([]byte("of Bubble Tea")); err != nil || n != 13 {
			t.Error(n, err)
		}
		draw(o, "one\ntwo")
		s.wants("nothing has changed", "")
		o.Show([]byte("one\nthree"), 4, 2)
		pass()
		s.wants("the cursor comes with the frame", syncOn+"\x1b[2Hthree"+"\x1b[3;5H"+cursorOn+syncOff)
		o.Show([]byte("four         \nthree"), 4, 2)
		pass()
		s.wants("it does not run over the screen while that is drawn, blanks at the end are erased",
			syncOn+cursorOff+"\x1b[1Hfour"+eraseRight+"\x1b[3;5H"+cursorOn+syncOff)
		o.Show([]byte("four         \nthree"), 6, 2)
		pass()
		s.wants("it goes alone", "\x1b[3;7H")
		o.writing.Lock() // a slow link
		o.Show([]byte("a"), 6, 2)
		o.Show([]byte("b"), 6, 2)
		o.Show([]byte("four         \nthree"), -1, -1)
		o.writing.Unlock()
		pass()
		s.wants("of several frames the last", cursorOff)
		o.Repaint()
		draw(o, "four\n\x1b[7m  \x1b[m")
		s.wants("another size", syncOn+"\x1b[1Hfour\x1b[2H\x1b[7m  \x1b[m"+syncOff)
		send(t, o, eraseAll)
		pass()
		s.wants("an empty screen is drawn again", eraseAll+syncOn+"\x1b[1Hfour\x1b[2H\x1b[7m  \x1b[m"+syncOff)
		o.SetTitle("a\x1b]0;b\a\nc")
		o.SetTitle("d")
		pass()
		s.wants("titles; the first keeps the one that was", titleSave+"\x1b]2;a]0;b c\x1b\\\x1b]2;d\x1b\\")

		send(t, o, altOff)
		s.got()
		o.Send("x")
		draw(o, "five")
		if _, err := o.Write([]byte("printed")); err != nil {
			t.Error(err)
		}
		s.wants("another program has the terminal", "printed")
		send(t, o, altOn)
		pass()
		s.wants("it comes after that", altOn+syncOn+"\x1b[1Hfive"+syncOff+"x")

		if diff := cmp.Diff(syncOff+attrsReset+mouseOff+pasteOff+focusOff+altOff+cursorOn+titleBack, o.release()); diff != "" {
			t.Error(diff)
		}
		draw(o, "late")
		send(t, o, cursorOff)
		o.Send("later")
		pass()
		s.wants("nothing after the end", "")
		if got := o.release(); got != "" {
			t.Errorf("released twice: %q", got)
		}
	})
}

// What waits while another program has the terminal is bounded.
func TestOutputQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(t)
		o := NewOutput(s.file, OutputOptions{})
		for i := range 40 {
			o.Send(string(rune('a' + i)))
		}
		send(t, o, altOn)
		pass()
		if got := strings.TrimPrefix(s.got(), altOn); len([]rune(got)) != 16 || !strings.HasSuffix(got, string(rune('a'+39))) {
			t.Errorf("%q", got)
		}
	})
}

// A frame allocates nothing, whatever of it has changed.
func TestOutputAllocates(t *testing.T) {
	o := NewOutput(newScreen(t).file, OutputOptions{Sync: true})
	o.alt = true
	frames := [][]byte{[]byte(strings.Repeat("one row        \n", 60)), []byte(strings.Repeat("another        \n", 60))}
	i := 0
	n := testing.AllocsPerRun(100, func() {
		i++
		o.busy = true // nobody else brings it out
		o.Show(frames[i%2], i, i)
		o.bring()
	})
	if n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}

// A slow link gets fewer frames, and more again when it is quick.
func TestPace(t *testing.T) {
	var p pace
	var got []time.Duration
	for range 4 {
		p.add(200 * time.Millisecond)
		got = append(got, p.slot()/time.Millisecond)
	}
	for range 60 {
		p.add(time.Millisecond)
	}
	got = append(got, p.slot()/time.Millisecond)
	if diff := cmp.Diff([]time.Duration{66, 133, 250, 250, 33}, got); diff != "" {
		t.Error(diff)
	}
	p.add(10 * time.Millisecond)
	if p.slot() != 33*time.Millisecond {
		t.Error("a little waiting is no reason")
	}
}

func TestIdleMark(t *testing.T) {
	if got := NewOutput(nil, OutputOptions{}).IdleMark(3); got != "" {
		t.Errorf("outside of tests: %q", got)
	}
	if got, want := NewOutput(nil, OutputOptions{Test: true}).IdleMark(3), "\x1b]7791;idle;3\x1b\\"; got != want {
		t.Errorf("got %q", got)
	}
}
