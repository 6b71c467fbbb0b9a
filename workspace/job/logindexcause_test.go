package job

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// The first real error of each of the real failures that workspace/proc knows.
func TestLogCause(t *testing.T) {
	files, err := filepath.Glob("../proc/testdata/failures/*.log")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(data), "---\n")
		cause := proc.FindCause(strings.Split(strings.TrimSuffix(body, "\n"), "\n"))
		x := opened(t, strings.Repeat("begin\n", 300)+body+strings.Repeat("on\n", 3000), PlainLog)
		readAll(t, x)
		line, err := x.Cause(event.Event{})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(head, "guess: yes") {
			if line != -1 {
				t.Errorf("%s: line %d, though nothing looks like an error", filepath.Base(name), line)
			}
			continue
		}
		got, err := x.Lines(max(line, 0), 1)
		if err != nil || line < 300 || !tells(cause.Text, got[0].Text) {
			t.Errorf("%s: line %d, want %q", filepath.Base(name), line, cause.Text)
		}
	}
}

// The line that the fail event quotes wins over what looks like an error before it.
func TestLogCauseOfEvent(t *testing.T) {
	x := opened(t, "2026-11-22T12:03:58Z\ta\terror: harmless after all\n2026-11-22T12:03:58Z\tb\tfine\n2026-11-22T12:03:58Z\tb\terror: the disk is full\n", JobLog)
	readAll(t, x)
	for _, tt := range []struct {
		fail event.Event
		want int
	}{
		{event.Event{}, 0},
		{event.Event{Step: "b", Text: "something else"}, 2},
		{event.Event{Step: "a", Text: "write the image: error: the disk is full"}, 2},
		{event.Event{Step: "c"}, 0},
	} {
		if got, err := x.Cause(tt.fail); got != tt.want || err != nil {
			t.Errorf("%+v: line %d, %v, want %d", tt.fail, got, err, tt.want)
		}
	}
}
