package term

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Input is the terminal's keys, for tea.WithInput. Bubble Tea decides at the end of each
// read what a sequence is (its key.go), so that a key whose sequence is split over two
// packets of a slow link would come as esc and letters. Input waits for the rest. It is
// a file, so that reading can be cancelled (cancelreader polls the descriptor); it
// therefore never keeps bytes back between two reads: nobody would be woken for them.
type Input struct {
	*os.File
	wait time.Duration
	gone func(error)
	once sync.Once

	tap    atomic.Pointer[Tap]
	sorter sorter    // of what the tap gets; this and the rest are the reader's
	paste  pasteScan // of what Bubble Tea gets
	full   bool      // Bubble Tea knows that a sequence goes on in the next read
}

// NewInput makes the way from a terminal. wait is how long the rest of a sequence may
// take (Caps.EscapeWait); gone is told once when nothing will ever come again, since the
// terminal was closed. It may be nil.
func NewInput(f *os.File, wait time.Duration, gone func(error)) *Input {
	return &Input{File: f, wait: wait, gone: gone}
}

// Read gives what was typed, ending where a key ends or a wait has passed. It fills
// p only where a sequence goes on after it: to Bubble Tea a full buffer means that.
func (in *Input) Read(p []byte) (int, error) {
	n, err := join(in.File, in.room(p), func() bool { return in.ready() })
	if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) && in.gone != nil {
		in.once.Do(func() { in.gone(err) })
	}
	if n > 0 {
		n = in.divert(p, n)
	}
	return n, err
}

// ready waits for more bytes.
func (in *Input) ready() bool {
	fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}
	for deadline := time.Now().Add(in.wait); ; {
		left := time.Until(deadline)
		if left < 0 {
			return false
		}
		n, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		if !errors.Is(err, unix.EINTR) {
			return n > 0 && err == nil && fds[0].Revents&unix.POLLIN != 0
		}
	}
}

// join reads from r until what it has does not end within a sequence or a
// character, or more does not follow.
func join(r io.Reader, p []byte, more func() bool) (int, error) {
	room := max(len(p)-1, 1)
	n, err := r.Read(p[:min(room, len(p))])
	if err != nil {
		return n, fmt.Errorf("reading from the terminal: %w", err)
	}
	for n < len(p) && incomplete(p[:n]) && more() {
		if n == room {
			room++
		}
		m, err := r.Read(p[n:room])
		n += m
		if err != nil || m == 0 {
			return n, nil // the next read tells it
		}
	}
	return n, nil
}

// incomplete says if bytes end within the sequence of a key or within a character.
func incomplete(b []byte) bool {
	for i := len(b) - 1; i >= max(len(b)-utf8.UTFMax, 0); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return true
			}
			break
		}
	}
	i := bytes.LastIndexByte(b, 0x1b)
	return i >= 0 && open(b[i:])
}

// open says if a sequence, which begins with ESC and has no other, goes on. An ESC alone and one
// before [ or O may be a key of their own; only waiting tells.
func open(seq []byte) bool {
	if len(seq) == 1 {
		return true
	}
	body := seq[2:]
	switch seq[1] {
	case 'O': // SS3: one more, of some terminals a modifier before it
		return len(body) == 0 || len(body) == 1 && body[0] >= '0' && body[0] <= '9'
	case '[':
		return openCSI(body)
	case ']', 'P', '_', '^', 'X': // an answer of the terminal: until BEL or ESC \, which has an ESC
		for _, c := range body {
			if c == 0x07 || c < 0x20 {
				return false
			}
		}
		return true
	}
	return false
}

func openCSI(body []byte) bool {
	switch {
	case len(body) == 0:
		return true
	case body[0] == 'M': // X10 mouse: three bytes follow
		return len(body) < 4
	case body[0] == '[': // F1 to F5 of the Linux console: a letter follows
		return len(body) < 2
	}
	for _, c := range body {
		if c < 0x20 || c > 0x3f {
			return false
		}
	}
	return true
}
