package serial

import (
	"fmt"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/vt"
)

// back is the scrollback while it is looked at. Places are numbers of lines (vt), which stay while more is printed.
type back struct {
	top    int // the first line that is shown
	at     vt.Place
	anchor *vt.Place // where the selection began; nil: there is none
	unit   vt.Unit
	seen   int  // how many lines there were when it began
	g      bool // the first g of two
}

// Scrolled says that the scrollback is looked at: the view stays while the guest prints on.
func (v *View) Scrolled() bool { return v.back != nil }

// Scroll looks at the scrollback. What is printed goes on below.
func (v *View) Scroll() {
	if v.back != nil {
		return
	}
	_, top, end := v.screen.Bounds()
	c := v.screen.Cursor()
	v.back = &back{top: top, at: vt.Place{Line: c.Line}, seen: end, unit: vt.Characters}
}

// Follow leaves the scrollback; who had the keys has them again.
func (v *View) Follow() { v.back = nil }

// Escape takes back one thing: the selection, the search, the scrollback; false when there is none.
func (v *View) Escape() bool {
	switch b := v.back; {
	case b != nil && b.anchor != nil:
		b.anchor = nil
	case v.finding != "":
		v.finding, v.finder = "", vt.Finder{}
	case b != nil:
		v.back = nil
	default:
		return false
	}
	return true
}

// Key does what a key means: attached it goes to the guest, else it moves through the scrollback; mine is false
// for all others. The input line of "/" is the owner's.
//
//	j k up down · ctrl+d ctrl+u · ctrl+f ctrl+b pgdown pgup space · g g home · G end (leaves the scrollback)
//	h l left right 0 $ sideways · v V select characters, lines · y copy · n N next and previous hit
//	esc takes back selection, search, scrollback · q leaves the scrollback · enter gives the keys to the guest
func (v *View) Key(k term.Key) (effects []screen.Effect, mine bool) {
	if v.Attached() {
		return v.typedKey(k), true
	}
	if b := v.back; b != nil && b.g {
		b.g = false
		if k.Name == "g" {
			v.Top()
			return nil, true
		}
	}
	if v.motion(k.Name) {
		return nil, true
	}
	switch k.Name {
	case "enter":
		if v.back != nil || v.Off() != "" {
			return nil, false
		}
		v.Attach()
	case "n":
		return v.Next(), v.finding != ""
	case "N":
		return v.Previous(), v.finding != ""
	case "y":
		return v.Copy(), v.back != nil
	case "q":
		if v.back == nil {
			return nil, false
		}
		v.Follow()
	case "esc":
		return nil, v.Escape()
	default:
		return nil, false
	}
	return nil, true
}

// typedKey gives a key to the guest that Bubble Tea had read before the guest got the keys.
func (v *View) typedKey(k term.Key) []screen.Effect {
	if k.Name == term.Paste {
		return v.paste(k.Text)
	}
	p := v.screen.Modes().Encode(k.Name, k.Text)
	var effects []screen.Effect
	for len(p) > 0 && v.Attached() {
		var more []screen.Effect
		p, more = v.Type(p)
		effects = append(effects, more...)
	}
	return effects
}

func (v *View) motion(name string) bool {
	page := max(v.h, 2)
	switch name {
	case "j", "down":
		v.MoveBy(1)
	case "k", "up":
		v.MoveBy(-1)
	case "ctrl+d":
		v.MoveBy(page / 2)
	case "ctrl+u":
		v.MoveBy(-page / 2)
	case "ctrl+f", "pgdown", "space":
		v.MoveBy(page)
	case "ctrl+b", "pgup":
		v.MoveBy(-page)
	case "g":
		v.Scroll()
		v.back.g = true
	case "home":
		v.Top()
	case "G", "end":
		v.Follow()
	case "v":
		v.Select(vt.Characters)
	case "V":
		v.Select(vt.WholeLines)
	default:
		return v.back != nil && v.sideways(name)
	}
	return true
}

func (v *View) sideways(name string) bool {
	switch name {
	case "h", "left":
		v.back.at.X--
	case "l", "right":
		v.back.at.X++
	case "0":
		v.back.at.X = 0
	case "$":
		v.back.at.X = v.w - 1
	default:
		return false
	}
	v.back.at.X = min(max(v.back.at.X, 0), max(v.w-1, 0))
	return true
}

// MoveBy moves the cursor by lines. Downwards past the last it leaves the scrollback, unless something is selected.
func (v *View) MoveBy(n int) {
	if v.back == nil {
		if n > 0 {
			return
		}
		v.Scroll()
	}
	v.moveTo(v.back.at.Line + n)
}

// Top goes to the first line that is kept.
func (v *View) Top() {
	v.Scroll()
	first, _, _ := v.screen.Bounds()
	v.moveTo(first)
}

// moveTo puts the cursor on a line, and that in sight.
func (v *View) moveTo(line int) {
	b := v.back
	first, top, end := v.screen.Bounds()
	if line >= end && b.anchor == nil {
		v.back = nil
		return
	}
	b.at.Line = min(max(line, first), end-1)
	b.top = min(max(b.top, b.at.Line-max(v.h, 1)+1, first), b.at.Line, max(top, first))
}

// ScrollBy moves what is shown by lines, the cursor only as far as it must.
func (v *View) ScrollBy(n int) {
	if v.back == nil {
		if n > 0 {
			return
		}
		v.Scroll()
	}
	b := v.back
	first, top, _ := v.screen.Bounds()
	b.top = max(b.top+n, first)
	if b.top >= top && b.anchor == nil {
		v.back = nil
		return
	}
	b.top = min(b.top, top)
	b.at.Line = min(max(b.at.Line, b.top), b.top+max(v.h, 1)-1)
}

// Select begins a selection of characters or whole lines at the cursor, or ends it.
func (v *View) Select(unit vt.Unit) {
	v.Scroll()
	b := v.back
	if b.anchor != nil && b.unit == unit {
		b.anchor = nil
		return
	}
	if b.anchor == nil {
		at := b.at
		b.anchor = &at
	}
	b.unit = unit
}

func (v *View) selection() (sel vt.Selection, ok bool) {
	b := v.back
	if b == nil || b.anchor == nil {
		return vt.Selection{}, false
	}
	return vt.Selection{From: *b.anchor, To: b.at, Unit: b.unit}, true
}

// Selected is the text that is selected, or the line of the cursor; "" outside of the scrollback.
func (v *View) Selected() string {
	if v.back == nil {
		return ""
	}
	sel, ok := v.selection()
	if !ok {
		sel = vt.Selection{From: v.back.at, To: v.back.at, Unit: vt.WholeLines}
	}
	return v.screen.Text(sel)
}

// Copy copies what is selected, or the line of the cursor.
func (v *View) Copy() []screen.Effect {
	text := v.Selected()
	if v.back == nil || text == "" {
		return nil
	}
	what := "the line"
	if v.back.anchor != nil {
		what = "the selection"
	}
	v.back.anchor = nil
	v.copied = text
	return []screen.Effect{screen.Copy{Text: text, What: what}}
}

// below says how many lines there are below what is shown, and how many of them are new.
func (v *View) below() string {
	b := v.back
	_, _, end := v.screen.Bounds()
	n := end - b.top - v.h
	text := "scrollback"
	if n > 0 {
		text += fmt.Sprintf(": %s below", count(n, "line"))
	}
	if fresh := end - b.seen; fresh > 0 {
		text += fmt.Sprintf(", %d new", fresh)
	}
	return text
}
