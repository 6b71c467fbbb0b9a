package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	want := Event{V: 1, Time: time.Date(2026, 11, 22, 12, 0, 0, 7, time.UTC), Kind: Progress, Step: "install", Done: 3, Total: 9, Unit: UnitPackages}
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"v":1,"time":"2026-11-22T12:00:00.000000007Z","kind":"progress","step":"install","done":3,"total":9,"unit":"packages"}`, string(line)); diff != "" {
		t.Error(diff)
	}
	got, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "{", `{"v":2,"kind":"start"}`, `[]`} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"v":1,"kind":"log","text":"x"}`)
	f.Fuzz(func(t *testing.T, line string) {
		if e, err := Parse([]byte(line)); err == nil && e.V != Version {
			t.Errorf("version %d was taken", e.V)
		}
	})
}

// What a program prints must not reach a terminal as anything but text.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                   "plain",
		"a\tb":                    "a b",
		"10%\r100%\r\n":           "100%",
		"\x1b[31mred\x1b[0m":      " [31mred [0m",
		"\x1b]0;title\x07x":       " ]0;title x",
		"c1 \u009b31m":            "c1  31m",
		"中文 é":                    "中文 é",
		"trailing   \x00":         "trailing",
		string([]byte{0xff, 'a'}): "\ufffda",
	} {
		if diff := cmp.Diff(want, Clean(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func TestBytes(t *testing.T) {
	for in, want := range map[Bytes]string{
		0: "0 B", 512: "512 B", KiB: "1.00 KiB", 1536: "1.50 KiB", 10 * MiB: "10.0 MiB",
		995 * MiB / 10: "99.5 MiB", 200 * GiB: "200 GiB", -KiB: "-1.00 KiB", 3 * TiB: "3.00 TiB",
	} {
		if got := in.String(); got != want {
			t.Errorf("%d: got %q, want %q", int64(in), got, want)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for in, want := range map[string]Bytes{
		"0": 0, "512": 512, "512b": 512, "1K": KiB, "1.5 GiB": 3 * GiB / 2, "10G": 10 * GiB, "2TB": 2 * TiB, " 7 MiB ": 7 * MiB,
	} {
		got, err := ParseBytes(in)
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "G", "-1", "1.2.3", "1e30G", "ten", "NaN"} {
		if got, err := ParseBytes(bad); err == nil {
			t.Errorf("%q: got %d and no error", bad, got)
		}
	}
}

// sink keeps what was emitted.
type sink struct {
	events []Event
	lines  []string
}

func (s *sink) Emit(e Event)           { s.events = append(s.events, e) }
func (s *sink) Line(step, text string) { s.lines = append(s.lines, step+": "+text) }

// Four a second and the last get through, however often it is called.
func TestReporterProgress(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &sink{}
	r := NewReporter("download", s, s, func() time.Time { return now })
	for i := range int64(1001) {
		r.Progress(i, 1000, UnitBytes)
		now = now.Add(time.Millisecond)
	}
	var done []int64
	for _, e := range s.events {
		done = append(done, e.Done)
	}
	if diff := cmp.Diff([]int64{0, 250, 500, 750, 1000}, done); diff != "" {
		t.Error(diff)
	}
}

func TestReporterIsNilSafe(t *testing.T) {
	var r *Reporter
	r.Progress(1, 2, UnitFiles)
	r.Line("x")
	r.Info("x")
	r.Warn("x")
	r.Artifact("x")
	s := &sink{}
	r = NewReporter("a", s, s, time.Now)
	r.Line("text")
	r.Warn("odd\x1b[2J")
	if got := strings.Join(s.lines, "|"); got != "a: text" {
		t.Errorf("lines %q", got)
	}
	if len(s.events) != 1 || s.events[0].Text != "odd [2J" || s.events[0].Level != Warn {
		t.Errorf("events %+v", s.events)
	}
}
