package job

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/workspace/proc"
)

// LogPattern says which lines of a log are wanted. Its zero value wants all.
type LogPattern struct {
	text   string
	needle []byte // lower case where fold is set
	fold   bool
	re     *regexp.Regexp
	need   [][]byte // of which what re matches has one, in small letters; nil: not known
	not    bool
	step   string
}

// LiteralPattern wants lines with a text. Without a capital letter in it cases do not matter.
func LiteralPattern(text string) LogPattern {
	p := LogPattern{text: text, needle: []byte(text), fold: !strings.ContainsFunc(text, unicode.IsUpper)}
	if p.fold && !ascii(text) {
		p.re = regexp.MustCompile("(?i)" + regexp.QuoteMeta(text))
	}
	return p
}

// RegexpPattern wants lines that match a regular expression (Go's syntax). Without a capital letter in
// it cases do not matter.
func RegexpPattern(text string) (LogPattern, error) {
	expr := text
	if !strings.ContainsFunc(text, unicode.IsUpper) {
		expr = "(?i)" + text
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return LogPattern{}, fmt.Errorf("pattern: %w", err)
	}
	p := LogPattern{text: text, re: re}
	for _, word := range proc.Needs(expr) {
		if !ascii(word) { // cases are folded for ASCII alone
			p.need = nil
			break
		}
		p.need = append(p.need, []byte(word))
	}
	return p, nil
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// Not wants the lines that p does not want.
func (p LogPattern) Not() LogPattern {
	p.not = !p.not
	return p
}

// Of wants those of p's lines that are of a step.
func (p LogPattern) Of(step string) LogPattern {
	p.step = step
	return p
}

// Text is what the pattern was made of.
func (p LogPattern) Text() string { return p.text }

// Step is the step whose lines are wanted, "" where any are.
func (p LogPattern) Step() string { return p.step }

// All says if every line is wanted.
func (p LogPattern) All() bool { return p.text == "" && p.step == "" }

// Equal says if both want the same lines.
func (p LogPattern) Equal(q LogPattern) bool {
	return p.text == q.text && p.not == q.not && p.step == q.step && (p.re == nil) == (q.re == nil)
}

// Find gives the places in a text that match, as pairs of byte offsets; none for a pattern that wants what does not match.
func (p LogPattern) Find(text string) [][]int {
	switch {
	case p.text == "" || p.not:
		return nil
	case p.re != nil:
		return p.re.FindAllStringIndex(text, -1)
	}
	hay := []byte(text)
	if p.fold {
		foldASCII(hay, hay)
	}
	var found [][]int
	for at := 0; ; {
		i := bytes.Index(hay[at:], p.needle)
		if i < 0 {
			return found
		}
		found = append(found, []int{at + i, at + i + len(p.needle)})
		at += i + len(p.needle)
	}
}

// wants says if a line is wanted, by its step and its text. fold is a buffer.
func (p *LogPattern) wants(step, text []byte, fold *[]byte) bool {
	if p.step != "" && string(step) != p.step {
		return false
	}
	if p.text == "" {
		return true
	}
	text = lastPart(text)
	if bytes.IndexByte(text, 0x1b) >= 0 {
		text = []byte(ansi.Strip(string(text)))
	}
	return p.inText(text, fold) != p.not
}

func (p *LogPattern) inText(text []byte, fold *[]byte) bool {
	switch {
	case p.re != nil:
		if p.need != nil {
			*fold = append((*fold)[:0], text...)
			foldASCII(*fold, *fold)
			if !p.hasNeeded(*fold) {
				return false
			}
		}
		return p.re.Match(text)
	case !p.fold:
		return bytes.Contains(text, p.needle)
	}
	*fold = append((*fold)[:0], text...)
	foldASCII(*fold, *fold)
	return bytes.Contains(*fold, p.needle)
}

// hasNeeded says if a text in small letters has one of what re needs.
func (p *LogPattern) hasNeeded(low []byte) bool {
	for _, word := range p.need {
		if bytes.Contains(low, word) {
			return true
		}
	}
	return false
}

// quick says if the pattern can be looked for in many lines at once.
func (p *LogPattern) quick() bool { return p.re == nil && !p.not && p.step == "" && p.text != "" }
