// Package vt shows what a guest's serial console or a program on a terminal prints: a terminal of a given size
// with its scrollback. It knows no machines, reads no files and draws into tui/canvas only.
//
// The way of the bytes: Write takes them apart. Text, the cursor, modes, questions and the order of the rows are ours;
// github.com/charmbracelet/x/vt keeps the cells of the two screens: it puts wide characters over others, erases,
// reads SGR (ultraviolet) and knows the tab stops. It never gets a byte of the guest, only cells and sequences that
// this package made. So what it does wrong with text, strings, replies, wide characters and sizes cannot
// reach us, and nothing of the guest is ever passed on raw.
//
// Use:
//
//	s := vt.New(vt.Options{W: 80, H: 24})
//	go func() { io.Copy(s, console) }()           // one writer; Write never waits for anybody
//	for r := range s.Replies() { guest.Write(r) } // who is attached answers the guest's questions; nobody need read
//	s.Draw(area, top)                             // any goroutine; top is the number of the first line shown
//	guest.Write(s.Modes().Encode(key.Name, key.Text))
//
// Lines have absolute numbers: the first that ever was printed is 0, and a line keeps its number while more
// is printed, until a change of the width breaks the screen's lines anew. Bounds tells which there are.
//
// One lock of the Screen guards all of it: every method can be called from any goroutine, none waits for
// anything but that lock, and no method holds it for longer than a screenful or a bounded step takes.
package vt

import (
	"sync"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"github.com/nestos/nosa/tui/canvas"
)

// Options says what a Screen is to be.
type Options struct {
	W, H  int // columns and rows; 0 is 80 by 24; at most 1000 each
	Lines int // of scrollback; 0 is 100,000
}

// Shape is how a guest wants its cursor.
type Shape string

// The shapes.
const (
	Block     Shape = "block"
	Underline Shape = "underline"
	Bar       Shape = "bar"
)

// Cursor is the guest's cursor.
type Cursor struct {
	X, Line int // its column and the number of its line
	Visible bool
	Shape   Shape
	Steady  bool // does not blink
}

// Counts are what came and is not shown.
type Counts struct {
	Bells     int
	Replies   int // dropped because nobody read them
	Clipboard int // OSC 52: asks to read or set our clipboard, all ignored
	Notices   int // OSC 9, 99, 777: notifications, all ignored
	Strings   int // other OSC, DCS, APC, PM and SOS strings that mean nothing here
	Overlong  int // strings that were cut off at 64 KiB
}

// maxSide is the most columns and rows.
const maxSide = 1000

// Screen is a terminal. Make it with New.
type Screen struct {
	mu      sync.Mutex
	w, h    int
	pages   [2]*page // the main screen and the alternate
	on      *page
	history history

	x, y     int
	pending  bool // the next character goes to the next row
	lastX    int  // column of the character before, which a combining one joins; -1: none
	lastY    int
	lastRune rune // for REP
	pen      uv.Style
	top, end int // the scroll region: rows top to end-1
	charset  charsets
	saved    [2]saved // by DECSC, and by mode 1049
	modes    Modes
	mode     map[ansi.Mode]bool // as set by the guest, for DECRQM
	shape    Shape
	steady   bool

	parser  *ansi.Parser
	partial []byte // of a character of UTF-8
	str     sequence
	title   string
	counts  Counts
	replies chan []byte
	log     logMode
	held    held
	now     func() time.Time
	edits   int // about how many rows were edited since the lock was taken
	scratch []byte
	runs    []canvas.Run
}

// page is one of the two screens.
type page struct {
	cells *vt.Emulator
	rows  []int  // which row of cells each row is: rows are moved without copying them
	wraps []bool // of each row: it goes on in the next
	bg    string // SGR of the background that cells has
}

// New makes a blank Screen.
func New(o Options) *Screen {
	if o.W == 0 || o.H == 0 {
		o.W, o.H = 80, 24
	}
	if o.Lines == 0 {
		o.Lines = 100_000
	}
	s := &Screen{history: history{limit: o.Lines}, replies: make(chan []byte, 64), parser: ansi.NewParser(), now: time.Now}
	s.w, s.h = clampSide(o.W), clampSide(o.H)
	for i := range s.pages {
		s.pages[i] = newPage(s.w, s.h)
	}
	s.parser.SetDataSize(1) // strings are read by us
	s.parser.SetHandler(ansi.Handler{
		Execute: s.control, HandleCsi: s.csi, HandleEsc: func(c ansi.Cmd) { s.esc(c) },
	})
	s.reset()
	return s
}

func newPage(w, h int) *page {
	p := &page{cells: vt.NewEmulator(w, h), rows: inOrder(h), wraps: make([]bool, h)}
	p.cells.SetScrollbackSize(1) // we keep our own
	return p
}

func inOrder(n int) []int {
	rows := make([]int, n)
	for y := range rows {
		rows[y] = y
	}
	return rows
}

func clampSide(n int) int { return min(max(n, 1), maxSide) }

// reset is what RIS does, and how a Screen begins.
func (s *Screen) reset() {
	s.on = s.pages[0]
	s.x, s.y, s.pending, s.lastX, s.lastRune = 0, 0, false, -1, 0
	s.pen, s.top, s.end, s.charset = uv.Style{}, 0, s.h, charsets{}
	s.saved, s.mode = [2]saved{}, map[ansi.Mode]bool{}
	s.modes = Modes{wrap: true, CursorVisible: true}
	s.shape, s.steady, s.title = Block, false, ""
	s.edits += 2 * s.h
	for _, p := range s.pages {
		_, _ = p.cells.WriteString("\x1b[m\x1b[2J\x1b[?5W")
		p.bg = ""
		clear(p.wraps)
	}
}

// Size is the terminal's columns and rows.
func (s *Screen) Size() (w, h int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w, s.h
}

// Bounds tells the numbers of the lines: the first that is kept, the first of the screen, and the one after the last.
func (s *Screen) Bounds() (first, screen, end int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return s.history.first, s.history.end(), s.history.end() + s.h
}

// Cursor is where the guest's cursor is and how it looks.
func (s *Screen) Cursor() Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return Cursor{s.x, s.history.end() + s.y, s.modes.CursorVisible, s.shape, s.steady}
}

// Modes are what the guest has set, for those who send it keys.
func (s *Screen) Modes() Modes {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	m := s.modes
	m.AltScreen = s.on == s.pages[1]
	return m
}

// Title is the guest's title as plain text of one line, at most 256 bytes.
func (s *Screen) Title() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.title
}

// Counts are what came and is not shown.
func (s *Screen) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Replies gives the answers to the guest's questions, each to be written to it in one piece. At most 64 wait;
// more are dropped and counted. It is never closed.
func (s *Screen) Replies() <-chan []byte { return s.replies }

func (s *Screen) reply(text string) {
	select {
	case s.replies <- []byte(text):
	default:
		s.counts.Replies++
	}
}
