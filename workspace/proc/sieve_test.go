package proc

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNeeds(t *testing.T) {
	for expr, want := range map[string][]string{
		`^rpm: `:               {"rpm: "},
		`(?i)\bFa(il|tal)\b`:   {"fail", "fatal"},
		`x?error: .*`:          {"xerror: ", "error: "},
		`[a-z]+: abc|d+ef`:     {": abc", "ef"},
		`a*`:                   nil,
		`(warn(ing)?|[W])x\d+`: {"warningx", "warnx", "wx"},
		`abc|.`:                nil,
		`abc|`:                 nil,
		`(`:                    nil,
		`x{2,3}foo`:            {"foo"},
	} {
		got := slices.Clone(Needs(expr))
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", expr, diff)
		}
	}
}

// Nothing that an expression matches is sifted out: on all lines of all failures.
func TestSieveLosesNothing(t *testing.T) {
	f := newForms()
	for _, set := range []patterns{f.ignored, f.consequence, f.warning, f.exact, f.general} {
		known := 0
		for _, p := range set {
			if p.need != nil {
				known++
			}
			for _, failure := range failures(t) {
				for _, line := range failure.log {
					if text := visible(line); p.re.MatchString(text) && !(patterns{p}).match(text) {
						t.Errorf("%s: %q is lost: none of %q", p.re, text, p.need)
					}
				}
			}
		}
		if known < len(set)*2/3 {
			t.Errorf("of only %d of %d expressions something is known", known, len(set))
		}
	}
}
