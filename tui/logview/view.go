// Package logview is a log of any length in a pane: follow, search, filter, severities, marks, copy.
//
// A View is state only: its methods, Draw included, read no file and never wait. The reading is done by its Source, in
// a goroutine that the owner runs (screen.Follow):
//
//	v := logview.New(logview.Options{Path: job.LogPath(dir)})
//	screen.Follow{Key: "stages.log", Do: func(ctx context.Context, post func(screen.Event)) {
//		v.Source().Follow(ctx, func(news any) { post(news) })
//	}}
//	… in Handle: if news, ok := e.(logview.News); ok { v.Handle(news) }
//	… in Draw:   inner := widget.Frame{Title: "log", Right: v.Bar(t), Bottom: v.Note(t), Focused: f}.Draw(a, t); v.Draw(inner, t, active)
//	… in Key:    if v.Key(k) { return nil }      (every key has its exported method, for Actions)
//
// The Source indexes the file (job.LogIndex: a bit per line and list, a place every 256 lines), follows it by asking
// for its size (30 times a second while it grows, 5 at rest: cheaper than an inotify event per line, and it works on
// every filesystem), searches and filters it, and posts News: an immutable value with counts, sets of lines and three
// screenfuls of lines around what is shown. So motions of up to a screenful are drawn at once; after a jump the rows are
// "…" until the next News, a pread of the page cache later. There is never a message per line. News of several logs are told
// apart by Handle.
//
// What the user types for a search, a filter or a place is drawn and edited by the owner, who gives the
// text to Find, Keep and GoTo. Copying reads the file: do Excerpt.Read in a Work.
package logview

import (
	"slices"
	"time"

	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/job"
)

// Options say which log is shown.
type Options struct {
	Path string         // of the file; it need not be there yet
	Form job.LogForm    // "" is job.JobLog
	Zone *time.Location // of the times; nil is the local one
}

// Clock is how the time of a line is shown.
type Clock string

// The clocks.
const (
	ClockTime  Clock = "time"  // 15:04:05
	ClockSince Clock = "since" // the time since the first line
	ClockOff   Clock = "off"
)

// View is a log on the screen. The line of the cursor is its one place; while it follows that is the last one.
type View struct {
	src   *Source
	news  News
	ask   want
	asked want // what the source was told last

	w, h   int // of the last Draw
	follow bool
	seen   int // rows there were when it stopped following
	line   int // of the cursor
	top    int // the first line that is shown, while it does not follow
	sub    int // its rows above the screen, where lines are wrapped
	left   int // columns that are scrolled away

	wrap    bool
	step    bool // show the step column
	clock   Clock
	marks   []int // lines, sorted
	anchor  int   // where the selection began; -1: there is none
	pending string
	hunt    hunt // a jump that waits for the search to come there
	ended   bool
	refit   bool // other lines are shown now: the cursor may be out of sight
	breaks  breaks
	screen  []screenRow // of Draw
}

// hunt is where a search goes as soon as there is something.
type hunt string

const (
	huntNone  hunt = ""
	huntFirst hunt = "first" // the first at or after the cursor
	huntLast  hunt = "last"  // the last of all
)

// New makes a View that follows a log. Nothing is read before its Source's Follow.
func New(o Options) *View {
	v := &View{src: newSource(o), follow: true, step: true, clock: ClockTime, anchor: -1}
	v.news.source = v.src
	v.request()
	return v
}

// Source reads the log.
func (v *View) Source() *Source { return v.src }

// Path is the file's.
func (v *View) Path() string { return v.src.name }

// Handle takes in what was read; ok is false when it is another log's.
func (v *View) Handle(n News) (ok bool) {
	if n.source != v.src {
		return false
	}
	was := v.news
	v.news = n
	if was.log.Generation != n.log.Generation && was.log.Generation != 0 {
		v.restart()
	}
	if v.ask.seek.rev != 0 && n.seek.rev == v.ask.seek.rev && was.seek.rev != n.seek.rev {
		v.goTo(n.seek.line)
	}
	if v.ask.cause != 0 && n.cause.rev == v.ask.cause && was.cause.rev != n.cause.rev {
		v.goTo(n.cause.line)
	}
	v.pursue()
	v.stay()
	if len(was.rows) != len(n.rows) || was.from != n.from || was.log.Generation != n.log.Generation || !was.keep.Equal(n.keep) || was.log.Partial {
		v.breaks.forget()
	}
	return true
}

// stay keeps the cursor on a line that is shown, and in sight.
func (v *View) stay() {
	n := &v.news
	switch {
	case v.follow:
		v.line = max(n.lineAt(n.count()-1), 0)
	case !n.keep.Equal(v.ask.keep) || n.count() == 0:
	case n.keep.All() || n.kept.Lines() > v.line || n.kept.Lines() == n.log.Lines:
		if n.lineAt(n.rowOf(v.line)) != v.line {
			v.cursorTo(n.rowOf(v.line))
		}
		if v.refit {
			v.refit = false
			v.show()
		}
	}
}

// restart forgets places of a file that is gone.
func (v *View) restart() {
	v.marks, v.anchor, v.hunt = nil, -1, huntNone
	v.follow, v.line, v.top, v.sub = true, 0, 0, 0
	v.request()
}

// End says that the log grows no more, with the fail event of its job or the zero one.
func (v *View) End(fail event.Event) {
	v.ended = true
	v.ask.fail = fail
}

// request tells the source what there is to see, if that is anything new.
func (v *View) request() {
	v.ask.top, v.ask.end, v.ask.height = v.top, v.follow, v.h
	if v.ask.rev > 0 && v.ask.same(v.asked) {
		return
	}
	v.ask.rev++
	v.asked = v.ask
	v.src.ask(v.ask)
}

// Lines is how many lines the log has, as far as it has been read.
func (v *View) Lines() int { return v.news.log.Lines }

// Errors and Warnings are how many lines tell some.
func (v *View) Errors() int { return v.news.log.Errors.Count() }

// Warnings is how many lines tell warnings.
func (v *View) Warnings() int { return v.news.log.Warnings.Count() }

// Line is the line of the cursor, from 0.
func (v *View) Line() int { return v.line }

// Steps are the steps whose lines the log has.
func (v *View) Steps() []job.LogStep { return v.news.log.Steps }

// Err is why the log could not be read, if so.
func (v *View) Err() error { return v.news.err }

// Following says if the end of the log is kept in sight.
func (v *View) Following() bool { return v.follow }

// Wrapped says if long lines go on in the next row.
func (v *View) Wrapped() bool { return v.wrap }

// StepShown says if the step of each line is shown.
func (v *View) StepShown() bool { return v.step }

// ClockShown is how the time of each line is shown.
func (v *View) ClockShown() Clock { return v.clock }

// ToggleWrap switches between long lines that are wrapped and ones that are scrolled.
func (v *View) ToggleWrap() {
	v.wrap, v.left, v.sub = !v.wrap, 0, 0
	v.show()
}

// ToggleStep shows or hides the step of each line.
func (v *View) ToggleStep() { v.step = !v.step }

// NextClock goes from the time of day to the time since the beginning, to none.
func (v *View) NextClock() {
	all := []Clock{ClockTime, ClockSince, ClockOff}
	v.clock = all[(slices.Index(all, v.clock)+1)%len(all)]
}

// SetClock sets how the time of each line is shown.
func (v *View) SetClock(c Clock) { v.clock = c }

// ToggleFollow keeps the end of the log in sight, or no longer.
func (v *View) ToggleFollow() {
	if v.follow {
		v.unfollow()
		v.request()
		return
	}
	v.Bottom()
}

// Escape takes back one thing: the selection, the search, the filter; false when there is none.
func (v *View) Escape() bool {
	switch {
	case v.pending != "":
		v.pending = ""
	case v.anchor >= 0:
		v.anchor = -1
	case !v.ask.find.All():
		v.ask.find, v.hunt = job.LogPattern{}, huntNone
		v.request()
	case !v.ask.keep.All():
		v.keep(job.LogPattern{})
	default:
		return false
	}
	return true
}
