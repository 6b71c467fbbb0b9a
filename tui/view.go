package tui

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/settings"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// View shows the frame. Bubble Tea asks after every message; it is drawn anew only
// when something has happened, and goes out by our own way: what is given to Bubble
// Tea would wait for the next tick of its renderer.
func (m *model) View() string {
	if !m.stale || m.w == 0 {
		return ""
	}
	m.stale = false
	m.draw()
	m.buf = m.canvas.AppendLines(m.buf[:0], m.painter.SGR)
	if m.hook == nil {
		return ""
	}
	if m.works.idle() {
		m.buf = append(m.buf, m.hook.IdleMark(m.handled)...)
	}
	x, y, _ := m.canvas.Cursor()
	m.hook.Show(m.buf, x, y)
	return ""
}

// draw draws the frame into the canvas.
func (m *model) draw() {
	m.canvas.Reset(m.w, m.h)
	m.canvas.Ellipsis = m.theme.Glyphs.Ellipsis
	all := m.canvas.Area()
	if m.w < minWidth || m.h < minHeight {
		drawTooSmall(all, m.theme)
		return
	}
	a := layout(m.w, m.h)
	body := all.Sub(a.body)
	s := m.screen()
	s.Draw(body, screen.Frame{Theme: m.theme, Now: m.o.now(), Active: len(m.overlays) == 0})
	m.drawHeader(all.Sub(a.header))
	m.drawStatus(all.Sub(a.status))
	if n := len(m.overlays); n > 0 {
		o := m.overlays[n-1]
		body.Restyle(body.Bounds(), dimmed)
		all.HideCursor()
		o.draw(body, m.theme)
	}
	m.drawFooter(all.Sub(a.footer))
}

// dimmed is the look of what lies below an overlay.
func dimmed(s canvas.Style) canvas.Style {
	return canvas.Style{Attr: s.Attr&^(canvas.Bold|canvas.Reverse) | canvas.Dim}
}

func drawTooSmall(a canvas.Area, t *theme.Theme) {
	w, h := a.Size()
	for i, line := range []string{fmt.Sprintf("%dx%d is too small", w, h), fmt.Sprintf("nosa needs %dx%d", minWidth, minHeight)} {
		a.PutIn(max((w-len(line))/2, 0), max(h/2-1, 0)+i, w, line, t.Style(theme.Warning))
	}
}

// tab is a screen's name in the header.
type tab struct {
	x, w int
	text string
}

// tabs gives where the names of the screens lie in a header of w columns.
func (m *model) tabs(w int) []tab {
	if m.ws == nil {
		return nil
	}
	out, x := m.tabsOf(m.tabText)
	if w-x < leastHeader { // the others by their keys alone
		out, x = m.tabsOf(m.tabKey)
	}
	for i := range out {
		out[i].x += max(w-x, 0)
	}
	return out
}

// leastHeader is how much of the header is for what is not a tab, in columns.
const leastHeader = 24

// tabsOf gives the tabs from column 0 on, and their width.
func (m *model) tabsOf(text func(int, screen.Screen) string) (out []tab, x int) {
	for i, s := range m.screens {
		t := text(i, s)
		n := canvas.Width(t)
		out = append(out, tab{x, n, t})
		x += n + 1
	}
	return out, x
}

func (m *model) drawHeader(a canvas.Area) {
	w, _ := a.Size()
	a.Fill(a.Bounds(), " ", m.theme.Style(theme.Header))
	tabs := m.tabs(w)
	right := w
	if len(tabs) > 0 {
		right = tabs[0].x
	}
	x := a.Put(1, 0, "nosa", m.theme.Style(theme.Header))
	if m.ws != nil {
		right = m.drawPeople(a, x+1, right)
	}
	x = m.drawBackend(a, x+1, right) - 1
	a.PutIn(x+1, 0, right-x-2, shortPath(m.o.Dir, m.o.home), m.theme.Style(theme.Muted))
	for i, t := range tabs {
		s := m.theme.Style(theme.Tab)
		if i == m.current {
			s = m.theme.Style(theme.TabActive)
			t.text = "[" + t.text[1:len(t.text)-1] + "]"
		}
		a.Put(t.x, 0, t.text, s)
	}
}

// shortPath writes a path with ~ for the home directory.
func shortPath(path, home string) string {
	if rest, ok := strings.CutPrefix(path, home); ok && home != "" && home != "/" && (rest == "" || rest[0] == '/') {
		return "~" + rest
	}
	return path
}

// drawStatus says what goes on: a notice while there is one, else jobs and what the screen has to say.
func (m *model) drawStatus(a canvas.Area) {
	w, h := a.Size()
	if h == 0 {
		return
	}
	if m.notices.showing() {
		n := m.notices.last()
		g, s := m.theme.Glyphs, m.theme
		sign := map[screen.Level]string{screen.Good: g.OK, screen.Warn: g.Warn, screen.Bad: g.Fail, screen.Note: g.Info, "": g.Info}[n.Level]
		role := map[screen.Level]theme.Role{screen.Good: theme.Success, screen.Warn: theme.Warning, screen.Bad: theme.Failure}[n.Level]
		if role == "" {
			role = theme.Info
		}
		x := a.Put(1, 0, sign+" ", s.Style(role))
		a.PutIn(x, 0, w-x-1, firstLine(n.Text), s.Style(role))
		return
	}
	right := w - 1
	if state := m.files.Watch; state.Notice != "" {
		right = a.PutRight(right, 0, m.theme.Glyphs.Warn+" polling "+itoa(state.Polled)+" directories", m.theme.Style(theme.Warning)) - 2
	}
	x := m.drawJobs(a.Sub(canvas.Rect{W: max(right, 0), H: 1}))
	hint := m.screen().Hint()
	right = m.drawLoop(a, x+2+min(canvas.Width(hint), (right-x)/2), right)
	if hint != "" && x+2 < right {
		a.PutIn(x+2, 0, right-x-2, hint, m.theme.Style(theme.Muted))
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// drawJobs says which jobs run and how far they are, and gives the column after it.
func (m *model) drawJobs(a canvas.Area) int {
	x, others := 1, 0
	for _, j := range m.jobs.List {
		if !j.Running() {
			continue
		}
		if x > 1 {
			others++
			continue
		}
		now := m.o.now()
		x = a.Put(x, 0, m.theme.Glyphs.Running+" "+m.stageOf(j)+" ", m.theme.Style(theme.Running))
		if f, ok := j.Fraction(now); ok {
			x = a.Put(x, 0, strconv.Itoa(int(f*100))+"% ", m.theme.Style(theme.Text))
		}
		x = a.Put(x, 0, widget.Stopwatch(j.Elapsed(now)), m.theme.Style(theme.Muted))
	}
	if others > 0 {
		x = a.Put(x, 0, fmt.Sprintf(" and %d more", others), m.theme.Style(theme.Muted))
	}
	if x == 1 {
		x = a.Put(x, 0, "no job runs", m.theme.Style(theme.Muted))
	}
	return x
}

// hint is a place in the footer that says a key and can be pressed.
type hint struct {
	x, w   int
	action settings.Placed
	off    bool
}

// footerHints gives the keys that the footer shows in w columns: of the pane, of the screen, of all;
// what does not fit is left out from the end. The last ones, palette and help, always fit.
func (m *model) footerHints(w int) []hint {
	if m.raw() != nil {
		return nil
	}
	var first, last []settings.Placed
	taken := map[string]bool{} // keys that mean something else here
	p := m.place()
	for _, a := range m.keys.at(p) {
		if p.typing && !a.Text {
			continue
		}
		if len(a.Keys) > 0 && taken[a.Keys[0]] {
			continue
		}
		for _, key := range a.Keys {
			taken[key] = true
		}
		switch {
		case a.Short == "" || len(a.Keys) == 0:
		case a.Text && !p.typing && (a.Pane != "" || a.ID == "app.palette-typing"): // another key is shorter
		case a.ID == "app.palette" || a.ID == "app.palette-typing" || a.ID == "app.help":
			last = append(last, a)
		default:
			first = append(first, a)
		}
	}
	reserved := 0
	for _, a := range last {
		reserved += hintWidth(a) + 2
	}
	var out []hint
	x := 1
	add := func(a settings.Placed, limit int) {
		if n := hintWidth(a); x+n <= limit {
			out = append(out, hint{x, n, a, reason(a.Action) != ""})
			x += n + 2
		}
	}
	for _, a := range first {
		add(a, w-reserved)
	}
	for _, a := range last {
		add(a, w)
	}
	return out
}

func hintWidth(a settings.Placed) int { return canvas.Width(a.Keys[0]) + 1 + canvas.Width(a.Short) }

func (m *model) drawFooter(a canvas.Area) {
	w, _ := a.Size()
	a.Fill(a.Bounds(), " ", m.theme.Style(theme.Footer))
	if n := len(m.overlays); n > 0 {
		a.PutIn(1, 0, w-2, m.overlays[n-1].hint(), m.theme.Style(theme.Muted))
		return
	}
	if r := m.raw(); r != nil {
		a.PutIn(1, 0, w-2, r.RawHint(), m.theme.Style(theme.Key))
		return
	}
	if m.pending != "" {
		a.PutIn(1, 0, w-2, m.pending+" "+m.theme.Glyphs.Ellipsis, m.theme.Style(theme.Key))
		return
	}
	for _, h := range m.footerHints(w) {
		key, text := m.theme.Style(theme.Key), m.theme.Style(theme.Text)
		if h.off {
			key, text = m.theme.Style(theme.Disabled), m.theme.Style(theme.Disabled)
		}
		x := a.Put(h.x, 0, h.action.Keys[0], key)
		a.Put(x+1, 0, h.action.Short, text)
	}
}
