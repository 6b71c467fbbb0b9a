package builds

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/event"
)

// ago is a time as a list shows it: shorter the longer it is past.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(now.Location())
	days := dayOf(now) - dayOf(t)
	switch {
	case days == 0:
		return t.Format("15:04")
	case days == 1:
		return "yesterday"
	case days > 1 && days < 300 || days < 0 && days > -300:
		return t.Format("Jan _2")
	}
	return t.Format("2006-01-02")
}

func dayOf(t time.Time) int {
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// since is how long ago a time was, in words.
func since(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < 0:
		return "in the future"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h ago"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days ago"
}

// short is a size in at most five columns: 512B, 1.2K, 990M, 1.9G.
func short(n int64) string {
	v, unit := float64(n), ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if v < 999.5 {
			break
		}
		v /= 1024
		unit = u
	}
	if unit == "" {
		return fmt.Sprintf("%dB", n)
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f%s", v, unit)
	}
	return fmt.Sprintf("%.0f%s", v, unit)
}

// long is a size for people: 1.91 GiB.
func long(n int64) string { return event.Bytes(n).String() }

// growth is a difference of sizes with its sign.
func growth(n int64) string {
	if n > 0 {
		return "+" + short(n)
	}
	if n < 0 {
		return "-" + short(-n)
	}
	return "0"
}

// clock is how long something took: 0.4s, 12s, 4:02, 1:02:03.
func clock(ms int64) string { return widget.Took(time.Duration(ms) * time.Millisecond) }

func shortSum(sum string) string { return sum[:min(12, len(sum))] }
