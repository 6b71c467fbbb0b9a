package vt

import (
	"github.com/charmbracelet/x/ansi"
)

// MouseMode is what the guest wants to know of the mouse.
type MouseMode string

// The modes, each with all of those before.
const (
	NoMouse     MouseMode = ""
	MousePress  MouseMode = "press"  // X10: presses
	MouseClick  MouseMode = "click"  // 1000: presses, releases, wheel
	MouseDrag   MouseMode = "drag"   // 1002: motion with a button down
	MouseMotion MouseMode = "motion" // 1003: all motion
)

// Modes are what the guest has set, of what matters to those who send it keys or draw it.
type Modes struct {
	CursorKeys    bool // DECCKM: cursor keys send SS3
	Keypad        bool // DECKPAM
	Paste         bool // 2004: pastes are bracketed
	Focus         bool // 1004: wants to know of the focus
	AltScreen     bool
	CursorVisible bool
	Sync          bool // 2026: is in the middle of a picture
	Mouse         MouseMode
	MouseSGR      bool // 1006

	wrap, insert, origin, newLine bool
}

// setMode does SM, RM, DECSET and DECRST.
func (s *Screen) setMode(m ansi.Mode, to ansi.ModeSetting) {
	on := to.IsSet()
	flags := map[ansi.Mode]*bool{
		ansi.ModeInsertReplace: &s.modes.insert, ansi.ModeLineFeedNewLine: &s.modes.newLine,
		ansi.ModeCursorKeys: &s.modes.CursorKeys, ansi.ModeAutoWrap: &s.modes.wrap, ansi.ModeTextCursorEnable: &s.modes.CursorVisible,
		ansi.ModeNumericKeypad: &s.modes.Keypad, ansi.ModeFocusEvent: &s.modes.Focus, ansi.ModeMouseExtSgr: &s.modes.MouseSGR,
		ansi.ModeBracketedPaste: &s.modes.Paste, ansi.ModeSynchronizedOutput: &s.modes.Sync, ansi.ModeOrigin: &s.modes.origin,
	}
	flag := flags[m]
	if m == ansi.ModeSynchronizedOutput && on && !s.modes.Sync {
		s.hold()
	}
	if flag != nil {
		*flag = on
	}
	switch m {
	case ansi.ModeOrigin:
		s.at(0, 0)
		s.pending = false
	case ansi.ModeAutoWrap:
		s.pending = s.pending && on
	case ansi.DECMode(47), ansi.DECMode(1047):
		if on {
			s.alternate(1)
			break
		}
		s.alternate(0)
	case ansi.DECMode(1048):
		if on {
			s.save(byDECSC)
			break
		}
		s.restore(byDECSC)
	case ansi.DECMode(1049):
		if on {
			s.enterAlternate()
			break
		}
		s.leaveAlternate()
	case ansi.DECMode(9), ansi.DECMode(1000), ansi.DECMode(1002), ansi.DECMode(1003):
		s.modes.Mouse = NoMouse
		if on {
			s.modes.Mouse = mouseMode(m.Mode())
		}
	default:
		if flag == nil {
			return // unknown, and not remembered: a guest could set thousands
		}
	}
	s.mode[m] = on
}

// enterAlternate and leaveAlternate are mode 1049, which like in tmux has its own place for the cursor.
func (s *Screen) enterAlternate() {
	if s.on == s.pages[0] {
		s.save(by1049)
		s.alternate(1)
	}
}

func (s *Screen) leaveAlternate() {
	s.alternate(0)
	if s.saved[by1049].set {
		s.restore(by1049)
	}
}

func mouseMode(n int) MouseMode {
	switch n {
	case 9:
		return MousePress
	case 1000:
		return MouseClick
	case 1002:
		return MouseDrag
	}
	return MouseMotion
}

// alternate switches to page 1, the alternate screen, which is blank at first, or back to page 0.
func (s *Screen) alternate(page int) {
	if s.on == s.pages[page] {
		return
	}
	s.on = s.pages[page]
	if page == 1 {
		bg := s.pen.Bg
		s.pen.Bg = nil
		s.eraseRows(0, s.h)
		s.pen.Bg = bg
	}
}

// ask answers the guest's questions. Those that would tell of the user's terminal are not answered.
func (s *Screen) ask(cmd ansi.Cmd, params ansi.Params) {
	n, _, _ := params.Param(0, 0)
	n = max(n, 0)
	switch cmd {
	case 'n': // DSR
		switch n {
		case 5:
			s.reply("\x1b[0n")
		case 6:
			s.reply("\x1b[" + s.position() + "R")
		}
	case ansi.Cmd(ansi.Command('?', 0, 'n')):
		if n == 6 {
			s.reply("\x1b[?" + s.position() + "R")
		}
	case 'c': // DA1: a VT220 with colours
		if n == 0 {
			s.reply("\x1b[?62;22c")
		}
	case ansi.Cmd(ansi.Command('>', 0, 'c')):
		if n == 0 {
			s.reply("\x1b[>1;10;0c")
		}
	case ansi.Cmd(ansi.Command('>', 0, 'q')): // XTVERSION
		if n == 0 {
			s.reply("\x1bP>|nosa\x1b\\")
		}
	case 't': // of XTWINOPS, the size only
		if n == 18 || n == 19 {
			s.reply("\x1b[" + itoa(n-10) + ";" + itoa(s.h) + ";" + itoa(s.w) + "t")
		}
	case ansi.Cmd(ansi.Command(0, '$', 'p')):
		s.reply("\x1b[" + itoa(n) + ";" + s.setting(ansi.ANSIMode(n)) + "$y")
	case ansi.Cmd(ansi.Command('?', '$', 'p')):
		s.reply("\x1b[?" + itoa(n) + ";" + s.setting(ansi.DECMode(n)) + "$y")
	}
}

// position is where the cursor is, in the words of CPR.
func (s *Screen) position() string {
	y := s.y
	if s.modes.origin {
		y -= s.top
	}
	return itoa(y+1) + ";" + itoa(s.x+1)
}

// setting is what DECRPM says of a mode: unknown, set or reset.
func (s *Screen) setting(m ansi.Mode) string {
	if on, ok := s.mode[m]; ok {
		if on {
			return "1"
		}
		return "2"
	}
	switch m {
	case ansi.ModeAutoWrap, ansi.ModeTextCursorEnable:
		return "1"
	case ansi.ModeInsertReplace, ansi.ModeLineFeedNewLine, ansi.ModeCursorKeys, ansi.ModeOrigin, ansi.ModeBracketedPaste,
		ansi.ModeFocusEvent, ansi.ModeMouseExtSgr, ansi.ModeSynchronizedOutput, ansi.ModeNumericKeypad, ansi.DECMode(1049), ansi.DECMode(1000),
		ansi.DECMode(1002), ansi.DECMode(1003), ansi.DECMode(47), ansi.DECMode(1047):
		return "2"
	}
	return "0"
}
