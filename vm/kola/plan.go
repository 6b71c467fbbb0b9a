package kola

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Target is what the tests are to run on, and which of them.
type Target struct {
	Arch string // x86_64
	// Distros are the names of the system that is built, as tests call it.
	Distros []string
	Stream  string    // "" is none: entries of the denylist for streams do not count
	Version string    // of the system, as the denylist's osversion has it; "" is none
	Now     time.Time // for dates in the denylist
	// Patterns select tests by name (path.Match); none select all.
	Patterns []string
	// Tags select tests by tag, where no pattern does, and let those run that
	// require one of them.
	Tags []string
}

// platformNames are what tests call the platform: kola's was two once.
func platformNames() []string { return []string{"qemu", "qemu-unpriv"} }

// Needs is what a machine must have that runs a test. Two tests with the same
// needs can run on machines of the same kind.
type Needs struct {
	MemoryMiB      int      `json:"memory-mib,omitempty"`
	DiskGiB        int      `json:"disk-gib,omitempty"`
	PrimaryDisk    string   `json:"primary-disk,omitempty"`
	Disks          []string `json:"disks,omitempty"`
	NICs           int      `json:"nics,omitempty"`
	Kargs          string   `json:"kargs,omitempty"`
	FirstbootKargs string   `json:"firstboot-kargs,omitempty"`
	SecureBoot     bool     `json:"secure-boot,omitempty"`
	// Internet: without it the guest reaches nothing outside.
	Internet bool `json:"internet,omitempty"`
	// Config is for the first boot: Ignition.
	Config []byte `json:"-"`
}

// Plain says that any machine will do, a fork of one that has booted included.
func (n Needs) Plain() bool {
	return n.MemoryMiB == 0 && n.DiskGiB == 0 && n.PrimaryDisk == "" && len(n.Disks) == 0 && n.NICs == 0 &&
		n.Kargs == "" && n.FirstbootKargs == "" && !n.SecureBoot && len(n.Config) == 0
}

func needs(t Test) Needs {
	m := t.Meta
	return Needs{
		MemoryMiB: m.MemoryMiB, DiskGiB: m.DiskGiB, PrimaryDisk: m.PrimaryDisk, Disks: m.Disks, NICs: m.NICs,
		Kargs: m.Kargs, FirstbootKargs: m.FirstbootKargs, SecureBoot: m.has(tagSecureBoot), Internet: m.has(tagInternet),
		Config: t.Config,
	}
}

// Planned is a test that runs.
type Planned struct {
	Test

	Number int    `json:"number,omitempty"` // of a test that shares its machine; 0 has one of its own
	Warn   string `json:"warn,omitempty"`   // why its failure is a warning only
}

// Skipped is a test that was selected and does not run.
type Skipped struct {
	Test

	Reason string `json:"reason"`
}

// Group is tests that run on one machine, one after the other.
type Group struct {
	Needs Needs     `json:"needs"`
	Tests []Planned `json:"tests"`
}

// Plan is what a run does.
type Plan struct {
	Groups  []Group   `json:"groups"`
	Skipped []Skipped `json:"skipped"`
	// LenientConsole: what the console shows is a warning (denylist).
	LenientConsole bool `json:"lenient-console,omitempty"`
}

// Count is the number of tests that run.
func (p Plan) Count() int {
	n := 0
	for _, g := range p.Groups {
		n += len(g.Tests)
	}
	return n
}

// MakePlan decides which tests run, and on which machines. A pattern that selects
// nothing is an error.
func MakePlan(tests []Test, denied []Denied, target Target) (Plan, error) {
	for _, p := range target.Patterns {
		if _, err := path.Match(p, ""); err != nil {
			return Plan{}, fmt.Errorf("pattern %q: %w", p, err)
		}
		if !slices.ContainsFunc(tests, func(t Test) bool { return match(p, t.Name) }) {
			return Plan{}, fmt.Errorf("no test has a name like %q", p)
		}
	}
	plan := Plan{Groups: []Group{}, Skipped: []Skipped{}}
	for _, d := range denied {
		plan.LenientConsole = plan.LenientConsole || d.Pattern == skipConsole && d.applies(target)
	}
	var shared []Planned
	for _, t := range tests {
		if !target.selects(t) {
			continue
		}
		v := judge(denied, t.Name, target)
		reason := target.skip(t)
		if reason == "" && v.deny {
			reason = v.why
		}
		if reason != "" {
			plan.Skipped = append(plan.Skipped, Skipped{t, reason})
			continue
		}
		p := Planned{Test: t}
		if v.warn {
			p.Warn = v.why
		} else {
			p.Warn = target.grace(t)
		}
		n := needs(t)
		if t.Meta.Shared && (Needs{Internet: n.Internet}).same(n) {
			p.Number = len(shared) + 1
			shared = append(shared, p)
			continue
		}
		plan.Groups = append(plan.Groups, Group{n, []Planned{p}})
	}
	plan.Groups = append(share(shared), plan.Groups...)
	return plan, nil
}

// match is a pattern's; bad ones match nothing. What begins every name may be
// left out.
func match(pattern, name string) bool {
	whole, _ := path.Match(pattern, name)
	short, _ := path.Match(pattern, strings.TrimPrefix(name, prefix+"."))
	return whole || short
}

// About gives the problems that matter to the plan: those of tests that run, and
// those of no test.
func (p Plan) About(problems []Problem) []Problem {
	runs := map[string]bool{"": true}
	for _, g := range p.Groups {
		for _, t := range g.Tests {
			runs[t.Name] = true
		}
	}
	list := []Problem{}
	for _, q := range problems {
		if runs[q.Test] {
			list = append(list, q)
		}
	}
	return list
}

// same compares needs without a config and lists.
func (n Needs) same(o Needs) bool { return o.Plain() && n.Internet == o.Internet }

// share puts tests on as few machines as their conflicts allow; those that need
// the internet are apart, the others must not reach it.
func share(tests []Planned) []Group {
	conflict := func(a, b Planned) bool {
		return a.Meta.has(tagInternet) != b.Meta.has(tagInternet) ||
			slices.Contains(a.Meta.Conflicts, b.Name) || slices.Contains(b.Meta.Conflicts, a.Name)
	}
	var groups []Group
next:
	for _, t := range tests {
		for i, g := range groups {
			if !slices.ContainsFunc(g.Tests, func(o Planned) bool { return conflict(t, o) }) {
				groups[i].Tests = append(g.Tests, t)
				continue next
			}
		}
		groups = append(groups, Group{needs(t.Test), []Planned{t}})
	}
	return groups
}

// selects says whether a test was asked for.
func (t Target) selects(test Test) bool {
	if len(t.Patterns) > 0 {
		return slices.ContainsFunc(t.Patterns, func(p string) bool { return match(p, test.Name) })
	}
	return len(t.Tags) == 0 || slices.ContainsFunc(t.Tags, func(tag string) bool {
		return tag == test.Meta.RequiredTag || test.Meta.has(tag)
	})
}

// skip says why a test does not run here, or "".
func (t Target) skip(test Test) string {
	m := test.Meta
	switch {
	case m.RequiredTag != "" && !slices.Contains(t.Tags, m.RequiredTag):
		return "runs only when the tag " + m.RequiredTag + " is asked for"
	case !m.Architectures.allows(t.Arch):
		return fmt.Sprintf("is for the architectures %q, not %s", m.Architectures, t.Arch)
	case !m.Platforms.allows(platformNames()...):
		return fmt.Sprintf("is for the platforms %q, not qemu", m.Platforms)
	case !m.Distros.allows(t.Distros...):
		return fmt.Sprintf("is for the distributions %q, not %s", m.Distros, cmp.Or(strings.Join(t.Distros, " or "), "an unnamed one"))
	case m.InjectContainer:
		return "needs the build's container image in the machine (injectContainer)"
	case len(m.Unsupported) > 0:
		return "needs what is not supported here: " + strings.Join(m.Unsupported, ", ")
	}
	return ""
}

// gracePeriod is how long a new test's failures are warnings.
const gracePeriod = 30 * 24 * time.Hour

func (t Target) grace(test Test) string {
	created, err := time.Parse(time.DateOnly, test.Meta.Created)
	if err != nil || !t.Now.Before(created.Add(gracePeriod)) {
		return ""
	}
	return "the test is new: created " + test.Meta.Created
}
