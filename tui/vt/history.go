package vt

import (
	"slices"

	"github.com/nestos/nosa/tui/canvas"
)

// Line is a row of the screen or the scrollback.
type Line struct {
	Text    string
	Runs    []canvas.Run // where the style changes; before the first it is the plain one
	Wrapped bool         // it goes on in the next line, which it was too long for
}

// packed is a Line whose text and runs are somebody else's, good until that changes.
type packed struct {
	text    []byte
	runs    []canvas.Run
	wrapped bool
}

func (r packed) line() Line { return Line{string(r.text), slices.Clone(r.runs), r.wrapped} }

// history is the scrollback. A line takes its text, 8 bytes, and 16 for each change of style; blocks of lines that
// are full have no spare room. A plain boot log of 80 columns takes some 70 bytes a line.
type history struct {
	limit  int
	first  int // number of the first line
	n      int
	blocks []*block // full ones, and the last
}

// perBlock is how many lines a block has.
const perBlock = 512

type block struct {
	text  []byte
	runs  []canvas.Run // their Start counts from the line's
	lines []lineEnd
}

// lineEnd is where a line's text and runs end.
type lineEnd struct {
	text uint32
	runs uint32 // twice that; 1 more when the line is wrapped
}

func (h *history) end() int { return h.first + h.n }

func (h *history) add(r packed) {
	b := h.open()
	b.text = append(b.text, r.text...)
	b.runs = append(b.runs, r.runs...)
	e := lineEnd{uint32(len(b.text)), uint32(len(b.runs)) << 1}
	if r.wrapped {
		e.runs |= 1
	}
	b.lines = append(b.lines, e)
	h.n++
	if len(b.lines) == perBlock {
		b.text, b.runs = slices.Clone(b.text), slices.Clone(b.runs)
	}
	if h.n >= h.limit+perBlock {
		h.blocks[0] = nil
		h.blocks = h.blocks[1:]
		h.first += perBlock
		h.n -= perBlock
	}
}

// open is the block that the next line goes to.
func (h *history) open() *block {
	if k := len(h.blocks); k > 0 && len(h.blocks[k-1].lines) < perBlock {
		return h.blocks[k-1]
	}
	b := &block{lines: make([]lineEnd, 0, perBlock)}
	h.blocks = append(h.blocks, b)
	return b
}

// line gives line n; ok is false when it is not kept.
func (h *history) line(n int) (l Line, ok bool) {
	r, ok := h.raw(n)
	return r.line(), ok
}

// raw is line without copies.
func (h *history) raw(n int) (r packed, ok bool) {
	i := n - h.first
	if i < 0 || i >= h.n {
		return packed{}, false
	}
	b := h.blocks[i/perBlock]
	i %= perBlock
	var from lineEnd
	if i > 0 {
		from = b.lines[i-1]
	}
	to := b.lines[i]
	return packed{b.text[from.text:to.text], b.runs[from.runs>>1 : to.runs>>1], to.runs&1 == 1}, true
}

// pop takes back the last line.
func (h *history) pop() (l Line, ok bool) {
	if l, ok = h.line(h.end() - 1); !ok {
		return l, false
	}
	k := len(h.blocks) - 1
	b := h.blocks[k]
	b.lines = b.lines[:len(b.lines)-1]
	h.n--
	if len(b.lines) == 0 {
		h.blocks = h.blocks[:k]
		return l, true
	}
	e := b.lines[len(b.lines)-1]
	b.text, b.runs = b.text[:e.text], b.runs[:e.runs>>1]
	return l, true
}

func (h *history) clear() {
	h.first += h.n
	h.n, h.blocks = 0, nil
}
