package logview

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/tuitest"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

func TestGoldens(t *testing.T) {
	hostile := "plain \x1b[31mred \x1b[1mbold\x1b[0m off\nclear \x1b[2J\x1b[H title \x1b]0;gotcha\x07 copy \x1b]52;c;eA==\x07 end\nc1 \u009b31m nul \x00 bell \x07 rtl \u202e back\ntab\tstop\x1bPdcs\x1b\\ ok \xff\xfe\nopen \x1b]8;;http://x\n"
	for _, tt := range []struct {
		name string
		w, h int
		form job.LogForm
		log  string
		do   func(*rig)
	}{
		{"empty", 60, 5, "", "", func(*rig) {}},
		{"follow", 80, 12, "", jobLog(0, 40), func(*rig) {}},
		{"left behind", 80, 12, "", jobLog(0, 40), func(r *rig) { r.keys("pgup", "k"); r.add(jobLog(40, 1204)) }},
		{"searching", 80, 12, "", jobLog(0, 40), func(r *rig) {
			if err := r.v.Find("package-2"); err != nil {
				r.t.Fatal(err)
			}
			r.settle()
			r.keys("N", "N")
		}},
		{"filtered", 80, 12, "", jobLog(0, 40), func(r *rig) {
			if err := r.v.Keep("/retry|broken/"); err != nil {
				r.t.Fatal(err)
			}
			r.settle()
			r.keys("g", "g", "j", "m", "j", "V", "j")
		}},
		{"nothing left", 80, 5, "", jobLog(0, 40), func(r *rig) {
			if err := r.v.Keep("nowhere"); err != nil {
				r.t.Fatal(err)
			}
			r.settle()
		}},
		{"one step since", 80, 8, "", jobLog(0, 40), func(r *rig) { r.keys("E", "{", "S", "t") }},
		{"narrow", 40, 10, "", jobLog(0, 40), func(*rig) {}},
		{"very narrow", 20, 6, "", jobLog(0, 40), func(*rig) {}},
		{"wrapped", 60, 12, job.PlainLog, "first\n" + strings.Repeat("0123456789", 12) + "\nlast\n", func(r *rig) { r.keys("w") }},
		{"wide characters wrapped", 31, 10, job.PlainLog, "a" + strings.Repeat("日本語", 12) + "é\nlast\n", func(r *rig) { r.keys("w") }},
		{"scrolled", 31, 6, job.PlainLog, strings.Repeat("日本語", 12) + "\n" + strings.Repeat("0123456789", 5) + "\nlast\n", func(r *rig) { r.keys("l", "h", "l"); r.v.ScrollColumns(1); r.draw() }},
		{"hostile", 60, 8, job.PlainLog, hostile, func(*rig) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.w, tt.h, Options{Form: tt.form})
			r.add(tt.log)
			tt.do(r)
			tuitest.Golden(t, strings.ReplaceAll(tt.name, " ", "-"), r.c)
		})
	}
}

// A real log, of a build of the sample.
func TestRecorded(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		r := newRig(t, size[0], size[1], Options{Path: "testdata/build.log"})
		r.v.End(event.Event{})
		r.settle()
		r.keys("k", "(")
		if err := r.v.Find("group"); err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.keys("n", "n")
		tuitest.Golden(t, fmt.Sprintf("recorded-%dx%d", size[0], size[1]), r.c)
	}
}

// What means something looks like it: cursor, hits, signs, colours of the log's own.
func TestStyles(t *testing.T) {
	r := newRig(t, 60, 10, Options{})
	r.th = tuitest.RoleTheme()
	r.add(jobLog(0, 20))
	if err := r.v.Find("package-1"); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.keys("k", "m", "k", "shift+up", "k")
	tuitest.GoldenStyles(t, "styles", r.c, r.th)
}
