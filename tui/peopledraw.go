package tui

import (
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
)

// leastPath is how much of the path stays in the header beside who else is here, in columns.
const leastPath = 12

// drawPeople says in the header, before column right, who else is here or who is followed, as long as there is
// room between from and right. It gives the column before which the rest of the header must end.
func (m *model) drawPeople(a canvas.Area, from, right int) int {
	texts, role := m.peopleTexts()
	room := right - from - 4
	for i, text := range texts {
		w := canvas.Width(text)
		if least := min(leastPath, canvas.Width(shortPath(m.o.Dir, m.o.home))); i < len(texts)-1 && w+least+2 > room {
			continue
		}
		if w > room && role != theme.Warning {
			return right
		}
		w = min(w, room)
		a.PutIn(right-2-w, 0, w, text, m.theme.Style(role))
		return right - 3 - w
	}
	return right
}

// peopleTexts is what the header can say of others, the longest first.
func (m *model) peopleTexts() ([]string, theme.Role) {
	p := &m.people
	if p.lead.id != "" {
		head := "following " + p.lead.who
		texts := []string{head + " (esc ends)"}
		if st, ok := m.other(p.lead.id); ok {
			place := where(st)
			if st.Edits(st.File) {
				place += " " + m.theme.Glyphs.Dirty
			}
			texts = append([]string{head + ": " + place + " (esc ends)"}, texts...)
		}
		return append(texts, "esc: leave "+p.lead.who), theme.Warning
	}
	switch len(p.others) {
	case 0:
		return nil, theme.Info
	case 1:
		st := p.others[0]
		who := "with " + m.who(st)
		long := who + ": " + where(st)
		if st.Following == p.id {
			return []string{who + ", who follows you", who}, theme.Info
		}
		if st.Edits(st.File) {
			return []string{long + " " + m.theme.Glyphs.Dirty, long, who + ": " + filepath.Base(st.File), who}, theme.Info
		}
		return []string{long, who}, theme.Info
	}
	var names []string
	for _, st := range p.others {
		names = append(names, m.who(st))
	}
	return []string{"with " + strings.Join(names, ", "), "with " + itoa(len(names)) + " others"}, theme.Info
}
