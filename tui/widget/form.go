package widget

import (
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// Kind is what a FormField takes.
type Kind string

// The kinds.
const (
	Line   Kind = "text"   // a line of text
	Switch Kind = "bool"   // "true" or "false"
	One    Kind = "choice" // one of Options
	Many   Kind = "many"   // any of Options, joined by spaces
)

// FormField is one field of a Form.
type FormField struct {
	Name, Title, Help string
	Kind              Kind
	Value             string
	Options           []string
	Check             func(value string) string // what is wrong; nil: nothing ever is
}

// Form is fields below each other, filled in with the keyboard.
type Form struct {
	fields []FormField
	inputs []*Input // of the text fields, nil for others
	at     int      // the field that has the keys
	option int      // of a Many: the option that has them
}

// NewForm makes a Form of these fields.
func NewForm(fields []FormField) *Form {
	f := &Form{fields: slices.Clone(fields), inputs: make([]*Input, len(fields))}
	for i, field := range fields {
		switch field.Kind {
		case Line:
			f.inputs[i] = NewInput("", field.Value)
		case Switch:
			if field.Value != "true" {
				f.fields[i].Value = "false"
			}
		case One:
			if !slices.Contains(field.Options, field.Value) && len(field.Options) > 0 {
				f.fields[i].Value = field.Options[0]
			}
		}
	}
	return f
}

// Len is the number of fields.
func (f *Form) Len() int { return len(f.fields) }

// At is the field that has the keys.
func (f *Form) At() int { return f.at }

// Focus gives the keys to field i.
func (f *Form) Focus(i int) {
	if i = max(min(i, len(f.fields)-1), 0); i != f.at {
		f.at, f.option = i, 0
	}
}

// Values is what was filled in, by the fields' names.
func (f *Form) Values() map[string]string {
	out := map[string]string{}
	for i, field := range f.fields {
		out[field.Name] = f.value(i)
	}
	return out
}

func (f *Form) value(i int) string {
	if in := f.inputs[i]; in != nil {
		return in.Value()
	}
	return f.fields[i].Value
}

// Wrong gives the first field whose value does not fit, and why; "" when all fit.
func (f *Form) Wrong() (field int, why string) {
	for i := range f.fields {
		if why := f.wrong(i); why != "" {
			return i, why
		}
	}
	return 0, ""
}

func (f *Form) wrong(i int) string {
	if check := f.fields[i].Check; check != nil {
		return check(f.value(i))
	}
	return ""
}

// Typing says whether the field that has the keys takes text.
func (f *Form) Typing() bool { return len(f.fields) > 0 && f.inputs[f.at] != nil }

// Key fills in; it says whether the key was one for the field. Moving between the fields is the owner's.
func (f *Form) Key(k term.Key) bool {
	if len(f.fields) == 0 {
		return false
	}
	field := &f.fields[f.at]
	switch field.Kind {
	case Line:
		return f.inputs[f.at].Key(k)
	case Switch:
		if k.Name == "space" || k.Name == "left" || k.Name == "right" {
			field.Value = map[string]string{"true": "false", "false": "true"}[field.Value]
			return true
		}
	case One:
		return f.choose(field, k.Name)
	case Many:
		return f.tick(field, k.Name)
	}
	return false
}

func (f *Form) choose(field *FormField, key string) bool {
	step := map[string]int{"space": 1, "right": 1, "left": -1}[key]
	n := len(field.Options)
	if step == 0 || n == 0 {
		return false
	}
	i := slices.Index(field.Options, field.Value)
	field.Value = field.Options[(i+step+n)%n]
	return true
}

func (f *Form) tick(field *FormField, key string) bool {
	n := len(field.Options)
	if n == 0 {
		return false
	}
	switch key {
	case "right":
		f.option = (f.option + 1) % n
	case "left":
		f.option = (f.option + n - 1) % n
	case "space":
		chosen := strings.Fields(field.Value)
		var next []string
		for i, o := range field.Options {
			if slices.Contains(chosen, o) != (i == f.option) {
				next = append(next, o)
			}
		}
		field.Value = strings.Join(next, " ")
	default:
		return false
	}
	return true
}

// Height is the rows that the form takes.
func (f *Form) Height() int { return len(f.fields) }

// Draw draws the form, a field a row; when there are more than rows, those around the focused one.
func (f *Form) Draw(a canvas.Area, t *theme.Theme, active Focus) {
	w, h := a.Size()
	label := 0
	for _, field := range f.fields {
		label = max(label, canvas.Width(field.Title))
	}
	label = min(label, w/2)
	top := max(min(f.at-h/2, len(f.fields)-h), 0)
	for y := range min(h, len(f.fields)-top) {
		i := top + y
		here := bool(active) && i == f.at
		s := t.Style(theme.Text)
		if here {
			s = t.Style(theme.TitleFocus)
			a.Put(0, y, t.Glyphs.Pointer, t.Style(theme.Running))
		}
		if f.wrong(i) != "" {
			s = t.Style(theme.Failure)
		}
		a.PutIn(2, y, label, f.fields[i].Title, s)
		f.drawValue(a.Sub(canvas.Rect{X: label + 4, Y: y, W: w - label - 4, H: 1}), t, i, Focus(here))
	}
}

func (f *Form) drawValue(a canvas.Area, t *theme.Theme, i int, focus Focus) {
	field, plain := f.fields[i], t.Style(theme.Text)
	if focus {
		plain = t.Style(theme.Key)
	}
	switch field.Kind {
	case Line:
		f.inputs[i].Draw(a, t, focus)
	case Switch:
		a.Put(0, 0, map[string]string{"true": "[x] yes", "false": "[ ] no"}[field.Value], plain)
	case One:
		x := a.Put(0, 0, "< ", t.Style(theme.Muted))
		x = a.Put(x, 0, field.Value, plain)
		a.Put(x, 0, " >", t.Style(theme.Muted))
	case Many:
		chosen, x := strings.Fields(field.Value), 0
		for j, o := range field.Options {
			box := "[ ] "
			if slices.Contains(chosen, o) {
				box = "[x] "
			}
			s := t.Style(theme.Text)
			if bool(focus) && j == f.option {
				s = plain
			}
			x = a.Put(x, 0, box+o, s) + 2
		}
	}
}

// Help is what is said of the field that has the keys: what is wrong with its value, else its help.
func (f *Form) Help() (text string, wrong bool) {
	if len(f.fields) == 0 {
		return "", false
	}
	if why := f.wrong(f.at); why != "" {
		return why, true
	}
	return f.fields[f.at].Help, false
}
