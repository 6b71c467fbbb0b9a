package serial

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
)

func (p *pane) press(names string) {
	p.t.Helper()
	for name := range strings.FieldsSeq(names) {
		effects, mine := p.Key(term.Key{Name: name, Text: name})
		if !mine {
			p.t.Fatalf("%s means nothing", name)
		}
		p.do(effects)
		p.draw()
	}
}

// The scrollback stays while the guest prints on.
func TestScrollback(t *testing.T) {
	g := startGuest(t)
	for i := range 100 {
		g.print(fmt.Sprintf("line %d\r\n", i))
	}
	p := watch(t, g, 40, 5)
	p.await("line 99")
	p.press("ctrl+u ctrl+b")
	at := p.text()
	if !p.Scrolled() || strings.Contains(at, "line 99") {
		t.Fatalf("not scrolled:\n%s", at)
	}
	for i := range 50 {
		g.print(fmt.Sprintf("later %d\r\n", i))
	}
	p.until("what comes later", func() bool { return strings.Contains(p.Bottom(p.theme), "50 new") })
	if diff := cmp.Diff(at, p.text()); diff != "" {
		t.Error(diff)
	}
	p.press("g g")
	if got := p.text(); !strings.HasPrefix(got, "line 0\n") {
		t.Errorf("the first line:\n%s", got)
	}
	p.press("V j y")
	if diff := cmp.Diff([]string{"line 0\nline 1"}, p.copied); diff != "" {
		t.Error(diff)
	}
	p.press("G")
	if p.Scrolled() || !strings.Contains(p.text(), "later 49") {
		t.Errorf("the end:\n%s", p.text())
	}
}

// Who looks at the scrollback while attached has the keys again after it.
func TestScrollbackAttached(t *testing.T) {
	g := startGuest(t)
	g.print("one\r\ntwo\r\n")
	p := watch(t, g, 40, 5)
	p.live()
	if rest := p.raw("\x1d[kk"); rest != "kk" {
		t.Errorf("%q is left", rest)
	}
	p.press("k y")
	p.press("esc")
	if !p.Attached() {
		t.Fatal("not attached")
	}
	p.raw("x\x1dp")
	p.awaitTyped(g, "x")
	if len(p.asks) != 1 || !strings.Contains(strings.Join(p.asks[0].Text, " "), "two") {
		t.Fatalf("asked %+v", p.asks)
	}
	p.take(screen.Answer{Tag: p.asks[0].Tag, Choice: choiceYes})
	p.awaitTyped(g, "xtwo")
}

// A search goes from hit to hit, and over the ends.
func TestFind(t *testing.T) {
	g := startGuest(t)
	for i := range 5000 {
		g.print(fmt.Sprintf("line %d\r\n", i))
	}
	g.print("$ ")
	p := watch(t, g, 40, 5)
	p.await("$")
	find := func(text string) {
		t.Helper()
		effects, err := p.Find(text)
		if err != nil {
			t.Fatal(err)
		}
		p.do(effects)
	}
	here := func(want string) {
		t.Helper()
		if got := p.Selected(); p.back == nil || got != want {
			t.Errorf("at %q, want %q", got, want)
		}
	}
	find("LINE 999")
	here("line 999")
	find("/line 4[0-9]$/")
	here("line 49")
	p.press("N")
	here("line 48")
	p.press("n n")
	here("line 40")
	if _, err := p.Find("/(/"); err == nil {
		t.Error("a bad pattern is none")
	}
	find("nowhere")
	if len(p.said) != 1 {
		t.Errorf("said %v", p.said)
	}
	p.do(p.Show("line 4711"))
	here("line 4711")
	p.do(p.Show("nobody asked")) // so nobody is told
	if len(p.said) != 1 || p.Scrolled() || p.Finding() != "" {
		t.Errorf("said %v, scrolled %v, finding %q", p.said, p.Scrolled(), p.Finding())
	}
	find("line 1")
	p.press("esc esc")
	if p.Scrolled() || p.Finding() != "" {
		t.Error("esc does not leave")
	}
}
