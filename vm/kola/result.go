package kola

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is how a test went.
type Outcome string

// The outcomes. A warning is a failure that does not count.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Warn Outcome = "warn"
	Skip Outcome = "skip"
)

// Result is one test's.
type Result struct {
	Name    string    `json:"name"`
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason,omitempty"` // of all but pass
	Time    time.Time `json:"time"`             // of its begin
	MS      int64     `json:"ms"`               // of the test, without its machine's boot
	Boots   int       `json:"boots,omitempty"`  // in which it ran
	Status  int       `json:"status,omitempty"` // exit status; -1 is a signal, or none
	// Lines are the last that the test wrote, cleaned of what a terminal obeys.
	Lines []string `json:"lines,omitempty"`
	// Console is what its machine's console showed that it must not.
	Console []string `json:"console,omitempty"`
	Log     string   `json:"log,omitempty"` // file with its journal, in the logs of the run
}

// ReportVersion is the value of Report.V.
const ReportVersion = 1

// Report is what a build keeps of its tests: the last result of each.
type Report struct {
	V      int      `json:"v"`
	OK     bool     `json:"ok"` // no result is a failure
	Commit string   `json:"commit"`
	Tests  []Result `json:"tests"` // by name
}

// ParseReport reads a report; none is an empty one.
func ParseReport(data []byte) (Report, error) {
	r := Report{V: ReportVersion, Tests: []Result{}}
	if len(data) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("reading the results of tests: %w", err)
	}
	if r.V != ReportVersion {
		return r, fmt.Errorf("reading the results of tests: version %d, want %d", r.V, ReportVersion)
	}
	return r, nil
}

// Add puts results in the place of older ones of the same tests. Those of another
// commit go.
func (r Report) Add(commit string, results []Result) Report {
	old := r.Tests
	if r.Commit != commit {
		old = nil
	}
	r.Tests = slices.Concat([]Result{}, results)
	for _, o := range old {
		if !slices.ContainsFunc(results, func(n Result) bool { return n.Name == o.Name }) {
			r.Tests = append(r.Tests, o)
		}
	}
	slices.SortFunc(r.Tests, func(a, b Result) int { return strings.Compare(a.Name, b.Name) })
	r.V, r.Commit = ReportVersion, commit
	r.OK = !slices.ContainsFunc(r.Tests, func(t Result) bool { return t.Outcome == Fail })
	return r
}
