package console

import (
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/loop"
	"github.com/nestos/nosa/workspace/machine"
)

func ofLoop(i *machine.Info) { i.Loop = true }

// The machine of a round that was begun here is shown as soon as there is one; those of others are not.
func TestLoopShowsItsMachine(t *testing.T) {
	b := newBench(t, "").handle(built())
	b.begin(time.Hour, ofLoop).boots(milestone.Login, 0)
	b.read()
	b.said()
	b.handle(screen.LoopBegan{})
	b.begin(20*time.Second, func(i *machine.Info) { i.Loop, i.User = true, "bob" })
	b.begin(15*time.Second, nil)
	b.read()
	if got := b.said(); strings.Contains(got, "screen.Go") {
		t.Errorf("went to another's machine: %s", got)
	}
	mine := b.begin(10*time.Second, ofLoop)
	b.read()
	if got := b.said(); !strings.Contains(got, "screen.Go") || !strings.Contains(got, string(mine.id)) || b.s.Focus() != paneConsole {
		t.Errorf("%q, focus %s", got, b.s.Focus())
	}
	b.begin(5*time.Second, ofLoop)
	b.read()
	if got := b.said(); strings.Contains(got, "screen.Go") {
		t.Errorf("a round has one machine: %s", got)
	}
}

// A round that leaves the machine before as it was shows that one; one without a machine ends the wish.
func TestLoopKeepsItsMachine(t *testing.T) {
	b := newBench(t, "").handle(built())
	before := b.begin(time.Hour, ofLoop).boots(milestone.Login, 0)
	b.read()
	round := func(first bool, vm string) string {
		b.said()
		b.handle(feed.Rounds{First: first, Last: loop.Round{User: recordedUser, VM: vm}})
		return b.said()
	}
	if got := round(false, string(before.id)); got != "" {
		t.Errorf("nobody asked: %s", got)
	}
	b.handle(screen.LoopBegan{})
	if got := round(true, string(before.id)); got != "" {
		t.Errorf("an old round: %s", got)
	}
	if got := round(false, string(before.id)); !strings.Contains(got, string(before.id)) {
		t.Errorf("the machine is not shown: %s", got)
	}
	b.handle(screen.LoopBegan{})
	round(false, "")
	b.begin(time.Second, ofLoop)
	b.read()
	if got := b.said(); strings.Contains(got, "screen.Go") {
		t.Errorf("after the round: %s", got)
	}
}
