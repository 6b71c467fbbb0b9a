package kola

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func day(t *testing.T, text string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return d.Add(12 * time.Hour)
}

// lines writes a plan down: a line for each machine, then what is skipped.
func (p Plan) lines() []string {
	var list []string
	for _, g := range p.Groups {
		var names []string
		for _, t := range g.Tests {
			name := strings.TrimPrefix(t.Name, prefix+".")
			if t.Warn != "" {
				name += " (" + t.Warn + ")"
			}
			names = append(names, name)
		}
		kind := "plain"
		if !g.Needs.Plain() {
			kind = "own"
		}
		if g.Needs.Internet {
			kind += " internet"
		}
		list = append(list, kind+": "+strings.Join(names, ", "))
	}
	for _, s := range p.Skipped {
		list = append(list, strings.TrimPrefix(s.Name, prefix+".")+": "+s.Reason)
	}
	return list
}

func TestPlan(t *testing.T) {
	all, _ := Discover(shapes(t))
	target := Target{Arch: "x86_64", Distros: []string{"nestos"}, Now: day(t, "2026-11-23")}
	for _, tc := range []struct {
		name   string
		change func(*Target)
		denied string
		want   []string
	}{
		{
			"all", func(*Target) {}, "", []string{
				"plain: files.license", "plain internet: files.symlinks", "plain: basic", "own: ignition.units.first", "own: ignition.units.second", "own: ignition.users",
				"root-reprovision.raid.inline: needs what is not supported here: bootFrom",
				"root-reprovision.raid.test.sh: runs only when the tag reprovision is asked for",
			},
		},
		{
			"by pattern", func(o *Target) {
				o.Patterns = []string{"ext.config.files.*", "*raid.test.sh"}
				o.Tags = []string{"reprovision"}
			}, "", []string{
				"plain: files.license", "plain internet: files.symlinks",
				"root-reprovision.raid.test.sh: needs the build's container image in the machine (injectContainer)",
			},
		},
		{
			"by tag", func(o *Target) { o.Tags = []string{"platform-independent"}; o.Distros = nil }, "", []string{
				"plain internet: files.symlinks", "own: ignition.units.second",
			},
		},
		{
			"elsewhere", func(o *Target) {
				o.Arch, o.Distros, o.Patterns, o.Tags = "s390x", []string{"other"}, []string{"*users", "*raid*"}, []string{"reprovision"}
			}, "", []string{
				`ignition.users: is for the distributions "nestos", not other`,
				"root-reprovision.raid.inline: needs what is not supported here: bootFrom",
				`root-reprovision.raid.test.sh: is for the architectures "!s390x", not s390x`,
			},
		},
		{
			"denylist", func(o *Target) {
				o.Patterns, o.Stream, o.Version = []string{"*basic", "*files*", "*units*"}, "stable", "12"
			}, `
- pattern: ext.config.basic
  tracker: https://example.com/1
- pattern: ext.config.files.*
  snooze: 2026-12-01
  arches: [aarch64]
- pattern: ext.config.files.l*
  snooze: 2026-11-22
- pattern: ext.config.files.s*
  snooze: 2026-11-24
- pattern: ext.config.ignition.units.first
  warn: true
  snooze: 2026-11-22
- pattern: ext.config.ignition.units.second
  streams: [rawhide]
- pattern: ext.config.ignition.units.second
  streams: [stable]
  osversion: ["13"]
`, []string{
				"plain: files.license", "own: ignition.units.first (kola-denylist.yaml names it)", "own: ignition.units.second",
				"basic: kola-denylist.yaml names it: https://example.com/1",
				"files.symlinks: kola-denylist.yaml names it until 2026-11-24",
			},
		},
		{
			"new tests", func(o *Target) { o.Patterns = []string{"*license"}; o.Now = day(t, "2026-10-01") }, "", []string{
				"plain: files.license (the test is new: created 2026-09-22)",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			denied, ds := parseDenylist([]byte(tc.denied))
			if len(ds) > 0 {
				t.Fatal(ds)
			}
			o := target
			tc.change(&o)
			plan, err := MakePlan(all, denied, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, plan.lines()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Tests that conflict are on different machines, others share one.
func TestPlanConflicts(t *testing.T) {
	var tests []Test
	for _, name := range []string{"a", "b", "c", "d"} {
		tests = append(tests, Test{Name: name, Meta: Meta{Shared: true}})
	}
	tests[2].Meta.Conflicts = []string{"a"}
	tests[3].Meta.Conflicts = []string{"c"}
	plan, err := MakePlan(tests, nil, Target{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"plain: a, b, d", "plain: c"}, plan.lines()); diff != "" {
		t.Error(diff)
	}
	if n := plan.Groups[1].Tests[0].Number; n != 3 {
		t.Errorf("the test has number %d, want one that no other has", n)
	}
}

func TestPlanErrors(t *testing.T) {
	for _, tc := range []struct{ pattern, want string }{
		{"nothing*", `no test has a name like "nothing*"`},
		{"a[", `pattern "a[": syntax error in pattern`},
	} {
		_, err := MakePlan([]Test{{Name: "a"}}, nil, Target{Patterns: []string{tc.pattern}})
		if err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

func TestReadDenylist(t *testing.T) {
	dir := config(t, `-- kola-denylist.yaml --
- pattern: skip-console-warnings
- pattern: "a["
- patern: x
- pattern: y
  snooze: tomorrow
`)
	denied, problems := ReadDenylist(dir)
	var got []string
	for _, p := range problems {
		got = append(got, p.Diagnostic.String())
	}
	want := []string{
		"kola-denylist.yaml:2:12: error[KT005]: pattern: syntax error in pattern",
		`kola-denylist.yaml:3:3: warning[KT003]: "patern" is no key of a denylist: it does nothing`,
		"kola-denylist.yaml:3:3: error[KT005]: the entry has no pattern",
		`kola-denylist.yaml:5:11: error[KT005]: snooze: want a date as 2025-12-31, got text "tomorrow"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	plan, err := MakePlan(nil, denied, Target{})
	if err != nil || !plan.LenientConsole {
		t.Errorf("the console is not looked at leniently: %+v, %v", plan, err)
	}
	if _, problems := ReadDenylist(t.TempDir()); len(problems) > 0 {
		t.Errorf("without a denylist: %v", problems)
	}
}
