package widget

import (
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// Button is one way to answer a Dialog.
type Button struct {
	ID    string
	Title string
	Key   string // a printable key that takes it at once; "" is none
}

// Dialog asks: a text, perhaps fields, buttons.
type Dialog struct {
	Title   string
	Text    []string // paragraphs
	Danger  bool
	Typed   string // to be typed before any button but the last counts; "" is nothing
	Buttons []Button

	form  *Form
	typed *Input
	at    int       // of the stops: fields, then the typed word, then buttons
	since time.Time // when it appeared
	rects []canvas.Rect
}

// Grace is how long a dialog takes no answer after it appeared: what was typed before was meant for what lay below.
const Grace = 350 * time.Millisecond

// NewDialog makes a Dialog that appears now.
func NewDialog(d Dialog, fields []FormField, now time.Time) *Dialog {
	d.form = NewForm(fields)
	if d.Typed != "" {
		d.typed = NewInput("> ", "")
	}
	if len(d.Buttons) == 0 {
		d.Buttons = []Button{{ID: "ok", Title: "OK"}, {ID: "", Title: "Cancel"}}
	}
	d.since = now
	if d.Danger && d.typed == nil && d.form.Len() == 0 {
		d.at = len(d.Buttons) - 1 // the way out
	}
	return &d
}

// Result is what a key or a press made of a dialog.
type Result struct {
	Done   bool   // the dialog is over
	Button string // the ID of the button; "" when it was left
}

func (d *Dialog) stops() int { return d.form.Len() + d.words() + len(d.Buttons) }

func (d *Dialog) words() int {
	if d.typed != nil {
		return 1
	}
	return 0
}

// button is the button that has the keys, -1 when none does.
func (d *Dialog) button() int { return max(d.at-d.form.Len()-d.words(), -1) }

func (d *Dialog) onForm() bool { return d.at < d.form.Len() }

func (d *Dialog) onWord() bool { return d.typed != nil && d.at == d.form.Len() }

// Values is what was filled in.
func (d *Dialog) Values() map[string]string { return d.form.Values() }

// Key handles a key.
func (d *Dialog) Key(k term.Key, now time.Time) Result {
	if now.Sub(d.since) < Grace && k.Name != "esc" {
		return Result{}
	}
	if d.onForm() {
		d.form.Focus(d.at)
		if d.form.Key(k) {
			return Result{}
		}
	}
	if d.onWord() && d.typed.Key(k) {
		return Result{}
	}
	for i, b := range d.Buttons {
		if b.Key != "" && b.Key == k.Name {
			return d.take(i)
		}
	}
	switch k.Name {
	case "esc", "ctrl+c":
		return Result{Done: true}
	case "tab", "down", "ctrl+n", "j": // letters come here where no text is typed
		d.move(1)
	case "shift+tab", "up", "k":
		d.move(-1)
	case "left", "h":
		if d.button() > 0 {
			d.move(-1)
		}
	case "right", "l":
		if d.button() >= 0 && d.at < d.stops()-1 {
			d.move(1)
		}
	case "enter":
		if b := d.button(); b >= 0 {
			return d.take(b)
		}
		if d.onForm() && d.at < d.form.Len()-1 {
			d.move(1)
			return Result{}
		}
		return d.take(0)
	}
	return Result{}
}

func (d *Dialog) move(n int) {
	d.at = (d.at + n + d.stops()) % d.stops()
	if d.onForm() {
		d.form.Focus(d.at)
	}
}

// take is the choice of button i. The last one always can be taken.
func (d *Dialog) take(i int) Result {
	if i < len(d.Buttons)-1 {
		if field, why := d.form.Wrong(); why != "" {
			d.at = field
			d.form.Focus(field)
			return Result{}
		}
		if d.typed != nil && d.typed.Value() != d.Typed {
			d.at = d.form.Len()
			return Result{}
		}
	}
	return Result{Done: true, Button: d.Buttons[i].ID}
}

// Mouse handles the mouse, in the coordinates of the area that Draw got.
func (d *Dialog) Mouse(m term.Mouse, now time.Time) Result {
	if m.Kind != term.Press || m.Button != 1 || now.Sub(d.since) < Grace {
		return Result{}
	}
	for i, r := range d.rects {
		if r.Contains(m.X, m.Y) {
			d.at = d.form.Len() + d.words() + i
			return d.take(i)
		}
	}
	return Result{}
}

// Draw draws the dialog in the middle of the area.
func (d *Dialog) Draw(a canvas.Area, t *theme.Theme) {
	w, h := a.Size()
	width := min(d.width(), w-2)
	var text []string
	for i, p := range d.Text {
		if i > 0 && d.form.Len() == 0 && d.typed == nil {
			text = append(text, "")
		}
		text = append(text, Wrap(p, width-4)...)
	}
	extra := 4 // frame, blank row, buttons
	if d.form.Len() > 0 {
		extra += d.form.Len() + 2
	}
	if d.typed != nil {
		extra += 3
	}
	if room := max(h-extra, 1); len(text) > room {
		text = append(text[:room-1], t.Glyphs.Ellipsis)
	}
	height := min(len(text)+extra, h)
	box := canvas.Rect{X: (w - width) / 2, Y: (h - height) / 2, W: width, H: height}
	area := a.Sub(box)
	area.Fill(area.Bounds(), " ", t.Style(theme.Text))
	in := Frame{Title: d.Title, Focused: true}.Draw(area, t)
	in = in.Sub(canvas.Rect{X: 1, W: width - 4, H: height - 2})
	y := 0
	for _, line := range text {
		in.Put(0, y, line, t.Style(theme.Text))
		y++
	}
	if d.form.Len() > 0 {
		y = d.drawForm(in, t, y)
	}
	if d.typed != nil {
		d.drawWord(in, t, y)
	}
	d.drawButtons(in.Sub(canvas.Rect{Y: height - 3, W: width - 4, H: 1}), t, box, height)
}

func (d *Dialog) drawForm(in canvas.Area, t *theme.Theme, y int) int {
	w, h := in.Size()
	y++
	rows := max(min(d.form.Len(), h-y-3), 1)
	focus := Unfocused
	if d.onForm() {
		focus = Focused
	}
	d.form.Draw(in.Sub(canvas.Rect{Y: y, W: w, H: rows}), t, focus)
	y += rows
	help, wrong := d.form.Help()
	s := t.Style(theme.Muted)
	if wrong {
		s = t.Style(theme.Failure)
	}
	if d.onForm() {
		in.PutIn(2, y, w-2, help, s)
	}
	return y + 1
}

func (d *Dialog) drawWord(in canvas.Area, t *theme.Theme, y int) {
	w, _ := in.Size()
	y++
	in.PutIn(0, y, w, "type "+d.Typed+" to go on", t.Style(theme.Warning))
	focus := Unfocused
	if d.onWord() {
		focus = Focused
	}
	d.typed.Draw(in.Sub(canvas.Rect{Y: y + 1, W: w, H: 1}), t, focus)
}

func (d *Dialog) drawButtons(in canvas.Area, t *theme.Theme, box canvas.Rect, height int) {
	d.rects = d.rects[:0]
	x := 0
	for i, b := range d.Buttons {
		text := " " + b.Title + " "
		if b.Key != "" {
			text = " " + b.Title + " (" + b.Key + ") "
		}
		s := t.Style(theme.Text)
		switch {
		case i == d.button():
			s = t.Style(theme.Selected)
			text = ">" + text[1:len(text)-1] + "<"
		case d.Danger && i < len(d.Buttons)-1:
			s = t.Style(theme.Failure)
		}
		d.rects = append(d.rects, canvas.Rect{X: box.X + 2 + x, Y: box.Y + height - 2, W: len(text), H: 1})
		x = in.Put(x, 0, text, s) + 2
	}
}

func (d *Dialog) width() int {
	w := 44
	for _, p := range d.Text {
		w = max(w, min(canvas.Width(p), 72)+4)
	}
	w = max(w, canvas.Width(d.Title)+8)
	buttons := 4
	for _, b := range d.Buttons {
		buttons += canvas.Width(b.Title) + len(b.Key) + 7
	}
	if d.form.Len() > 0 {
		w = max(w, 72)
	}
	return min(max(w, buttons), 96)
}
