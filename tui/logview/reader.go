package logview

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/workspace/job"
)

// behind is how much of a file may be unread before its end is shown without line numbers.
const behind = 8 << 20

// News is what a Source has read: all that its View needs. It does not change.
type News struct {
	source *Source
	rev    uint64 // of the want that it answers

	log   job.LogState
	found job.LineSet // by the search
	kept  job.LineSet // by the filter
	find  job.LogPattern
	keep  job.LogPattern
	from  int   // the row of rows[0], counted in the lines that are shown
	rows  []row // around what is shown
	loose bool  // rows are the end of a file that has not been read so far; they have no numbers

	seek  answer
	cause answer
	err   error
}

// PumpKey tells the News of several logs apart.
func (n News) PumpKey() string { return n.source.name }

// answer is the line that answers a wish.
type answer struct {
	rev  uint64
	line int // -1: none
}

// row is a line made ready to be drawn.
type row struct {
	line  int
	clock string // the time of day
	since string // the time since the log began
	step  string
	text  string // without escape sequences
	runs  []canvas.Run
	spans [][]int // of text: what the search found
	width int     // columns of text
	ascii bool    // columns are bytes
}

// reader does the reading of a Source.
type reader struct {
	index    *job.LogIndex
	zone     *time.Location
	find     *job.LogScan
	keep     *job.LogScan
	err      error
	answered uint64
	told     bool // something was posted
	last     News
}

// advance reads and searches on, a little, and says if there is more to do.
func (r *reader) advance(ctx context.Context, w want) (more bool) {
	more, r.err = r.index.Extend(ctx)
	for _, s := range []struct {
		scan    **job.LogScan
		pattern job.LogPattern
	}{{&r.keep, w.keep}, {&r.find, w.find}} {
		if s.pattern.All() {
			*s.scan = nil
			continue
		}
		if *s.scan == nil || !(*s.scan).Pattern().Equal(s.pattern) {
			*s.scan = job.NewLogScan(s.pattern)
		}
		again, err := r.index.Scan(ctx, *s.scan)
		if err != nil && r.err == nil {
			r.err = err
		}
		more = more || again && err == nil
	}
	return more && r.err == nil
}

// changed says if there is more to tell than was told last.
func (r *reader) changed() bool {
	st, was := r.index.State(), &r.last
	return !r.told || st.Generation != was.log.Generation || st.Bytes != was.log.Bytes || st.Size != was.log.Size || st.Exists != was.log.Exists ||
		scanned(r.find).Lines() != was.found.Lines() || scanned(r.keep).Lines() != was.kept.Lines() || (r.err == nil) != (was.err == nil)
}

func scanned(s *job.LogScan) job.LineSet {
	if s == nil {
		return job.LineSet{}
	}
	return s.Found()
}

// news is what there is to tell.
func (r *reader) news(s *Source, w want) News {
	n := News{
		source: s, rev: w.rev, log: r.index.State(), found: scanned(r.find), kept: scanned(r.keep), find: w.find, keep: w.keep,
		seek: r.last.seek, cause: r.last.cause, err: r.err,
	}
	if n.log.Generation == r.last.log.Generation && r.err != nil {
		n.from, n.rows = r.last.from, r.last.rows
	}
	if r.err == nil {
		r.err = r.window(&n, w)
	}
	if w.seek.rev != n.seek.rev && n.read() {
		line, err := r.index.At(w.seek.at)
		n.seek, r.err = answer{w.seek.rev, line}, err
	}
	if w.cause != n.cause.rev && n.read() {
		line, err := r.index.Cause(w.fail)
		n.cause, r.err = answer{w.cause, line}, err
	}
	n.err = r.err
	r.answered, r.told, r.last = w.rev, true, n
	return n
}

// read says if all of the file that there is has been read.
func (n *News) read() bool { return n.log.Bytes >= n.log.Size }

// count is how many lines there are to show.
func (n *News) count() int {
	if n.keep.All() {
		return n.log.Lines
	}
	return n.kept.Count()
}

// rowOf is how many shown lines come before a line.
func (n *News) rowOf(line int) int {
	if n.keep.All() {
		return max(min(line, n.log.Lines), 0)
	}
	return n.kept.Rank(line)
}

// lineAt is the line of a row, -1 where there is none.
func (n *News) lineAt(k int) int {
	switch {
	case k < 0 || k >= n.count():
		return -1
	case n.keep.All():
		return k
	}
	return n.kept.At(k)
}

// window reads the rows around what is shown.
func (r *reader) window(n *News, w want) error {
	if w.end && w.keep.All() && n.log.Size-n.log.Bytes > behind {
		lines, err := r.index.End(max(w.height, 1))
		n.loose, n.rows = true, r.rows(n, lines)
		return err
	}
	k := n.rowOf(w.top) - w.height
	if w.end {
		k = n.count() - 2*w.height
	}
	from := max(k, 0)
	to := min(max(k+3*w.height, 0), n.count())
	if r.same(n, from, to) {
		n.from, n.rows = from, r.last.rows
		return nil
	}
	n.from = from
	var lines []job.LogLine
	for k := from; k < to; {
		line, many := n.lineAt(k), 1
		for k+many < to && n.lineAt(k+many) == line+many {
			many++
		}
		some, err := r.index.Lines(line, many)
		if err != nil {
			return err
		}
		lines = append(lines, some...)
		if len(some) < many {
			break
		}
		k += many
	}
	n.rows = r.rows(n, lines)
	return nil
}

// same says if the rows that were told last are those from a row to before another.
func (r *reader) same(n *News, from, to int) bool {
	was := &r.last
	return r.told && was.log.Generation == n.log.Generation && was.from == from && len(was.rows) == to-from && !was.loose && was.err == nil &&
		was.find.Equal(n.find) && was.keep.Equal(n.keep) && (!was.log.Partial || to < was.count())
}

func (r *reader) rows(n *News, lines []job.LogLine) []row {
	rows := make([]row, len(lines))
	for i, l := range lines {
		rows[i] = r.row(n, l)
	}
	return rows
}

func (r *reader) row(n *News, l job.LogLine) row {
	text := l.Text
	if l.Cut > 0 {
		text += " … " + grouped(l.Cut) + " more bytes"
	}
	out := row{line: l.Number, step: l.Step}
	out.text, out.runs = canvas.SplitSGR(expand(text))
	out.ascii = true
	for i := range len(out.text) {
		if out.text[i] >= utf8.RuneSelf {
			out.ascii = false
			break
		}
	}
	if out.width = len(out.text); !out.ascii {
		out.width = canvas.Width(out.text)
	}
	out.spans = n.find.Find(out.text)
	if !l.Time.IsZero() {
		out.clock = l.Time.In(r.zone).Format(time.TimeOnly)
		out.since = sinceText(l.Time.Sub(n.log.First))
	}
	return out
}

const tabWidth = 8

// expand puts spaces in the place of tabs.
func expand(text string) string {
	if strings.IndexByte(text, '\t') < 0 {
		return text
	}
	var b strings.Builder
	column := 0
	for i, part := range strings.Split(text, "\t") {
		if i > 0 {
			fill := tabWidth - column%tabWidth
			b.WriteString(strings.Repeat(" ", fill))
			column += fill
		}
		b.WriteString(part)
		column += canvas.Width(part)
	}
	return b.String()
}
