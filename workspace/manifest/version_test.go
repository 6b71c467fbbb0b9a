package manifest

import (
	"testing"
	"time"
)

func TestNextVersion(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 5, 7, 0, time.FixedZone("", 3600)) // 08:05:07 UTC
	for _, tc := range []struct{ prefix, suffix, last, want string }{
		{"10", ".", "", "10"},
		{"10", ".", "9.4", "10"},
		{"10", ".", "10", "10.1"},
		{"10", ".", "10.1", "10.2"},
		{"10", ".", "10.1.5", "10.2"},
		{"10", ".", "10.x", "10.1"},
		{"10", ".", "101", "10"},
		{"10", "-", "10-9", "10-10"},
		{"10", "-", "10.9", "10"},
		{"35.<date:%Y%m%d>", ".", "", "35.20261102.0"},
		{"35.<date:%Y%m%d>", ".", "35.20261101.7", "35.20261102.0"},
		{"35.<date:%Y%m%d>", ".", "35.20261102", "35.20261102.0"},
		{"35.<date:%Y%m%d>", ".", "35.20261102.0", "35.20261102.1"},
		{"35.<date:%Y%m%d>", ".", "35.202611020", "35.20261102.0"},
		{"24.03-LTS.<date:%Y%m%d>", ".", "24.03-LTS.20261102.11", "24.03-LTS.20261102.12"},
		{"<date:%Y.%-m.%-d>-x", ".", "", "2026.11.2-x.0"},
		{"a<git:%h>", ".", "", "a<git:%h>"},
		{"<date:%Y>.<date:%m>", ".", "", "2026>.<date:11.0"},
	} {
		got, err := NextVersion(tc.prefix, tc.suffix, tc.last, now)
		if err != nil || got != tc.want {
			t.Errorf("%s after %q: want %s, got %s, %v", tc.prefix, tc.last, tc.want, got, err)
		}
	}
	for _, tc := range []struct{ prefix, last string }{{"<date:%>", ""}, {"<date:%q>", ""}, {"<date:%:Y>", ""}, {"1", "1.99999999999999999999"}} {
		if got, err := NextVersion(tc.prefix, ".", tc.last, now); err == nil {
			t.Errorf("%s after %q: want an error, got %s", tc.prefix, tc.last, got)
		}
	}
}

// The expected values were measured with g_date_time_format of GLib 2.74,
// those with the later flag ^ with date(1).
func TestFormatDate(t *testing.T) {
	at := time.Date(2027, 1, 3, 0, 5, 7, 123456789, time.UTC) // a Sunday of ISO week 2026-W53
	for format, want := range map[string]string{
		"%a %A %b %B %h":       "Sun Sunday Jan January Jan",
		"%c":                   "Sun Jan \u20073 00:05:07 2027",
		"%C %y %Y %g %G %V":    "20 27 2027 26 2026 53",
		"%d %e %j %u %w %m":    "03 \u20073 003 7 0 01",
		"%H %I %k %l %M %S %p": "00 12 \u20070 12 05 07 AM",
		"%D %F %R %T %r %x %X": "01/03/27 2027-01-03 00:05 00:05:07 12:05:07 AM 01/03/27 00:05:07",
		"%s %f %Z %z %:z %::z": "1798934707 123456 UTC +0000 +00:00 +00:00:00",
		"%-d %_d %0e %_e %-H":  "3  3 03  3 0",
		"%-_d %_-d %Od %-f %P": " 3 3 03 123456 am",
		"%:::z %-z %^a":        "+00 +0000 SUN",
		"%n%t%%":               "\n\t%",
	} {
		got, err := formatDate(format, at)
		if err != nil || got != want {
			t.Errorf("%s: want %q, got %q, %v", format, want, got, err)
		}
	}
}
