package proc

import (
	"cmp"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Cause is what a failed program's output says of why it failed.
type Cause struct {
	// Text is the line that says why, without control characters.
	Text string
	// Place is what the output blames: FILE:LINE of a script or a configuration, or %KIND(PACKAGE)
	// and perhaps :LINE of an rpm scriptlet. Empty when it names none. A file is named as the
	// program saw it: it may lie in a sandbox.
	Place string
	// Guess means that nothing looked like an error, and Text is just the last line.
	Guess bool

	weight weight
}

// maxCause bounds Cause.Text, in bytes.
const maxCause = 500

// FirstError picks from a program's output the line that says why it failed.
func FirstError(lines []string) string { return FindCause(lines).Text }

// FindCause reads the output of a failed program and finds the first real error in it: not a
// warning, not what is always said, not one of the errors that only follow from an earlier one
// ("install failed", "make: *** Error 1"). Where nothing looks like an error it is the last line.
func FindCause(lines []string) Cause {
	r := causeReader{forms: newForms(), why: map[string]string{}}
	for _, line := range lines {
		r.read(visible(line))
	}
	found := r.best
	if found.weight == none {
		found.Text, found.Guess = cmp.Or(r.last, r.before), true
	}
	if len(found.Text) > maxCause {
		found.Text = strings.ToValidUTF8(found.Text[:maxCause], "") + "…"
	}
	return found
}

// visible is a line as a terminal would end up showing it, its indentation included.
func visible(line string) string {
	line = strings.TrimRight(line, "\r\n")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, ansi.Strip(line)), " ")
}

// causeReader reads lines one after the other and keeps the best cause so far.
type causeReader struct {
	forms   forms
	best    Cause
	open    bool              // best is a heading, of which the next line is the content
	before  string            // the last line that is not empty
	last    string            // the last line that says anything
	why     map[string]string // dracut's reasons, by module
	python  bool              // inside a traceback
	frame   string            // the traceback's place
	replace bool              // the next traceback is the one that counts
}

func (r *causeReader) read(line string) {
	text := strings.TrimSpace(line)
	if text == "" {
		r.open, r.python = false, false
		return
	}
	defer func() { r.before = text }()
	if r.traceback(line, text) {
		r.last = text
		return
	}
	w := r.forms.weigh(text)
	if w == ignored {
		if m := r.forms.dracutReason.FindStringSubmatch(text); m != nil {
			r.why[m[1]] = text
		}
		return
	}
	r.last = text
	if r.open {
		r.open = false
		r.join(text)
		return
	}
	if w == consequence {
		r.scriptlet(text)
		if r.best.weight < general && r.forms.complaint.MatchString(r.before) && r.forms.weigh(r.before) != ignored {
			r.best = Cause{Text: r.before, Place: r.best.Place, weight: general}
		}
	}
	if w <= r.best.weight {
		return
	}
	r.best = Cause{Text: text, Place: r.forms.place(text), weight: w}
	r.open = strings.HasSuffix(text, ":")
	if m := r.forms.dracutModule.FindStringSubmatch(text); m != nil && r.why[m[1]] != "" {
		r.best.Text = r.why[m[1]]
	}
}

// join puts a heading and the first line below it together.
func (r *causeReader) join(text string) {
	text = r.forms.bullet.ReplaceAllString(text, "")
	if r.forms.bareHeading.MatchString(r.best.Text) {
		r.best.Text = text
		return
	}
	r.best.Text += " " + text
}

// scriptlet notes the package and kind that rpm's message names, for what the scriptlet itself
// has said before. The line in its temporary file is that of the scriptlet.
func (r *causeReader) scriptlet(text string) {
	m := r.forms.scriptlet.FindStringSubmatch(text)
	if m == nil {
		return
	}
	if number, rest, ok := r.forms.inScriptlet(r.best.Text); ok {
		r.best.Text, r.best.Place = rest, m[1]+":"+number
	}
	if r.best.Place == "" {
		r.best.Place = m[1]
	}
}

// traceback takes the lines of a Python traceback: its last one is the error, the last file that
// is not a library's is its place.
func (r *causeReader) traceback(line, text string) bool {
	switch {
	case strings.HasPrefix(text, "Traceback (most recent call last):"):
		r.python, r.frame = true, ""
		return true
	case strings.HasPrefix(text, "During handling of the above exception"):
		r.replace = true
		return true
	case strings.HasPrefix(text, "The above exception was the direct cause"):
		return true
	}
	if m := r.forms.frame.FindStringSubmatch(line); m != nil {
		if r.frame == "" || !r.forms.library.MatchString(m[1]) {
			r.frame = m[1] + ":" + m[2]
		}
		r.python = true
		return true
	}
	if !r.python {
		return false
	}
	if strings.HasPrefix(line, " ") {
		return true
	}
	if r.best.weight < exact || r.replace {
		r.best = Cause{Text: text, Place: strings.TrimPrefix(r.frame, "<string>:"), weight: exact}
		if strings.HasPrefix(r.frame, "<") {
			r.best.Place = ""
		}
	}
	r.python, r.replace, r.frame = false, false, ""
	return true
}

// place is what a line blames, or "".
func (f forms) place(text string) string {
	if m := f.scriptlet.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	for _, re := range []*regexp.Regexp{f.luaPlace, f.shellPlace, f.filePlace} {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1] + ":" + m[2]
		}
	}
	return ""
}

// inScriptlet takes a shell's message about the temporary file of a scriptlet apart.
func (f forms) inScriptlet(text string) (number, rest string, ok bool) {
	m := f.shellPlace.FindStringSubmatch(text)
	if m == nil || !strings.HasPrefix(m[1], "/var/tmp/rpm-tmp.") {
		return "", "", false
	}
	return m[2], strings.TrimPrefix(text, m[0]), true
}
