package console

import (
	"os"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace/machine"
)

func TestGoldenEmpty(t *testing.T) {
	newBench(t, "").read().golden("empty")
	newBench(t, "").handle(built()).read().golden("nothing-booted")
}

// A boot on its way, against one of another build.
func TestGoldenBooting(t *testing.T) {
	b := newBench(t, "").handle(built())
	b.begin(time.Hour, func(i *machine.Info) { i.Build = "12.20261122.0" }).boots(milestone.Login, 0).end("stopped by bob")
	b.begin(7*time.Second, func(i *machine.Info) { i.Name = "lab" }).boots(milestone.SwitchRoot, 600*time.Millisecond)
	b.begin(30*time.Minute, func(i *machine.Info) { i.User, i.Resumed = "bob", true })
	b.read()
	b.golden("booting")
	b.s.SetFocus(paneConsole)
	b.golden("booting-console")
	b.s.SetFocus(paneBoot)
	b.golden("booting-boot")
	b.w, b.h, b.theme = 120, 37, tuitest.RoleTheme()
	b.draw()
	b.readConsole()
	tuitest.GoldenStyles(t, "booting-style", b.draw(), b.theme)
}

// A boot that went wrong.
func TestGoldenFailed(t *testing.T) {
	b := newBench(t, "").handle(built())
	r := b.begin(time.Minute, nil).boots(milestone.Initrd, 0)
	r.comes(9*time.Second, milestone.FailedUnit, "[FAILED] Failed to start broken.service - What does not start.")
	r.comes(10*time.Second, milestone.Emergency, "You are in emergency mode. After logging in, type \"journalctl -xb\" to view")
	b.read()
	b.draw() // the guest's screen has its size before the place is sought
	b.readConsole()
	b.golden("failed")
	b.theme = theme.New(theme.Options{Mono: true, ASCII: true})
	b.w, b.h = 80, 21
	b.draw()
	b.readConsole()
	tuitest.Golden(t, "failed-ascii-80", b.draw())
}

// The machines of a real workspace, with what one said of itself.
func TestGoldenRecorded(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(recorded)); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, dir)
	b.now = noon().Add(24 * time.Hour)
	b.read()
	for id, s := range reports(t) {
		b.does(b.s.show(id))
		b.s.reports[id] = &report{}
		b.handle(inspected{id: id, said: s})
	}
	b.golden("recorded")
	b.s.SetFocus(paneInspect)
	b.golden("recorded-inspect")
}
