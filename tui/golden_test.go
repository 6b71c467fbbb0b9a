package tui

import (
	"fmt"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/tuitest"
)

// What is the workbench's own, at the three sizes: its frame, palette, keys, dialogs, welcome.
func TestLooks(t *testing.T) {
	open := map[string]func(d *driver){
		"palette":  func(d *driver) { d.keys(":") },
		"filtered": func(d *driver) { d.keys(":"); d.types("delete") },
		"keys":     func(d *driver) { d.keys("3 ?") },
		"quit": func(d *driver) {
			d.ask(screen.Ask{Tag: tagQuit, Title: "Quit?", Text: []string{"build runs since 1:12."}, Choices: []screen.Choice{
				{ID: "quit", Title: "Quit, jobs go on", Key: "q"}, {ID: "cancel", Title: "Cancel jobs and quit", Key: "x"}, {Title: "Stay", Key: "s"},
			}})
		},
	}
	for name, do := range open {
		d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, 80, 24)
		for i, s := range d.screens {
			d.screens[i] = blank{s}
		}
		d.rebind()
		d.files.Watch.Notice, d.files.Watch.Polled = "full", 12
		do(d)
		d.model.o.Dir = "/home/ada/nestos" // temporary directories differ
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
			d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			_ = d.text()
			tuitest.Golden(t, fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), d.canvas)
		}
	}
}

// blank is a screen that draws nothing and has two actions: what the screens show is for their own tests.
type blank struct{ screen.Screen }

func (blank) Draw(canvas.Area, screen.Frame) {}
func (blank) Hint() string                   { return "a hint" }

func (b blank) Actions() []screen.Action {
	name := string(b.Name())
	return []screen.Action{
		{ID: name + ".delete", Title: "Delete it", Short: "delete", Keys: []string{"D"}, Command: func() []string { return []string{"delete", "12.0"} }, Run: func() []screen.Effect { return nil }},
		{ID: name + ".off", Title: "Do what cannot be done", Short: "do", Keys: []string{"d"}, Pane: b.Focus(), Off: func() string { return "nothing is chosen" }, Run: func() []screen.Effect { return nil }},
	}
}

func TestWelcomeLooks(t *testing.T) {
	d := newDriver(t, Options{Dir: t.TempDir(), Nosa: nosa(t)}, 80, 24)
	d.model.o.Dir = "/home/ada/empty"
	d.screens[0].(*welcome).dir = "/home/ada/empty"
	for _, size := range [][2]int{{40, 10}, {80, 24}, {120, 40}, {200, 60}, {39, 9}} {
		d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		_ = d.text()
		tuitest.Golden(t, fmt.Sprintf("welcome-%dx%d", size[0], size[1]), d.canvas)
	}
	d.theme = tuitest.RoleTheme()
	d.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	_ = d.text()
	tuitest.GoldenStyles(t, "welcome-styles", d.canvas, d.theme)
}
