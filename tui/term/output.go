package term

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sequences of DEC private modes and the like (xterm's ctlseqs).
const (
	syncOn     = "\x1b[?2026h"
	syncOff    = "\x1b[?2026l"
	cursorOn   = "\x1b[?25h"
	cursorOff  = "\x1b[?25l"
	altOn      = "\x1b[?1049h"
	altOff     = "\x1b[?1049l"
	titleSave  = "\x1b[22;0t"
	titleBack  = "\x1b[23;0t"
	mouseOff   = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"
	pasteOff   = "\x1b[?2004l"
	focusOff   = "\x1b[?1004l"
	attrsReset = "\x1b[m"
	eraseAll   = "\x1b[2J"
	eraseRight = "\x1b[K"
)

// breath is the least time between two writes: what comes meanwhile goes out as one.
const breath = 4 * time.Millisecond

// Output is the only way for bytes to the terminal, for tea.WithOutput. Frames come by Show and go
// out at once, by one write, with the cursor and synchronised output; what else there is to send
// goes between them. Bubble Tea's renderer would look for a frame sixty times a second, also when
// nothing moves, and show a key's effect at its next look only: it is left the modes and the
// alternate screen, which it switches by WriteString (its standard_renderer.go), and its frames,
// which it gives to Write, are dropped. The file in it is for those who want to know the
// terminal: its size, its mode; and for programs that get the terminal (os/exec gives a child a
// pipe for everything that is no *os.File).
type Output struct {
	*os.File
	sync bool
	test bool
	now  func() time.Time

	writing sync.Mutex // held while bytes go out, which takes long when the link is slow
	out     []byte     // what goes out, kept for the next time

	mu     sync.Mutex // guards what is below; never held while bytes go out
	alt    bool       // the workbench has the screen
	closed bool       // nothing of ours goes out any more
	busy   bool       // bring is under way or will be
	timer  *time.Timer
	titled bool   // the window's title was saved
	frame  []byte // the last that was shown: rows, joined by newlines
	rows   []byte // what the terminal has of it
	known  bool   // it has that for sure
	cursor cursor
	shown  cursor // what the terminal has
	queue  []string
	stats  Stats
	pace   pace
}

type cursor struct {
	x, y    int
	visible bool
}

// Stats counts what went to the terminal.
type Stats struct {
	Frames  int
	Bytes   int64
	Blocked time.Duration // in writes of frames: the link was slower than we
}

// OutputOptions are what an Output needs to know.
type OutputOptions struct {
	Sync bool             // Caps.Sync
	Test bool             // NOSA_TUI_TEST_IDLE=1: tell when idle
	Now  func() time.Time // nil is time.Now
}

// NewOutput makes the way to a terminal.
func NewOutput(f *os.File, o OutputOptions) *Output {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Output{File: f, sync: o.Sync, test: o.Test, now: o.Now}
}

// Write drops what Bubble Tea draws, and lets pass what a program prints that has the terminal.
func (o *Output) Write(p []byte) (int, error) {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	drop := o.alt || o.closed
	o.mu.Unlock()
	if drop {
		return len(p), nil
	}
	n, err := o.File.Write(p)
	if err != nil {
		return n, fmt.Errorf("writing to the terminal: %w", err)
	}
	return n, nil
}

// WriteString sends what Bubble Tea switches: modes, the alternate screen.
func (o *Output) WriteString(s string) (int, error) {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	closed := o.closed
	switch s {
	case altOn:
		o.alt = true
	case altOff:
		o.alt = false
	case cursorOff:
		o.shown.visible = false
	case cursorOn:
		o.shown = cursor{x: -1, visible: true}
	}
	if s == altOn || s == eraseAll {
		o.known = false
		defer o.shake() // after what is written here
	}
	o.mu.Unlock()
	if closed {
		return len(s), nil
	}
	n, err := o.File.WriteString(s)
	if err != nil {
		return n, fmt.Errorf("writing to the terminal: %w", err)
	}
	return n, nil
}

// shake is wake for who does not hold o.mu.
func (o *Output) shake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wake()
}

// Send puts a sequence between two frames: a title, a notification, a clipboard. It never blocks.
// While another program has the terminal it is kept, the last sixteen of them.
func (o *Output) Send(seq string) {
	if seq == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, seq)
	o.queue = slices.Delete(o.queue, 0, max(len(o.queue)-16, 0))
	o.wake()
}

// SetTitle names the window; the name that it had comes back at the end.
func (o *Output) SetTitle(text string) {
	o.mu.Lock()
	first := !o.titled
	o.titled = true
	o.mu.Unlock()
	seq := "\x1b]2;" + Plain(text, 200) + "\x1b\\"
	if first {
		seq = titleSave + seq
	}
	o.Send(seq)
}

// Slot is how far apart frames should be on this link: 33, 66, 133 or 250 ms.
func (o *Output) Slot() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pace.slot()
}

// Stats tells what went out so far.
func (o *Output) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats
}

// IdleMark is what the end of a drawn screen carries in tests, "" else: nothing goes
// on, and n keys, clicks and sizes have been handled. Since it is a part of
// the screen, it cannot overtake the frame that shows their effect.
func (o *Output) IdleMark(n int) string {
	if !o.test {
		return ""
	}
	return "\x1b]7791;idle;" + strconv.Itoa(n) + "\x1b\\"
}

// release ends all output and gives the sequence that leaves the terminal as it was.
func (o *Output) release() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ""
	}
	o.closed = true
	o.queue = nil
	var b strings.Builder
	if o.sync {
		b.WriteString(syncOff)
	}
	b.WriteString(attrsReset + mouseOff + pasteOff + focusOff)
	if o.alt { // elsewhere it would move the cursor
		b.WriteString(altOff)
	}
	b.WriteString(cursorOn)
	if o.titled {
		b.WriteString(titleBack)
	}
	return b.String()
}
