package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/loop"
)

// The status line says how long ago was saved what is being built, then what the time went into.
func TestLoopInTheStatusLine(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 120, 40)
	status := func() string { return strings.Split(d.text(), "\n")[38] }
	round := loop.Round{User: "tester", Result: loop.Login, Parts: []loop.Part{{Name: loop.PartPlan, MS: 300}, {Name: loop.PartBoot, MS: 24_700}}}
	d.send(posted{feed.Rounds{Last: round, First: true}})
	if want := "save → login 25.0s: plan 0.3 boot 24.7"; !strings.Contains(status(), want) {
		t.Errorf("%q is not in %q", want, status())
	}
	d.send(posted{screen.LoopBegan{At: d.clock.Add(-72 * time.Second)}})
	if want := "saved 1:12 ago"; !strings.Contains(status(), want) {
		t.Errorf("%q is not in %q", want, status())
	}
	round.Result, round.Error, round.Path = loop.Failed, "no such key", "src/config/manifest.yaml:3:1"
	d.send(posted{feed.Rounds{Last: round}})
	if want := "nothing was booted: src/config/manifest.yaml:3:1: no such key"; !strings.Contains(status(), want) {
		t.Errorf("%q is not in %q", want, status())
	}
	d.works.commandEnded(screen.TagLoop)
	d.send(posted{screen.LoopBegan{At: d.clock}})
	d.send(posted{loopOver{}})
	if !d.loop.began.IsZero() {
		t.Error("the command has ended")
	}
}

// Who types is not taken to another screen.
func TestGoGently(t *testing.T) {
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 120, 40)
	g := screen.Go{Screen: screen.Builds, Gently: true, Notice: "it is there"}
	goes := func() {
		t.Helper()
		for _, cmd := range d.perform([]screen.Effect{g}) {
			d.run(cmd)
		}
		d.settle()
	}
	d.keys("1 :")
	goes()
	if d.screen().Name() != screen.Source || d.notices.last().Text != "it is there" {
		t.Errorf("on %s: %+v", d.screen().Name(), d.notices.last())
	}
	d.keys("esc")
	goes()
	if d.screen().Name() != screen.Builds {
		t.Errorf("on %s", d.screen().Name())
	}
	d.keys("/") // a filter
	d.notices = notices{}
	goes()
	if !d.screen().Typing() || d.notices.last().Text != "it is there" {
		t.Errorf("typing %v: %+v", d.screen().Typing(), d.notices.last())
	}
}
