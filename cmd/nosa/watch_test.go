package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/vm/milestone"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/loop"
)

// What is out of date is made, and nothing else.
func TestWatchStages(t *testing.T) {
	stale := builder.Outdated{Reasons: []string{"x changed"}}
	never := builder.Outdated{Never: true}
	unknown := builder.Outdated{Unknown: "only a fetch compares"}
	previous := workspace.Meta{BuildID: "1.2"}
	tests := []struct {
		name    string
		s       builder.Standing
		targets []string
		here    string // images that are there
		want    string
	}{
		{"nothing", builder.Standing{Previous: previous}, nil, "qemu", ""},
		{"at the very beginning", builder.Standing{Fetch: never, Build: never}, nil, "", "fetch build"},
		{"an overlay", builder.Standing{Build: stale, Previous: previous}, nil, "qemu", "build"},
		{"packages", builder.Standing{Fetch: stale, Build: stale, Previous: previous}, nil, "qemu", "fetch build"},
		{"packages of overrides, perhaps", builder.Standing{Fetch: unknown, Previous: previous}, nil, "qemu", "fetch build"},
		{"a build that only running tells about", builder.Standing{Build: unknown, Previous: previous}, nil, "qemu", "build"},
		{"the image is gone", builder.Standing{Previous: previous}, nil, "", "buildextend-qemu"},
		{"a container has none", builder.Standing{Previous: previous, Container: true}, nil, "", ""},
		{"no image is wanted", builder.Standing{Previous: previous}, []string{}, "", ""},
		{"one of two", builder.Standing{Previous: previous}, []string{"qemu", "metal"}, "qemu", "buildextend-metal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := watchOptions{build: builder.BuildRequest{Targets: tt.targets}}
			var got []string
			for _, s := range o.stages(tt.s, func(kind string) bool { return strings.Contains(tt.here, kind) }) {
				got = append(got, s.name)
				if req, ok := s.request.(builder.ImageRequest); ok && req.Build != "1.2" {
					t.Errorf("%s is of build %q", s.name, req.Build)
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A boot is followed to its prompt, or to what keeps it from that.
func TestBootWatch(t *testing.T) {
	at := time.Unix(1700000000, 0)
	tests := []struct {
		name   string
		kinds  []milestone.Kind
		result loop.Result
		parts  []loop.Part
		bad    string
	}{
		{
			"a good one",
			[]milestone.Kind{milestone.Firmware, milestone.Kernel, milestone.FailedUnit, milestone.Login},
			loop.Login,
			[]loop.Part{{Name: "start", MS: 1000}, {Name: "boot", MS: 4000}},
			"",
		},
		{
			"a panic",
			[]milestone.Kind{milestone.Kernel, milestone.Panic, milestone.Login},
			loop.Built,
			[]loop.Part{{Name: "start", MS: 1000}, {Name: "boot", MS: 2000}},
			"panic",
		},
		{"not there yet", []milestone.Kind{milestone.Kernel}, loop.Built, []loop.Part{{Name: "start", MS: 1000}, {Name: "boot", MS: 0}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &watchRound{Round: loop.Round{Result: loop.Built}}
			b := bootWatch{r: r}
			b.see(event.Event{Kind: event.Start, Time: at.Add(time.Second)})
			for i, kind := range tt.kinds {
				more := b.see(event.Event{Kind: event.Milestone, Step: string(kind), Title: "x.service", Time: at.Add(time.Duration(2+i) * time.Second)})
				if !more {
					break
				}
			}
			if r.Result != tt.result || b.bad.Step != tt.bad {
				t.Errorf("result %s, ended by %q", r.Result, b.bad.Step)
			}
			if diff := cmp.Diff(tt.parts, loop.Parts(at, r.marks)); diff != "" {
				t.Error(diff)
			}
			if tt.result == loop.Login {
				if diff := cmp.Diff([]string{"x.service"}, r.Units); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}
