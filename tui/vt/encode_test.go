package vt

import "testing"

func TestEncode(t *testing.T) {
	for _, tt := range []struct {
		modes, name, text, want string
	}{
		{"", "a", "a", "a"},
		{"", "ü", "ü", "ü"},
		{"", "space", " ", " "},
		{"", "enter", "", "\r"},
		{"", "backspace", "", "\x7f"},
		{"", "ctrl+c", "", "\x03"},
		{"", "ctrl+]", "", "\x1d"},
		{"", "ctrl+space", "", "\x00"},
		{"", "alt+x", "", "\x1bx"},
		{"", "ctrl+alt+c", "", "\x1b\x03"},
		{"", "+", "+", "+"},
		{"", "alt++", "", "\x1b+"},
		{"", "shift+tab", "", "\x1b[Z"},
		{"", "up", "", "\x1b[A"},
		{"\x1b[?1h", "up", "", "\x1bOA"},
		{"\x1b[?1h", "home", "", "\x1bOH"},
		{"\x1b[?1h\x1b[?1l", "left", "", "\x1b[D"},
		{"\x1b[?1h", "ctrl+up", "", "\x1b[1;5A"},
		{"", "alt+shift+f1", "", "\x1b[1;4P"},
		{"", "f1", "", "\x1bOP"},
		{"", "f12", "", "\x1b[24~"},
		{"", "shift+pgup", "", "\x1b[5;2~"},
		{"", "delete", "", "\x1b[3~"},
		{"", "f13", "", ""},
		{"", "paste", "a\nb\x1b[201~\tc", "a\rb[201~\tc"},
		{"\x1b[?2004h", "paste", "a\r\nb\x1b[201~\u009b", "\x1b[200~a\rb[201~\x1b[201~"},
	} {
		s := New(Options{})
		s.Write([]byte(tt.modes))
		if got := string(s.Modes().Encode(tt.name, tt.text)); got != tt.want {
			t.Errorf("%q %s: got %q, want %q", tt.modes, tt.name, got, tt.want)
		}
	}
}

func TestEncodeMouse(t *testing.T) {
	press := Mouse{Kind: "press", Button: 1, X: 4, Y: 9}
	for _, tt := range []struct {
		modes string
		event Mouse
		want  string
	}{
		{"", press, ""},
		{"\x1b[?1000h", press, "\x1b[M %*"},
		{"\x1b[?1000h\x1b[?1006h", press, "\x1b[<0;5;10M"},
		{"\x1b[?1000;1006h", Mouse{Kind: "release", Button: 3, X: 4, Y: 9, Ctrl: true}, "\x1b[<18;5;10m"},
		{"\x1b[?1000;1006h", Mouse{Kind: "drag", Button: 1}, ""},
		{"\x1b[?1002;1006h", Mouse{Kind: "drag", Button: 1}, "\x1b[<32;1;1M"},
		{"\x1b[?1002;1006h", Mouse{Kind: "motion"}, ""},
		{"\x1b[?1003;1006h", Mouse{Kind: "motion"}, "\x1b[<35;1;1M"},
		{"\x1b[?1003;1006h\x1b[?1003l", press, ""},
		{"\x1b[?1000h", Mouse{Kind: "release", Button: 1}, "\x1b[M#!!"},
		{"\x1b[?1000h", Mouse{Kind: "press", Button: 1, X: 300}, ""},
		{"\x1b[?1000;1006h", Mouse{Kind: "wheel-down", X: 300}, "\x1b[<65;301;1M"},
	} {
		s := New(Options{W: 400})
		s.Write([]byte(tt.modes))
		if got := string(s.Modes().EncodeMouse(tt.event)); got != tt.want {
			t.Errorf("%q %+v: got %q, want %q", tt.modes, tt.event, got, tt.want)
		}
	}
}

func TestModes(t *testing.T) {
	s := New(Options{})
	s.Write([]byte("\x1b[?1049h\x1b[?25l\x1b[?1004h\x1b[?2026h\x1b=\x1b[5 q"))
	want := Modes{Keypad: true, Focus: true, AltScreen: true, Sync: true, wrap: true}
	if got := s.Modes(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if c := s.Cursor(); c.Visible || c.Shape != Bar || c.Steady {
		t.Errorf("the cursor is %+v", c)
	}
	s.Write([]byte("\x1bc"))
	if got, want := s.Modes(), (Modes{CursorVisible: true, wrap: true}); got != want {
		t.Errorf("after RIS: got %+v, want %+v", got, want)
	}
}
