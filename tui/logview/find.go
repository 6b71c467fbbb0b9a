package logview

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/workspace/job"
)

// ErrPlace is a text for GoTo that names no place.
var ErrPlace = errors.New("want a line's number, @15:04, @15:04:05 or +1:30")

// parse reads a pattern: /REGEXP/ or a text.
func parse(text string) (job.LogPattern, error) {
	if len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/' {
		return job.RegexpPattern(text[1 : len(text)-1])
	}
	return job.LiteralPattern(text), nil
}

// Find looks for a text, or for a regular expression between slashes, in the whole log, and goes to
// the first hit from the cursor on; while it follows, to the last. Without a capital letter in it cases
// do not matter. "" ends the search.
func (v *View) Find(text string) error {
	p, err := parse(text)
	if err != nil {
		return err
	}
	v.setFind(p)
	return nil
}

// FindRegexp is Find for a regular expression.
func (v *View) FindRegexp(expr string) error {
	p, err := job.RegexpPattern(expr)
	if err != nil {
		return err
	}
	v.setFind(p)
	return nil
}

func (v *View) setFind(p job.LogPattern) {
	v.ask.find, v.hunt = p, huntNone
	if !p.All() {
		v.hunt = huntFirst
		if v.follow {
			v.hunt = huntLast
		}
	}
	v.request()
	v.pursue()
}

// Finding is the text of the search; "" when there is none.
func (v *View) Finding() string { return v.ask.find.Text() }

// found is the lines that the present search found, and those it has looked at.
func (v *View) found() job.LineSet {
	if !v.news.find.Equal(v.ask.find) {
		return job.LineSet{}
	}
	return v.news.found
}

// pursue goes where a search wanted to go, as soon as it can.
func (v *View) pursue() {
	if v.hunt == huntNone || !v.news.find.Equal(v.ask.find) {
		return
	}
	found := v.found()
	done := v.news.read() && found.Lines() >= v.news.log.Lines
	line := -1
	switch {
	case v.hunt == huntFirst:
		line = v.shownAfter(found, v.line-1)
		if line < 0 && done {
			line = v.shownAfter(found, -1)
		}
	case done:
		line = v.shownBefore(found, found.Lines())
	}
	if line >= 0 || done {
		v.hunt = huntNone
	}
	v.goTo(line)
}

// shownAfter is the first found line after one that is shown.
func (v *View) shownAfter(set job.LineSet, after int) int {
	was := v.line
	v.line = after
	line := v.next(set.Next)
	v.line = was
	return line
}

// shownBefore is the last found line before one that is shown.
func (v *View) shownBefore(set job.LineSet, before int) int {
	was := v.line
	v.line = before
	line := v.next(set.Prev)
	v.line = was
	return line
}

// NextMatch goes to the next line that the search found, after the last to the first; false when there is none.
func (v *View) NextMatch() bool {
	line := v.shownAfter(v.found(), v.line)
	if line < 0 {
		line = v.shownAfter(v.found(), -1)
	}
	return v.jump(line)
}

// PrevMatch goes to the one before, from the first to the last.
func (v *View) PrevMatch() bool {
	line := v.shownBefore(v.found(), v.line)
	if line < 0 {
		line = v.shownBefore(v.found(), v.found().Lines())
	}
	return v.jump(line)
}

// Keep hides the lines that do not match a text, or a regular expression between slashes; with "!"
// before it those that do. "" shows all again. A step chosen by OnlyStep stays chosen.
func (v *View) Keep(text string) error {
	rest, not := strings.CutPrefix(text, "!")
	if rest == "" {
		rest, not = text, false
	}
	p, err := parse(rest)
	if err != nil {
		return err
	}
	if not {
		p = p.Not()
	}
	v.keep(p.Of(v.ask.keep.Step()))
	return nil
}

// Keeping is the text of the filter; "" when there is none.
func (v *View) Keeping() string { return v.ask.keep.Text() }

// OnlyStep hides the lines of all other steps; "" shows all again.
func (v *View) OnlyStep(step string) { v.keep(v.ask.keep.Of(step)) }

// Step is the step of OnlyStep.
func (v *View) Step() string { return v.ask.keep.Step() }

// ToggleOnlyStep is OnlyStep with the step of the cursor's line, or with none.
func (v *View) ToggleOnlyStep() {
	if v.Step() != "" {
		v.OnlyStep("")
		return
	}
	if r := v.row(v.news.rowOf(v.line)); r != nil && r.step != "" {
		v.OnlyStep(r.step)
	}
}

// keep changes the filter. The cursor's line stays in sight if it is still shown, else the next one.
func (v *View) keep(p job.LogPattern) {
	if v.ask.keep.Equal(p) {
		return
	}
	v.ask.keep = p
	v.sub, v.refit = 0, true
	v.request()
}

// GoTo goes to a line by its number (from 1), to the first line not before a time of day (@12:03) or
// a time since the beginning (+1:30).
func (v *View) GoTo(place string) error {
	place = strings.TrimSpace(place)
	if n, err := strconv.Atoi(place); err == nil && n > 0 && place[0] != '+' {
		v.goTo(min(n, max(v.Lines(), 1)) - 1)
		return nil
	}
	if rest, ok := strings.CutPrefix(place, "+"); ok {
		d, err := parseSince(rest)
		if err != nil {
			return fmt.Errorf("%q: %w", place, ErrPlace)
		}
		v.seek(v.news.log.First.Add(d))
		return nil
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		t, err := time.Parse(layout, strings.TrimPrefix(place, "@"))
		if err != nil {
			continue
		}
		first := v.news.log.First.In(v.src.zone)
		at := time.Date(first.Year(), first.Month(), first.Day(), t.Hour(), t.Minute(), t.Second(), 0, v.src.zone)
		if at.Before(first.Truncate(time.Minute)) {
			at = at.AddDate(0, 0, 1)
		}
		v.seek(at)
		return nil
	}
	return fmt.Errorf("%q: %w", place, ErrPlace)
}

func (v *View) seek(t time.Time) {
	v.ask.seek = seek{v.ask.seek.rev + 1, t}
	v.request()
}

// parseSince reads 90, 1:30 or 1:02:03.
func parseSince(text string) (time.Duration, error) {
	var d time.Duration
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return 0, err
		}
		d = d*60 + time.Duration(n)*time.Second
	}
	return d, nil
}

// Excerpt is lines that can be read: to be copied.
type Excerpt struct {
	Lines int // how many it may be
	src   *Source
	from  int
	keep  job.LineSet
	all   bool
}

// Selected is the lines of the selection, or the one of the cursor.
func (v *View) Selected() Excerpt {
	from, to, ok := v.selection()
	if !ok {
		from, to = v.line, v.line
	}
	return Excerpt{Lines: min(to+1, v.Lines()) - from, src: v.src, from: from, keep: v.news.kept, all: v.news.keep.All()}
}

// Tail is the last n lines of the log, whatever the filter.
func (v *View) Tail(n int) Excerpt {
	n = min(n, v.Lines())
	return Excerpt{Lines: n, src: v.src, from: v.Lines() - n, all: true}
}

// maxExcerpt bounds what is read of an Excerpt, in bytes.
const maxExcerpt = 8 << 20

// Read reads the lines: their text without times, steps and escape sequences, each ended by a newline. What is
// beyond 8 MiB is left out, and said. It is for the Do of a Work.
func (e Excerpt) Read(ctx context.Context) (string, error) {
	var b strings.Builder
	for at, end := e.from, e.from+e.Lines; at < end; at += excerptLines {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		lines, err := e.src.r.index.Lines(at, min(excerptLines, end-at))
		if err != nil {
			return "", err
		}
		for _, l := range lines {
			if !e.all && !e.keep.Has(l.Number) {
				continue
			}
			if b.Len()+len(l.Text) > maxExcerpt {
				b.WriteString("… the rest is left out\n")
				return b.String(), nil
			}
			text, _ := canvas.SplitSGR(l.Text)
			b.WriteString(text)
			b.WriteByte('\n')
		}
	}
	return b.String(), nil
}

// excerptLines is how many lines are read at a time.
const excerptLines = 256
