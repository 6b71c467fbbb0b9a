package main

import (
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

// estimate is how long a stage usually takes; nil where nothing is known.
func (t *stageTeller) estimate(stage string) *workspace.StageEstimate {
	if kind, ok := strings.CutPrefix(stage, imagePrefix); ok {
		if e := t.history.Usual(stage, kind); e != nil || kind != "live" {
			return e
		}
	}
	if e := t.history.Usual(stage, t.usualSteps(stage)...); e != nil {
		return e
	}
	return t.byJobs(stage)
}

// usualSteps are the steps of the history that belong to a stage when no option is given: a
// build makes the images that it was not asked for in no time.
func (t *stageTeller) usualSteps(stage string) []string {
	var steps []string
	for _, d := range t.history {
		if d.Stage == stage && !slices.Contains(steps, d.Step) && (d.Step == "qemu" || !slices.Contains(remakeable(), d.Step)) {
			steps = append(steps, d.Step)
		}
	}
	if stage == "build" { // --fetch
		steps = slices.DeleteFunc(steps, func(s string) bool { return s == "resolve" || s == "download" })
	}
	return steps
}

// byJobs is the median of the last jobs of a stage that went well.
func (t *stageTeller) byJobs(stage string) *workspace.StageEstimate {
	var ended workspace.History
	for _, st := range slices.Backward(t.jobs) {
		if st.Info.Stage == stage && st.State == job.Finished {
			ended = append(ended, workspace.Duration{Stage: stage, MS: st.Last.MS})
		}
	}
	return ended.Usual(stage, "")
}
