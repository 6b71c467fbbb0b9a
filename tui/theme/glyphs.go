package theme

// Glyphs are the signs of the workbench; each takes one column. What they say is
// also said in words or by their shape, never by a colour alone.
type Glyphs struct {
	OK, Fail, Warn, Info      string // results and diagnostics
	Running, Waiting, Skipped string // states
	Dirty, Marked             string // unsaved text; a row chosen for an action
	Expanded, Collapsed       string // of a tree
	Pointer                   string // before the row of the cursor
	Follow, Bullet, Arrow     string
	BarFull, BarEmpty         string
	Ellipsis                  string
	Thumb, Track              string // of a scroll bar

	Plain, Focus Strokes // of panes; Focus differs by shape, not only by colour
}

// Strokes are the lines of a frame.
type Strokes struct {
	TopLeft, TopRight, BottomLeft, BottomRight, Horizontal, Vertical string
}

func unicodeGlyphs() Glyphs {
	return Glyphs{
		OK: "✓", Fail: "✗", Warn: "▲", Info: "i", Running: "●", Waiting: "○", Skipped: "-",
		Dirty: "●", Marked: "*", Expanded: "▾", Collapsed: "▸", Pointer: "▶", Follow: "↓", Bullet: "·", Arrow: "→",
		BarFull: "▮", BarEmpty: "▯", Ellipsis: "…", Thumb: "▐", Track: " ",
		Plain: Strokes{"┌", "┐", "└", "┘", "─", "│"},
		Focus: Strokes{"┏", "┓", "┗", "┛", "━", "┃"},
	}
}

func asciiGlyphs() Glyphs {
	return Glyphs{
		OK: "+", Fail: "x", Warn: "!", Info: "i", Running: "*", Waiting: "o", Skipped: "-",
		Dirty: "*", Marked: "*", Expanded: "v", Collapsed: ">", Pointer: ">", Follow: "v", Bullet: ".", Arrow: ">",
		BarFull: "#", BarEmpty: ".", Ellipsis: "~", Thumb: "#", Track: " ",
		Plain: Strokes{"+", "+", "+", "+", "-", "|"},
		Focus: Strokes{"#", "#", "#", "#", "=", "#"},
	}
}
