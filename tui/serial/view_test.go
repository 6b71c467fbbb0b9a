package serial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/vm/console"
)

// What the guest printed before and after is shown; keys arrive; the end is told.
func TestConsole(t *testing.T) {
	g := startGuest(t)
	g.print("before\r\n")
	p := watch(t, g, 40, 6)
	p.await("before")
	g.print("after\r\n\x1b[1mlogin: \x1b[m")
	p.await("login:")
	if diff := cmp.Diff("before\nafter\nlogin:", p.text()); diff != "" {
		t.Error(diff)
	}
	p.live()
	if rest := p.raw("core\r"); rest != "" {
		t.Errorf("%q is left", rest)
	}
	p.awaitTyped(g, "core\r")
	p.until("the size", func() bool { return g.wasAsked(`size{"cols":40,"rows":6}`) })
	if x, y, ok := p.canvas.Cursor(); !ok || x != 7 || y != 2 {
		t.Errorf("the cursor is at %d,%d %v", x, y, ok)
	}
	_ = g.ring.Close()
	p.until("the end", func() bool { return p.Status().Link == Ended })
	if got := p.Status().Why; got != "the guest powered off" {
		t.Errorf("why: %q", got)
	}
	if rest := p.raw("dx"); rest != "" || !p.Attached() {
		t.Errorf("%q of what was typed to the guest is the workbench's", rest)
	}
	if rest := p.raw("ls\rd"); rest != "" || p.Attached() {
		t.Errorf("enter does not give the keys back; %q is left", rest)
	}
	if p.Attach(); p.Attached() || p.Off() == "" {
		t.Error("a machine that has ended gets the keys")
	}
}

// A console that was lost goes on where it was, with nothing lost or doubled.
func TestReconnect(t *testing.T) {
	g := startGuest(t)
	g.print("one\r\n")
	p := watch(t, g, 40, 6)
	p.await("one")
	g.stop()
	<-g.stopped
	g.print("two\r\n")
	g.serve()
	p.await("two")
	g.print("three")
	p.await("three")
	if diff := cmp.Diff("one\ntwo\nthree", p.text()); diff != "" {
		t.Error(diff)
	}
}

// A pane that is not drawn gets one News and no more.
func TestUnseen(t *testing.T) {
	g := startGuest(t)
	p := watch(t, g, 40, 6)
	p.until("the console", func() bool { return p.Off() == "" })
	for len(p.events) > 0 {
		p.take(<-p.events)
	}
	_ = p.View.src.drawn.Swap(false) // as if News was posted
	for i := range 2000 {
		g.print(fmt.Sprintf("line %d\r\n", i))
	}
	drained := func() bool {
		_, _, end := p.screen.Bounds()
		return end >= 2000
	}
	p.until("all lines", drained)
	if p.news > 20 {
		t.Errorf("%d messages while it was not seen", p.news)
	}
	if got := p.text(); !strings.Contains(got, "line 1999") {
		t.Errorf("shows\n%s", got)
	}
}

// The guest's questions are answered by the one who typed last, and nobody else; those of its history by nobody.
func TestReplies(t *testing.T) {
	const ask = "\x1b[6n"
	g := startGuest(t)
	g.print("history" + ask)
	one, two := watch(t, g, 40, 6), watchAs(t, g, Options{User: "anna"}, 40, 6)
	one.await("history")
	two.await("history")
	g.print(ask + "nobody")
	one.await("nobody")
	two.await("nobody")
	one.live()
	two.live()
	one.until("that another has the keyboard", func() bool { return !one.src.ours() })
	g.print("\r\n" + ask + "two")
	one.await("two")
	two.await("two")
	two.awaitTyped(g, "\x1b[2;1R")
	one.raw("x")
	one.until("the keyboard", func() bool { return one.src.ours() })
	two.until("that another has the keyboard", func() bool { return !two.src.ours() })
	if got := two.Right(two.theme); !strings.Contains(got, "me types") {
		t.Errorf("says %q", got)
	}
	g.print("\r\n" + ask + "one")
	two.await("one")
	one.await("one")
	one.awaitTyped(g, "\x1b[2;1Rx\x1b[3;1R")
}

// Mouse events are the guest's only when it asked for them.
func TestMouse(t *testing.T) {
	g := startGuest(t)
	g.print("plain\r\n")
	p := watch(t, g, 40, 6)
	p.live()
	p.do(p.Mouse(term.Mouse{Kind: term.Press, Button: 1, Clicks: 1}))
	g.print("\x1b[?1000h\x1b[?1006hmouse")
	p.await("mouse")
	p.do(p.Mouse(term.Mouse{Kind: term.Press, X: 3, Y: 1, Button: 1, Clicks: 1}))
	p.do(p.Mouse(term.Mouse{Kind: term.WheelUp, X: 3, Y: 1, Lines: 2}))
	p.awaitTyped(g, "\x1b[<0;4;2M\x1b[<64;4;2M\x1b[<64;4;2M")
	if p.Scrolled() {
		t.Error("the wheel was the guest's, and scrolled")
	}
	p.do(p.Mouse(term.Mouse{Kind: term.Press, Button: 1, Clicks: 2, Shift: true}))
	p.do(p.Copy())
	if diff := cmp.Diff([]string{"plain"}, p.copied); diff != "" {
		t.Error(diff)
	}
}

// A guest that reads nothing holds nobody up, and what is lost is said.
func TestGuestThatReadsNothing(t *testing.T) {
	g := startGuest(t)
	g.block = make(chan struct{})
	p := watch(t, g, 40, 6)
	p.live()
	for range 2*mostTyped/4096 + 1 {
		p.raw(strings.Repeat("x", 4096))
	}
	if len(p.said) == 0 {
		t.Error("nothing was said")
	}
	g.print("alive")
	p.await("alive")
	close(g.block)
}

// Output that never came is said where it is missing.
func TestSkipped(t *testing.T) {
	g := startGuest(t)
	g.ring.Size = 4096
	p := watch(t, g, 60, 10)
	g.print("first\r\n")
	p.await("first")
	g.stop()
	<-g.stopped
	for i := range 2000 {
		g.print(fmt.Sprintf("line %d\r\n", i))
	}
	g.serve()
	p.await("line 1999")
	if !strings.Contains(p.Bottom(p.theme), "lost") {
		t.Errorf("says %q", p.Bottom(p.theme))
	}
	p.ScrollBy(-1 << 20)
	if got := p.text(); !strings.Contains(got, "of output were lost here]") {
		t.Errorf("shows\n%s", got)
	}
}

// Of a machine that has ended the log is shown.
func TestEndedLog(t *testing.T) {
	g := startGuest(t)
	log, err := console.OpenLog(g.dir+"/console.log", console.LogOptions{Head: 100, Tail: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		fmt.Fprintf(log, "line %d\r\n", i)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	g.stop()
	<-g.stopped
	if err := g.m.End(time.Now(), "QEMU ended"); err != nil {
		t.Fatal(err)
	}
	p := watch(t, g, 60, 4)
	p.await("line 39")
	if st := p.Status(); st.Link != Ended || st.Why != "QEMU ended" {
		t.Errorf("%+v", st)
	}
	p.ScrollBy(-1 << 20)
	if got := p.text(); !strings.Contains(got, "line 0") {
		t.Errorf("shows\n%s", got)
	}
}
