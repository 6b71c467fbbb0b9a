package logview

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace/event"
)

// Bar says where one is, for the right end of the frame's title: "FOLLOW  18,204 ln  4.10 MiB",
// or "12,033/18,204  66%  +1,204 new ↓ G".
func (v *View) Bar(t *theme.Theme) string {
	n := &v.news
	size := event.Bytes(n.log.Size).String()
	switch {
	case !n.log.Exists:
		return ""
	case !n.read() && n.log.Size > behind:
		part := fmt.Sprintf("reading %d%%  %s", 100*n.log.Bytes/n.log.Size, size)
		if v.follow {
			return "FOLLOW  " + part
		}
		return part
	case v.follow && v.ended:
		return "END  " + grouped(n.log.Lines) + " ln  " + size
	case v.follow:
		return "FOLLOW  " + grouped(n.log.Lines) + " ln  " + size
	}
	k, count := n.rowOf(v.line), n.count()
	bar := grouped(min(k+1, count)) + "/" + grouped(count) + "  " + strconv.Itoa(100*min(k+1, count)/max(count, 1)) + "%"
	if fresh := count - v.seen; fresh > 0 {
		bar += "  +" + grouped(fresh) + " new " + t.Glyphs.Follow + " G"
	}
	return bar
}

// Note says what is searched, hidden and selected, and what there is to jump to, for the lower left end of the frame.
func (v *View) Note(t *theme.Theme) string {
	var parts []string
	if from, to, ok := v.selection(); ok {
		parts = append(parts, plural(to-from+1, "line")+" selected")
	}
	if !v.ask.find.All() {
		parts = append(parts, "/"+v.ask.find.Text()+" "+v.hits())
	}
	if keep := v.ask.keep; !keep.All() {
		what := "&" + keep.Text()
		if keep.Step() != "" {
			what = strings.TrimSuffix("step "+keep.Step()+" "+what, " &")
		}
		parts = append(parts, what+" "+v.hidden())
	}
	if n := v.Errors(); n > 0 {
		parts = append(parts, t.Glyphs.Fail+" "+plural(n, "error"))
	}
	if n := v.Warnings(); n > 0 {
		parts = append(parts, t.Glyphs.Warn+" "+plural(n, "warning"))
	}
	if n := len(v.marks); n > 0 {
		parts = append(parts, t.Glyphs.Marked+" "+plural(n, "mark"))
	}
	if v.news.err != nil {
		parts = append(parts, v.news.err.Error())
	}
	return strings.Join(parts, "  ")
}

// hits is how a search stands: "3 of 120", "40%".
func (v *View) hits() string {
	found := v.found()
	part := progress(found.Lines(), v.news.log.Lines)
	switch {
	case found.Count() == 0 && part != "":
		return "searching " + part
	case found.Count() == 0:
		return "not found"
	case found.Has(v.line) && !v.follow:
		return strings.TrimSpace(grouped(found.Rank(v.line)+1) + " of " + grouped(found.Count()) + " " + part)
	}
	return strings.TrimSpace(plural(found.Count(), "line") + " " + part)
}

// hidden is how a filter stands: "12 of 18,204 lines", "12 lines 40%".
func (v *View) hidden() string {
	if !v.news.keep.Equal(v.ask.keep) {
		return "searching"
	}
	kept := v.news.kept
	if part := progress(kept.Lines(), v.news.log.Lines); part != "" {
		return plural(kept.Count(), "line") + " " + part
	}
	return grouped(kept.Count()) + " of " + plural(v.news.log.Lines, "line")
}

// progress is how much of a log has been looked at, "" for all of it.
func progress(done, all int) string {
	if done >= all {
		return ""
	}
	return strconv.Itoa(100*done/all) + "%"
}

// empty says why there is nothing to see; "" when there is.
func (v *View) empty() string {
	n := &v.news
	switch {
	case n.count() > 0 || n.loose:
		return ""
	case n.err != nil:
		return n.err.Error()
	case n.rev == 0:
		return ""
	case !n.log.Exists && v.ended:
		return "There is no log."
	case !n.log.Exists:
		return "No log yet."
	case n.log.Lines == 0 && v.ended:
		return "The log is empty: no program has printed anything."
	case n.log.Lines == 0:
		return "Nothing printed yet."
	case n.kept.Lines() < n.log.Lines:
		return "Searching…"
	}
	return "No line matches; esc shows all."
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// grouped writes a number with commas: 18,204.
func grouped(n int) string {
	digits := strconv.AppendInt(nil, int64(n), 10)
	out := make([]byte, 0, 32)
	for i, b := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out = append(out, ',')
		}
		out = append(out, b)
	}
	return string(out)
}

// sinceText writes a time since the beginning: +0:07, +1:02:03.
func sinceText(d time.Duration) string {
	s := int(max(d, 0).Seconds())
	if s < 3600 {
		return fmt.Sprintf("+%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("+%d:%02d:%02d", s/3600, s/60%60, s%60)
}
