package term

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain is a text without anything that a terminal could take for a command, cut to
// that many characters.
func Plain(text string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == limit {
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			continue
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// Notification is the sequence that tells the user something outside of the screen; for
// Output.Send. In tmux the bell comes in any case: tmux marks the window for it.
func (c Caps) Notification(title, text string) string {
	title, text = Plain(title, 80), Plain(text, 200)
	var seq string
	switch c.Notify {
	case OSC9:
		seq = "\x1b]9;" + title + ": " + text + "\x1b\\"
	case OSC777: // its fields are split at semicolons
		seq = "\x1b]777;notify;" + strings.ReplaceAll(title, ";", ",") + ";" + strings.ReplaceAll(text, ";", ",") + "\x1b\\"
	}
	switch {
	case seq == "", c.Tmux && !c.Passthrough, c.Screen:
		return "\a"
	case c.Tmux:
		return ThroughTmux(seq) + "\a"
	}
	return seq
}

// ThroughTmux wraps a sequence for the terminal around tmux (tmux(1), allow-passthrough).
func ThroughTmux(seq string) string {
	return "\x1bPtmux;" + strings.ReplaceAll(seq, "\x1b", "\x1b\x1b") + "\x1b\\"
}

// ProgressState is what goes on, for a terminal's own mark of it.
type ProgressState int

// The states, as ConEmu numbers them (OSC 9;4).
const (
	ProgressNone    ProgressState = 0
	ProgressDone    ProgressState = 1 // percent of it
	ProgressFailed  ProgressState = 2
	ProgressUnknown ProgressState = 3 // it goes on, nobody knows how far
)

// ProgressMark is the sequence that marks progress on the window or its icon; "" where the
// terminal might take it for something else.
func (c Caps) ProgressMark(state ProgressState, percent int) string {
	if !c.Progress {
		return ""
	}
	return "\x1b]9;4;" + strconv.Itoa(int(state)) + ";" + strconv.Itoa(max(min(percent, 100), 0)) + "\x1b\\"
}
