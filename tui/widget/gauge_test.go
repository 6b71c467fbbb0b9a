package widget_test

import (
	"math"
	"testing"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

func TestGauge(t *testing.T) {
	for _, c := range []struct {
		name  string
		gauge widget.Gauge
		w     int
		ascii bool
		want  string
	}{
		{"none", widget.Gauge{Done: 0, Total: 10}, 10, false, "▯▯▯▯▯▯▯▯▯▯"},
		{"a little is not nothing", widget.Gauge{Done: 1, Total: 1e6, Percent: true}, 15, false, "▮▯▯▯▯▯▯▯▯▯   1%"},
		{"nearly is not all", widget.Gauge{Done: 999, Total: 1000, Percent: true}, 15, false, "▮▮▮▮▮▮▮▮▮▯  99%"},
		{"all", widget.Gauge{Done: 10, Total: 10, Percent: true}, 15, false, "▮▮▮▮▮▮▮▮▮▮ 100%"},
		{"more than all", widget.Gauge{Done: 30, Total: 10, Percent: true}, 15, false, "▮▮▮▮▮▮▮▮▮▮ 100%"},
		{"less than none", widget.Gauge{Done: -3, Total: 10}, 5, false, "▯▯▯▯▯"},
		{"label", widget.Gauge{Done: 5, Total: 10, Percent: true, Label: "5 of 10"}, 19, false, "▮▮▮▯▯▯  50% 5 of 10"},
		{"not known how much", widget.Gauge{Done: 5, Percent: true, Label: "5 files"}, 13, false, "▯▯▯▯▯ 5 files"},
		{"no number", widget.Gauge{Done: math.NaN(), Total: 1, Percent: true}, 4, false, "▯▯▯▯"},
		{"of no number", widget.Gauge{Done: 1, Total: math.NaN()}, 4, false, "▯▯▯▯"},
		{"endless", widget.Gauge{Done: math.Inf(1), Total: math.Inf(1)}, 4, false, "▯▯▯▯"},
		{"no room for a bar", widget.Gauge{Done: 5, Total: 10, Percent: true, Label: "5 of 10"}, 10, false, " 50% 5 of…"},
		{"no room", widget.Gauge{Done: 5, Total: 10, Percent: true}, 0, false, ""},
		{"ASCII", widget.Gauge{Done: 5, Total: 10, Percent: true}, 15, true, "#####.....  50%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cv := canvas.New(c.w+3, 1)
			c.gauge.Draw(cv.Area().Sub(canvas.Rect{W: c.w, H: 1}), theme.New(theme.Options{Mono: true, ASCII: c.ascii}))
			if got := cv.Text(0); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
