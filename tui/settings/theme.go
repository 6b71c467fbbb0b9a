package settings

import (
	"slices"
	"strconv"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace/doc"
)

func (s *Settings) themeFields() []field {
	return []field{
		{"base", "auto, dark, light or mono", "auto", "The theme that `roles` change. auto is dark unless the terminal tells that it is light; mono has no colours.", readChoice(&s.Base, "base", BaseAuto, BaseDark, BaseLight, BaseMono)},
		{"roles", "a mapping of roles to mappings", "", "What has this meaning looks so, see below. It replaces all that the theme says of the role.", s.readRoles},
	}
}

func (s *Settings) readRoles(l *loader, n *doc.Node) {
	entries, _ := l.Entries(n, "roles")
	var known []string
	for _, r := range theme.Roles() {
		known = append(known, string(r))
	}
	for _, e := range entries {
		if !slices.Contains(known, e.Key.Text) {
			l.Report(suggest(e.Key.Warnf(CodeUnknown, "there is no role %q", e.Key.Text), e.Key.Text, known))
			continue
		}
		var style canvas.Style
		l.mapping(e.Value, e.Key.Text, styleFields(&style))
		s.Roles[theme.Role(e.Key.Text)] = style
	}
}

func styleFields(s *canvas.Style) []field {
	list := []field{
		{"fg", "a colour", "default", "The colour of the text.", readColor(&s.FG, "fg")},
		{"bg", "a colour", "default", "The colour behind it.", readColor(&s.BG, "bg")},
	}
	for _, a := range []struct {
		name string
		attr canvas.Attr
	}{{"bold", canvas.Bold}, {"dim", canvas.Dim}, {"italic", canvas.Italic}, {"underline", canvas.Underline}, {"reverse", canvas.Reverse}} {
		list = append(list, field{a.name, "true or false", "false", "", func(l *loader, n *doc.Node) {
			if on, ok := l.Bool(n, a.name); ok && on {
				s.Attr |= a.attr
			}
		}})
	}
	return list
}

// colorNames are the sixteen colours of a terminal's palette, in its order.
func colorNames() []string {
	return []string{
		"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
		"bright-black", "bright-red", "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan", "bright-white",
	}
}

func readColor(into *canvas.Color, key string) func(*loader, *doc.Node) {
	return func(l *loader, n *doc.Node) {
		switch {
		case n.IsNull():
			l.Report(n.Errorf(CodeValue, "%s: there is no colour", key).WithHint(`a # begins a comment: put "#rrggbb" in quotes`))
			return
		case n.Kind != doc.Scalar:
			l.Mismatch(n, key, "a colour", "")
			return
		}
		c, ok := color(n.Text)
		if !ok {
			hint := `one of the sixteen names, as red or bright-blue, a number to 255, "#rrggbb" or default`
			if near := doc.Nearest(n.Text, append(colorNames(), "default")); near != "" {
				hint = "did you mean " + near + "?"
			}
			l.Report(n.Errorf(CodeValue, "%s: %s is no colour", key, quote(n.Text)).WithHint(hint))
			return
		}
		*into = c
	}
}

func color(text string) (canvas.Color, bool) {
	if text == "default" {
		return 0, true
	}
	if i := slices.Index(colorNames(), text); i >= 0 {
		return canvas.Indexed(uint8(i)), true
	}
	if n, err := strconv.ParseUint(text, 10, 8); err == nil {
		return canvas.Indexed(uint8(n)), true
	}
	if len(text) == 7 && text[0] == '#' {
		n, err := strconv.ParseUint(text[1:], 16, 32)
		return canvas.RGB(uint8(n>>16), uint8(n>>8), uint8(n)), err == nil
	}
	return 0, false
}
