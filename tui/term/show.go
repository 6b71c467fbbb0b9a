package term

import (
	"bytes"
	"strconv"
	"time"
)

// Show draws a frame: all rows of the screen, each as wide as it, joined by newlines; and says where the
// cursor belongs, counted from 0; below 0 it is hidden. It never blocks: a slow link
// gets the last of several.
func (o *Output) Show(frame []byte, x, y int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frame = append(o.frame[:0], frame...)
	o.cursor = cursor{x, y, true}
	if x < 0 || y < 0 {
		o.cursor = cursor{}
	}
	o.wake()
}

// Repaint has the next frame drawn whole: nobody knows what the terminal shows, since its size is another.
func (o *Output) Repaint() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known = false
}

// wake has what waits brought out. o.mu is held.
func (o *Output) wake() {
	if o.busy || o.closed || !o.alt {
		return
	}
	o.busy = true
	go o.bring()
}

// bring sends what waits, and again a breath later, until nothing does.
func (o *Output) bring() {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	o.out = o.compose(o.out[:0])
	o.busy = len(o.out) > 0
	o.mu.Unlock()
	if len(o.out) == 0 {
		return
	}
	start := o.now()
	n, _ := o.File.Write(o.out) // a terminal that is gone is noticed by who reads from it
	blocked := o.now().Sub(start)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Frames++
	o.stats.Bytes += int64(n)
	o.stats.Blocked += blocked
	o.pace.add(blocked)
	if o.timer == nil {
		o.timer = time.AfterFunc(breath, o.bring)
		return
	}
	o.timer.Reset(breath)
}

// compose appends what makes the terminal show what it should. o.mu is held.
func (o *Output) compose(out []byte) []byte {
	if !o.alt || o.closed {
		return out
	}
	drawn := !o.known && len(o.frame) > 0 || !bytes.Equal(o.frame, o.rows)
	switch {
	case drawn:
		if o.sync {
			out = append(out, syncOn...)
		}
		if o.shown.visible {
			out = append(out, cursorOff...)
		}
		if !o.known {
			o.rows = o.rows[:0]
		}
		out = appendRows(out, o.frame, o.rows)
		o.rows, o.known = append(o.rows[:0], o.frame...), true
		o.shown = cursor{x: -1}
		out = o.appendCursor(out)
		if o.sync {
			out = append(out, syncOff...)
		}
	default:
		out = o.appendCursor(out)
	}
	for _, s := range o.queue {
		out = append(out, s...)
	}
	o.queue = nil
	return out
}

// appendRows appends the rows of a frame that differ from those that the terminal has. Blanks at
// the end of a row are plain: a row that ends in another style ends with its reset.
func appendRows(out, frame, has []byte) []byte {
	for y, more := 1, len(frame) > 0; more; y++ {
		var row, old []byte
		row, frame, more = bytes.Cut(frame, []byte{'\n'})
		had := len(has) > 0
		old, has, _ = bytes.Cut(has, []byte{'\n'})
		if had && bytes.Equal(row, old) {
			continue
		}
		out = append(out, "\x1b["...)
		out = strconv.AppendInt(out, int64(y), 10)
		out = append(out, 'H')
		full := bytes.TrimRight(row, " ")
		if len(full)+len(eraseRight) >= len(row) {
			out = append(out, row...)
			continue
		}
		out = append(append(out, full...), eraseRight...)
	}
	return out
}

// appendCursor puts the cursor where it belongs.
func (o *Output) appendCursor(out []byte) []byte {
	c, old := o.cursor, o.shown
	if c == old {
		return out
	}
	o.shown = c
	if !c.visible {
		if old.visible {
			out = append(out, cursorOff...)
		}
		return out
	}
	out = append(out, "\x1b["...)
	out = strconv.AppendInt(out, int64(c.y+1), 10)
	out = append(out, ';')
	out = strconv.AppendInt(out, int64(c.x+1), 10)
	out = append(out, 'H')
	if !old.visible {
		out = append(out, cursorOn...)
	}
	return out
}
