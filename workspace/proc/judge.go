package proc

import (
	"bytes"
	"regexp"
	"strings"
)

// Verdict is how bad one line of a program's output is. Verdicts are ordered.
type Verdict uint8

// The verdicts, lightest first.
const (
	Harmless    Verdict = iota
	Suspect             // has a word that errors have, and is none: what FindCause may need beside one
	Warning             // says of itself that it is a warning
	Consequence         // an error that follows from an earlier one, mostly
	Likely              // has a word that errors have where errors have it
	Certain             // has a form in which a known program tells an error
)

// IsError says if the line tells an error.
func (v Verdict) IsError() bool { return v >= Consequence }

// Judge tells the errors and warnings among lines, one after the other, by the forms by which
// FindCause finds the first one. Most lines cost it a nanosecond or two a byte. It is for one goroutine.
type Judge struct {
	forms  forms
	words  wordScan
	warns  *regexp.Regexp
	python bool // inside a traceback

	known map[string]Verdict // of lines that were judged, by fold: a flood of errors says the same again and again
	key   []byte             // of fold
}

// What a Judge remembers.
const (
	maxKnown     = 4096
	maxKnownLine = 256
)

// NewJudge makes a Judge that has seen no line.
func NewJudge() *Judge {
	more := []string{"warn", "[w]", "keyblock", "sorry", "broken pipe", "doesn't", "0: "} // a digit stands for every digit
	return &Judge{
		forms: newForms(),
		known: map[string]Verdict{},
		words: newWordScan(append(suspects(), more...)),
		warns: regexp.MustCompile(`(?i)^(\S+: |line \d+: |\[)*warn(ing)?\b|\[W\]|\bWarning: `),
	}
}

// Line judges a line, which may have escape sequences and its line end. Only the first KiB counts.
func (j *Judge) Line(line []byte) Verdict {
	line = line[:min(len(line), maxSuspectLine)]
	if !j.python && !j.words.in(line) && !named(line) {
		return Harmless
	}
	if !j.python && len(line) <= maxKnownLine {
		j.fold(line)
		if v, ok := j.known[string(j.key)]; ok {
			return v
		}
	}
	shown := visible(string(line))
	text := strings.TrimSpace(shown)
	if v, ok := j.traceback(shown, text); ok {
		return v
	}
	v := j.weigh(text)
	if len(line) <= maxKnownLine {
		if len(j.known) == maxKnown {
			clear(j.known)
		}
		j.fold(line)
		j.known[string(j.key)] = v
	}
	return v
}

// fold makes the key under which lines are known that differ in their numbers only. No form tells
// numbers apart, but for a lone 0; digits in a word are no number.
func (j *Judge) fold(line []byte) {
	j.key = append(j.key[:0], line...)
	for i := 0; i < len(line); i++ {
		if !digit(line[i]) {
			continue
		}
		end := i + 1
		for end < len(line) && digit(line[end]) {
			end++
		}
		inWord := i > 0 && letter(line[i-1]) || end < len(line) && letter(line[end])
		if !inWord && (end > i+1 || line[i] != '0') {
			for k := i; k < end; k++ {
				j.key[k] = '1'
			}
		}
		i = end
	}
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' || b >= 0x80 }

// weigh judges a line by its forms.
func (j *Judge) weigh(text string) Verdict {
	switch j.forms.weigh(text) {
	case exact:
		return Certain
	case general:
		return Likely
	case consequence:
		return Consequence
	}
	if j.warns.MatchString(text) && !j.forms.ignored.match(text) {
		return Warning
	}
	return Suspect
}

// traceback judges the lines of a Python traceback, of which the last is the error.
func (j *Judge) traceback(line, text string) (v Verdict, ok bool) {
	switch {
	case strings.HasPrefix(text, "Traceback (most recent call last):"):
		j.python = true
		return Suspect, true
	case !j.python:
		return Harmless, false
	case text == "":
		j.python = false
		return Harmless, true
	case strings.HasPrefix(line, " "):
		return Suspect, true
	}
	j.python = false
	return Certain, true
}

// named is tellsErrors for a line that mostly does not.
func named(line []byte) bool {
	i := bytes.Index(line, []byte(": "))
	if i <= 0 {
		return false
	}
	base := line[bytes.LastIndexByte(line[:i], '/')+1 : i+2]
	return len(base) <= 16 && tellsErrors(string(base))
}
