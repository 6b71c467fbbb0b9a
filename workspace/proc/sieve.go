package proc

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// patterns are tried one after the other: an alternation of all would be matched by the slowest of
// regexp's engines.
type patterns []pattern

// pattern is a regular expression, and texts of which each of its matches has one. Looking for those
// first costs a hundredth.
type pattern struct {
	re   *regexp.Regexp
	need []string // in small letters; nil: not known
}

func compile(list []string) patterns {
	p := make(patterns, len(list))
	for i, text := range list {
		p[i].re = regexp.MustCompile(text)
		p[i].need = Needs(text)
	}
	return p
}

// Needs gives texts, in small letters, of which whatever matches a regular expression has one; nil where none are known.
// To look for them first is what makes a search fast.
func Needs(expr string) []string {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return needs(tree).best
}

func (p patterns) match(text string) bool {
	low := strings.ToLower(text)
	return slices.ContainsFunc(p, func(e pattern) bool {
		if e.need != nil && !slices.ContainsFunc(e.need, func(word string) bool { return strings.Contains(low, word) }) {
			return false
		}
		return e.re.MatchString(text)
	})
}

// maxNeeds bounds how many texts stand for an expression.
const maxNeeds = 100

// need is what the matches of an expression have in them.
type need struct {
	all  []string // all texts that it matches; nil: there are too many
	best []string // each match has one of them; nil: not known
}

// needs finds out what the matches of an expression have in them.
func needs(re *syntax.Regexp) need {
	switch re.Op {
	case syntax.OpLiteral:
		return exactly(strings.ToLower(string(re.Rune)))
	case syntax.OpCharClass:
		var all []string
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if len(all) == 4 {
					return need{}
				}
				all = append(all, string(unicode.ToLower(r)))
			}
		}
		return exactly(all...)
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return exactly("")
	case syntax.OpCapture:
		return needs(re.Sub[0])
	case syntax.OpPlus:
		return need{best: needs(re.Sub[0]).best}
	case syntax.OpQuest:
		if all := needs(re.Sub[0]).all; all != nil {
			return exactly(append(slices.Clone(all), "")...)
		}
	case syntax.OpConcat:
		return needsOfAll(re.Sub)
	case syntax.OpAlternate:
		return needsOfAny(re.Sub)
	}
	return need{}
}

// exactly is what is known of an expression that matches these texts only.
func exactly(all ...string) need {
	n := need{all: all}
	if len(all) > 0 && !slices.ContainsFunc(all, func(s string) bool { return len(s) < 2 }) {
		n.best = all
	}
	return n
}

// needsOfAll is that of expressions one after the other: of the neighbours that match few texts all
// that they match together.
func needsOfAll(list []*syntax.Regexp) need {
	run, whole := exactly(""), true
	var best []string
	for _, re := range list {
		n := needs(re)
		if n.all != nil && len(n.all)*len(run.all) <= maxNeeds {
			var joined []string
			for _, a := range run.all {
				for _, b := range n.all {
					joined = append(joined, a+b)
				}
			}
			run = exactly(joined...)
			continue
		}
		best = better(better(best, run.best), n.best)
		run, whole = exactly(""), false
		if n.all != nil {
			run = n
		}
	}
	best = better(best, run.best)
	if whole {
		return need{all: run.all, best: best}
	}
	return need{best: best}
}

// needsOfAny is that of expressions of which one matches.
func needsOfAny(list []*syntax.Regexp) need {
	out := need{all: []string{}, best: []string{}}
	for _, re := range list {
		n := needs(re)
		if n.all == nil || out.all == nil || len(out.all)+len(n.all) > maxNeeds {
			out.all = nil
		} else {
			out.all = append(out.all, n.all...)
		}
		if n.best == nil || out.best == nil {
			out.best = nil
		} else {
			out.best = append(out.best, n.best...)
		}
	}
	return out
}

// better is the one whose shortest text is longer.
func better(a, b []string) []string {
	shortest := func(list []string) int {
		n := 0
		for i, s := range list {
			if i == 0 || len(s) < n {
				n = len(s)
			}
		}
		return n
	}
	if shortest(b) > shortest(a) {
		return b
	}
	return a
}
