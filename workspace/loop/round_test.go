package loop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace/event"
)

func at(ms int64) time.Time { return time.UnixMilli(1_700_000_000_000 + ms) }

func TestParts(t *testing.T) {
	tests := []struct {
		name  string
		marks []Mark
		want  []Part
	}{
		{"none", nil, nil},
		{"one after the other", []Mark{{PartWait, at(200)}, {PartPlan, at(500)}, {PartBuild, at(12600)}}, []Part{{PartWait, 200}, {PartPlan, 300}, {PartBuild, 12100}}},
		{"a part in two pieces", []Mark{{PartBuild, at(100)}, {PartImage, at(400)}, {PartBuild, at(450)}}, []Part{{PartBuild, 150}, {PartImage, 300}}},
		{"a clock that goes back", []Mark{{PartWait, at(-50)}, {PartPlan, at(300)}, {PartStart, at(200)}, {PartBoot, at(400)}}, []Part{{PartWait, 0}, {PartPlan, 300}, {PartStart, 0}, {PartBoot, 100}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Parts(at(0), tt.marks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJobMarks(t *testing.T) {
	step := func(ms int64, name string, state event.State) event.Event {
		return event.Event{Kind: event.Step, Time: at(ms), Step: name, State: state}
	}
	isImage := func(step string) bool { return step == "qemu" || step == "metal" }
	tests := []struct {
		name, stage string
		events      []event.Event
		want        []Part
	}{
		{"fetch", "fetch", []event.Event{step(1, "resolve", event.Run)}, []Part{{PartFetch, 1000}}},
		{"an image of its own", "buildextend-qemu", []event.Event{step(1, "qemu", event.Run), step(9, "qemu", event.Done)}, []Part{{PartImage, 1000}}},
		{"a build without images", "build", []event.Event{step(1, "install", event.Run), step(600, "install", event.Done)}, []Part{{PartBuild, 1000}}},
		{
			"a build and its image", "build",
			[]event.Event{step(10, "install", event.Run), step(500, "install", event.Done), step(600, "qemu", event.Run), step(900, "qemu", event.Done)},
			[]Part{{PartBuild, 700}, {PartImage, 300}},
		},
		{
			"two images side by side, one left out", "build",
			[]event.Event{step(100, "metal4k", event.Skip), step(600, "qemu", event.Run), step(650, "metal", event.Run), step(800, "qemu", event.Done), step(900, "metal", event.Done)},
			[]Part{{PartBuild, 700}, {PartImage, 300}},
		},
		{"an image that failed", "build", []event.Event{step(600, "qemu", event.Run)}, []Part{{PartBuild, 1000}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Parts(at(0), JobMarks(tt.stage, tt.events, isImage, at(1000)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoundString(t *testing.T) {
	r := Round{Result: Login, Parts: []Part{{PartWait, 200}, {PartPlan, 300}, {PartBuild, 12100}, {PartImage, 3000}, {PartStart, 400}, {PartBoot, 25200}}}
	if got, want := r.String(), "save → login 41.2s: wait 0.2 plan 0.3 build 12.1 image 3.0 start 0.4 boot 25.2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := r.BeforeGuest(); got != 16*time.Second {
		t.Errorf("before the guest %s, want 16s", got)
	}
	hostile := Round{Result: Failed, Parts: []Part{{"a\x1b]0;b\n", 1}}}
	if got := hostile.String(); strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("%q", got)
	}
}

// What is written is read again; a line cut short, of another kind or version is left
// out; the file stays small and keeps the newest.
func TestRoundFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rounds.jsonl")
	if list, err := Read(name); list != nil || err != nil {
		t.Fatalf("%v, %v of no file", list, err)
	}
	r := Round{Time: at(5), Saved: at(0), Result: Built, Parts: []Part{{PartWait, 200}}, Build: "1"}
	for i := range 40 {
		r.Paths = append(r.Paths, fmt.Sprintf("src/config/%d", i))
	}
	if err := Append(name, r); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"{\"v\":1,\"kind\":\"rou\n", "{\"v\":2,\"kind\":\"round\"}\n", "{\"v\":1,\"kind\":\"finish\"}\n"} {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(line)
		f.Close()
	}
	want := r
	want.V, want.Kind, want.Paths = Version, event.Round, r.Paths[:maxPaths]
	want.Time, want.Saved = r.Time.UTC(), r.Saved.UTC()
	got, err := Read(name)
	if diff := cmp.Diff([]Round{want}, got); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	for i := range 2000 {
		r.Build = fmt.Sprint(i)
		if err := Append(name, r); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Size() > maxRounds {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	got, err = Read(name)
	if err != nil || len(got) < 100 || got[len(got)-1].Build != "1999" {
		t.Errorf("%d rounds, %v", len(got), err)
	}
}

// A round is a line of the event stream, too.
func TestRoundIsEvent(t *testing.T) {
	var b bytes.Buffer
	if err := (Round{Time: at(5), Result: Login}).Encode(&b); err != nil {
		t.Fatal(err)
	}
	e, err := event.Parse(b.Bytes())
	if err != nil || e.Kind != event.Round || !e.Time.Equal(at(5)) {
		t.Errorf("%+v, %v", e, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"v\":1,\"kind\":\"round\",\"parts\":[{\"name\":\"x\",\"ms\":-5}]}\n\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "rounds.jsonl")
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		list, err := Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if strings.ContainsAny(r.String(), "\n\x1b") {
				t.Errorf("%q", r.String())
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		}
	})
}
