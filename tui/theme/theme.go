package theme

import (
	"maps"

	"github.com/nestos/nosa/tui/canvas"
)

// Theme is the looks of the workbench.
type Theme struct {
	Glyphs Glyphs
	styles map[Role]canvas.Style
}

// Options choose a theme.
type Options struct {
	Mono  bool                  // no colours: NO_COLOR, --color never
	ASCII bool                  // no characters beyond ASCII
	Light bool                  // the terminal's background is known to be light
	Roles map[Role]canvas.Style // of the user's file; they replace ours
}

// New makes a theme. The default uses only the sixteen colours of the terminal's own
// palette, so that it fits whatever the user has chosen.
func New(o Options) *Theme {
	warn := uint8(yellow)
	if o.Light {
		warn = magenta // yellow on white cannot be read
	}
	t := &Theme{Glyphs: unicodeGlyphs(), styles: colours(warn)}
	maps.Copy(t.styles, o.Roles)
	if o.Mono {
		t.styles = mono()
	}
	if o.ASCII {
		t.Glyphs = asciiGlyphs()
	}
	return t
}

// Style is how a role looks.
func (t *Theme) Style(r Role) canvas.Style { return t.styles[r] }

func fg(n uint8, attrs ...canvas.Attr) canvas.Style {
	return withAttrs(canvas.Style{FG: canvas.Indexed(n)}, attrs)
}

func attr(attrs ...canvas.Attr) canvas.Style { return withAttrs(canvas.Style{}, attrs) }

func withAttrs(s canvas.Style, attrs []canvas.Attr) canvas.Style {
	for _, a := range attrs {
		s.Attr |= a
	}
	return s
}

// The palette's names, ECMA-48 order.
const (
	red     = 1
	green   = 2
	yellow  = 3
	blue    = 4
	magenta = 5
	cyan    = 6
)

// colours is the theme of sixteen colours. Bright black is left out:
// in some palettes it is the background.
func colours(warn uint8) map[Role]canvas.Style {
	muted := attr(canvas.Dim)
	return map[Role]canvas.Style{
		Text: {}, Muted: muted, Disabled: muted,
		Title: {}, TitleFocus: attr(canvas.Bold), Border: muted, BorderFocus: fg(cyan),
		Header: attr(canvas.Bold), Tab: {}, TabActive: attr(canvas.Bold, canvas.Reverse), Footer: {}, Key: fg(cyan, canvas.Bold),
		Selected: attr(canvas.Reverse), SelectedOff: attr(canvas.Underline), Marked: fg(magenta, canvas.Bold),
		Match: fg(warn, canvas.Bold, canvas.Underline), MatchHere: fg(warn, canvas.Bold, canvas.Reverse), Selection: attr(canvas.Reverse),
		Success: fg(green), Failure: fg(red, canvas.Bold), Warning: fg(warn), Info: fg(blue), Running: fg(cyan, canvas.Bold), Waiting: muted, Skipped: muted,
		Added: fg(green), Removed: fg(red), Changed: fg(warn), Link: attr(canvas.Underline),
		BarFull: fg(cyan), BarEmpty: muted, LineNumber: muted, LineHere: attr(canvas.Bold),
		CodeKey: fg(blue), CodeString: fg(green), CodeNumber: fg(magenta), CodeWord: fg(cyan), CodeComment: muted, CodeSign: {},
	}
}

// mono says with attributes alone what colours say elsewhere.
func mono() map[Role]canvas.Style {
	bold, dim, reverse, line := attr(canvas.Bold), attr(canvas.Dim), attr(canvas.Reverse), attr(canvas.Underline)
	return map[Role]canvas.Style{
		Text: {}, Muted: dim, Disabled: dim, Title: {}, TitleFocus: bold, Border: dim, BorderFocus: bold,
		Header: bold, Tab: {}, TabActive: attr(canvas.Bold, canvas.Reverse), Footer: {}, Key: bold,
		Selected: reverse, SelectedOff: line, Marked: bold, Match: attr(canvas.Bold, canvas.Underline), MatchHere: attr(canvas.Bold, canvas.Reverse), Selection: reverse,
		Success: {}, Failure: bold, Warning: line, Info: {}, Running: bold, Waiting: dim, Skipped: dim,
		Added: {}, Removed: {}, Changed: {}, Link: line, BarFull: bold, BarEmpty: dim, LineNumber: dim, LineHere: bold,
		CodeKey: {}, CodeString: {}, CodeNumber: {}, CodeWord: bold, CodeComment: dim, CodeSign: {},
	}
}
