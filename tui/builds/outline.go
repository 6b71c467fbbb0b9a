package builds

import (
	"slices"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// line is one line of an outline: a heading, or what stands below one.
type line struct {
	heading bool
	indent  int // of a line below a line
	name    string
	text    string
	when    time.Time // how long that is ago stands after text; zero is nothing
	number  string
	role    theme.Role
	textAs  theme.Role // of text; "" is muted
	bar     float64    // 0 to 1; 0 is none
	sign    sign
	section string // the heading above; set by the outline
	what    any    // what enter and the actions are about
}

// sign stands before a line.
type sign int

// The signs.
const (
	signNone sign = iota
	signAdded
	signRemoved
	signChanged
	signOK
	signFail
	signWarn
	signRunning
)

// outline is sections that fold, in a table.
type outline struct {
	table widget.Table
	form  form
	fit   fit
	lines []line
	folds map[string]bool // titles of what is folded
	view  *outlineRows
}

// outlineRows is the lines that are not folded.
type outlineRows struct {
	lines  []line
	shown  []int
	plain  bool // a text: lines are known by their number
	folds  map[string]bool
	glyphs theme.Glyphs
	now    time.Time
}

const barWidth = 10

// form is how the lines of an outline are laid out.
type form string

// The forms.
const (
	formSections form = "sections" // a name, a text, a number, a bar
	formText     form = "text"     // plain lines
)

func newOutline(f form) outline {
	o := outline{form: f, folds: map[string]bool{}, view: &outlineRows{glyphs: theme.New(theme.Options{}).Glyphs}}
	o.table = widget.Table{Columns: []widget.Column{{Width: 10, Grow: 1, Filter: true}}, Headless: true, Quiet: true}
	return o
}

// fit is how much room the lines want.
type fit struct {
	name, text, number int
	bar                bool
}

// measure finds that out. Headings go over the columns after them.
func (o *outline) measure() {
	o.fit = fit{}
	for i, l := range o.lines {
		if !l.heading && (l.text != "" || l.number != "") {
			o.fit.name = max(o.fit.name, canvas.Width(o.view.name(l)))
			o.fit.text = max(o.fit.text, canvas.Width(o.view.text(l)))
		}
		o.fit.number = max(o.fit.number, canvas.Width(l.number))
		o.fit.bar = o.fit.bar || l.bar > 0
		if i > measured {
			return
		}
	}
}

// measured bounds the lines that are looked at for their width.
const measured = 2000

// nameMost is what names have of a wide pane: a few long ones do not drive the rest apart.
const nameMost = 48

// columns shares w columns of the screen: numbers and bars have what they want, the text at most a third
// when names are long.
func (o *outline) columns(w int) []widget.Column {
	if o.form == formText {
		return []widget.Column{{Width: 10, Grow: 1, Filter: true}}
	}
	room := w - 4 // the gutter and a scroll bar
	if o.fit.number > 0 {
		room -= o.fit.number + 2
	}
	if o.fit.bar && w >= 60 {
		room -= barWidth + 2
	}
	text := min(o.fit.text, room/3)
	name := max(min(o.fit.name, room-2-text, nameMost), 8)
	list := []widget.Column{
		{Width: name, Filter: true, Over: true},
		{Width: max(text, 4), Grow: 1, Filter: true, Over: true},
		{Width: o.fit.number, Right: true},
	}
	if o.fit.bar && w >= 60 {
		list = append(list, widget.Column{Width: barWidth})
	}
	return list
}

// set shows other lines; the cursor stays on the line of the same name where there is one.
func (o *outline) set(lines []line) {
	section := ""
	for i := range lines {
		if lines[i].heading {
			section = lines[i].name
		}
		lines[i].section = section
	}
	o.lines = lines
	o.measure()
	o.arrange()
}

// arrange shows the lines that no fold hides; a filter looks into folds too.
func (o *outline) arrange() {
	v := &outlineRows{lines: o.lines, folds: o.folds, glyphs: o.view.glyphs, now: o.view.now, plain: o.form == formText}
	hidden := false
	for i, l := range o.lines {
		if l.heading {
			hidden = o.folds[l.name] && o.table.Filter() == ""
		}
		if l.heading || !hidden {
			v.shown = append(v.shown, i)
		}
	}
	o.view = v
	o.table.SetRows(v)
}

// current is the line of the cursor.
func (o *outline) current() (line, bool) {
	row, ok := o.table.Current()
	if !ok {
		return line{}, false
	}
	return o.lines[o.view.shown[row]], true
}

// toggle folds or unfolds the section of the cursor's heading.
func (o *outline) toggle() bool {
	l, ok := o.current()
	if !ok || !l.heading {
		return false
	}
	o.folds[l.name] = !o.folds[l.name]
	o.arrange()
	return true
}

// foldAll folds all sections, or unfolds them where all are.
func (o *outline) foldAll() {
	open := slices.ContainsFunc(o.lines, func(l line) bool { return l.heading && !o.folds[l.name] })
	for _, l := range o.lines {
		if l.heading {
			o.folds[l.name] = open
		}
	}
	o.arrange()
}

func (o *outline) foldedTitles() []string {
	var list []string
	for title, folded := range o.folds {
		if folded {
			list = append(list, title)
		}
	}
	slices.Sort(list)
	return list
}

func (o *outline) fold(titles []string) {
	for _, t := range titles {
		o.folds[t] = true
	}
	o.arrange()
}

// key is a motion or a filter's text; left and right fold.
func (o *outline) key(k term.Key) bool {
	before := o.table.Filter()
	if !o.table.Typing() {
		switch k.Name {
		case "left", "h", "right", "l":
			l, ok := o.current()
			if ok && l.heading && o.folds[l.name] == (k.Name == "right" || k.Name == "l") {
				return o.toggle()
			}
			return false
		}
	}
	done := o.table.Key(k) != widget.Ignored
	if (before == "") != (o.table.Filter() == "") {
		o.arrange()
	}
	return done
}

func (o *outline) draw(a canvas.Area, f screen.Frame, focus widget.Focus) {
	o.view.glyphs, o.view.now = f.Theme.Glyphs, f.Now
	w, _ := a.Size()
	o.table.Columns = o.columns(w)
	o.table.Draw(a, f.Theme, focus)
}
