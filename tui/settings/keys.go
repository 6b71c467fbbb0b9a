package settings

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/workspace/doc"
)

// readKeys reads the keys that the user gives to actions.
func (s *Settings) readKeys(l *loader, n *doc.Node) {
	entries, _ := l.Entries(n, "keys")
	for _, e := range entries {
		b := Binding{At: e.Key.Origin}
		items := []*doc.Node{e.Value}
		switch {
		case e.Value.IsNull() && e.Value.Text == "~":
			l.Report(e.Value.Errorf(CodeKey, "a bare ~ is nothing in YAML").WithHint(`write "~" for the key, [] for none`))
			continue
		case e.Value.IsNull(), e.Value.Is(doc.String) && e.Value.Text == "":
			items = nil
		case e.Value.Kind == doc.List:
			items = e.Value.Items
		}
		for _, item := range items {
			if key, ok := l.key(item, e.Key.Text); ok {
				b.Keys = append(b.Keys, key)
			}
		}
		if len(b.Keys) == 0 && len(items) > 0 {
			continue // all of them are wrong: it keeps its own
		}
		s.Keys[e.Key.Text] = b
	}
}

// key reads a key's name, or a sequence.
func (l *loader) key(n *doc.Node, what string) (Key, bool) {
	if n.IsNull() || n.Kind != doc.Scalar {
		l.Mismatch(n, what, "the name of a key", `in quotes where YAML needs them: "#", "[", "~"`)
		return Key{}, false
	}
	names := strings.Split(n.Text, " ")
	if n.Text == " " {
		names = []string{" "}
	}
	if len(names) > 2 {
		l.Report(n.Errorf(CodeKey, "%s: want a key, or two with a space between, got %s", what, quote(n.Text)))
		return Key{}, false
	}
	for _, name := range names {
		if wrong, hint := checkKey(name); wrong != "" {
			l.Report(n.Errorf(CodeKey, "%s: %s", what, wrong).WithHint(hint))
			return Key{}, false
		}
	}
	return Key{Name: n.Text, At: n.Origin}, true
}

// special are the keys that print nothing, with the modifiers that terminals send them with.
func special() map[string][]string {
	arrow := []string{"", "shift+", "ctrl+", "ctrl+shift+", "alt+", "alt+shift+", "ctrl+alt+", "ctrl+alt+shift+"}
	page := []string{"", "ctrl+", "alt+", "ctrl+alt+"}
	plain := []string{"", "alt+"}
	keys := map[string][]string{
		"up": arrow, "down": arrow, "left": arrow, "right": arrow, "home": arrow, "end": arrow, "pgup": page, "pgdown": page,
		"tab": {"", "shift+"}, "space": {"", "ctrl+", "alt+"},
		"enter": plain, "esc": plain, "backspace": plain, "delete": plain, "insert": plain,
	}
	for n := range 20 {
		keys[fmt.Sprintf("f%d", n+1)] = plain
	}
	return keys
}

// sameAs are the keys that a terminal sends as others.
func sameAs() map[string]string {
	return map[string]string{"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace", "ctrl+j": "enter", "ctrl+[": "esc"}
}

// checkKey says what is wrong with the name of a key, and what to write instead.
func checkKey(name string) (wrong, hint string) {
	if same, ok := sameAs()[strings.ToLower(name)]; ok {
		return fmt.Sprintf("%s cannot be told from %s: terminals send the same for both", name, same), "choose another key"
	}
	mods, base := cutModifiers(name)
	if with, ok := special()[base]; ok {
		if slices.Contains(with, mods) {
			return "", ""
		}
		return fmt.Sprintf("terminals do not send %s", name), withModifiers(with, base)
	}
	if canvas.Width(base) == 0 || utf8.RuneCountInString(base) != 1 || base == " " {
		return unknownKey(name)
	}
	switch {
	case mods == "", mods == "alt+":
		return "", ""
	case mods == "shift+":
		return "shift is no part of the name of a key that prints", "write " + strings.ToUpper(base)
	case mods != "ctrl+" && mods != "ctrl+alt+":
		return fmt.Sprintf("terminals do not send %s", name), "with a character they know ctrl+, alt+ and ctrl+alt+"
	case base >= "A" && base <= "Z":
		return fmt.Sprintf("terminals do not tell %s from %s", name, strings.ToLower(name)), "write " + strings.ToLower(name)
	case base >= "a" && base <= "z" && sameAs()["ctrl+"+base] == "", strings.Contains(`\]^_`, base):
		return "", ""
	}
	return fmt.Sprintf("terminals do not send %s", name), `ctrl+ goes with letters and \ ] ^ _`
}

func withModifiers(mods []string, base string) string {
	names := make([]string, len(mods))
	for i, m := range mods {
		names[i] = m + base
	}
	return "they send " + alternatives(names)
}

// cutModifiers splits "ctrl+alt+x"; the key itself may be a +.
func cutModifiers(name string) (mods, base string) {
	i := strings.LastIndex(strings.TrimSuffix(name, "+"), "+") + 1
	if mods := name[:i]; slices.Contains([]string{"shift+", "ctrl+", "ctrl+shift+", "alt+", "alt+shift+", "ctrl+alt+", "ctrl+alt+shift+"}, mods) {
		return mods, name[i:]
	}
	return "", name
}

// unknownKey finds what may be meant: other programs write keys in other ways.
func unknownKey(name string) (wrong, hint string) {
	wrong = fmt.Sprintf("no key is called %s", quote(name))
	mods, base := cutModifiers(strings.ToLower(name))
	if rest, ok := strings.CutPrefix(strings.Trim(strings.ToLower(name), "<>"), "c-"); ok {
		mods, base = "ctrl+", rest
	}
	other := map[string]string{
		"return": "enter", "escape": "esc", "pageup": "pgup", "page_up": "pgup", "pagedown": "pgdown", "page_down": "pgdown", "pgdn": "pgdown",
		"del": "delete", "ins": "insert", "bs": "backspace", "spacebar": "space", " ": "space", "cr": "enter",
	}
	if is, ok := other[base]; ok {
		base = is
	} else if len(base) > 1 {
		known := make([]string, 0, len(special()))
		for k := range special() {
			known = append(known, k)
		}
		slices.Sort(known)
		base = doc.Nearest(base, known)
	}
	if base == "" {
		return wrong, "keys are characters, or names as enter, esc, pgdown, ctrl+x, f5"
	}
	if wrong, hint := checkKey(mods + base); wrong != "" {
		return wrong, hint
	}
	return wrong, "write " + mods + base
}
