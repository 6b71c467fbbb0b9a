package widget

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 4, 2, 0, time.FixedZone("", 3600))
	for got, want := range map[string]string{
		Stopwatch(-time.Second):             "0:00",
		Stopwatch(59 * time.Second):         "0:59",
		Stopwatch(3723 * time.Second):       "1:02:03",
		Took(340 * time.Millisecond):        "0.3s",
		Took(12 * time.Second):              "12s",
		Took(125 * time.Second):             "2:05",
		Moment(time.Time{}, now):            "",
		Moment(now.Add(-time.Hour), now):    "11:04",
		Moment(now.Add(-13*time.Hour), now): "Nov 21",
		Count(1, "line", "lines"):           "1 line",
		Count(0, "line", "lines"):           "0 lines",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
