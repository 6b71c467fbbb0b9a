package editor

import "time"

// historyLimit is how many bytes of texts are kept to be undone.
const historyLimit = 64 << 20

// runPause ends a run of typed characters that are undone together.
const runPause = time.Second

// runLength is how many bytes one edit of a run grows to at most.
const runLength = 256

// kind says what edits may be undone together.
type kind uint8

const (
	single  kind = iota // never with others
	typing              // characters, one after the other
	erasing             // backspaces
	cutting             // deletes
)

// spot is where the cursor is and where the selection began; equal when nothing is selected.
type spot struct{ cursor, anchor pos }

// group is what one undo takes back.
type group struct {
	edits         []edit
	before, after spot
	eol, eolAfter string
	kind          kind
	last          time.Time
	cost          int // bytes that it holds
}

// history is what can be undone and done again.
type history struct {
	undo, redo []group
	size       int  // bytes of undo
	open       bool // the last group may grow
}

// joins says if an edit of that kind belongs to the last group.
func (h *history) joins(k kind, at spot, now time.Time) bool {
	if !h.open || k == single || len(h.undo) == 0 {
		return false
	}
	g := h.top()
	return g.kind == k && g.after == at && at.cursor == at.anchor && now.Sub(g.last) <= runPause
}

// top is the last group, which may grow.
func (h *history) top() *group { return &h.undo[len(h.undo)-1] }

// push adds a group and drops the oldest beyond the limit. The newest always stays.
func (h *history) push(g group) {
	h.redo = nil
	h.undo = append(h.undo, g)
	h.trim()
}

// trim drops what is too much. What redo holds was in undo before and is not counted twice.
func (h *history) trim() {
	for h.size > historyLimit && len(h.undo) > 1 {
		h.size -= h.undo[0].cost
		h.undo[0] = group{}
		h.undo = h.undo[1:]
	}
}

// grow adds an edit to a group; characters that follow each other become one.
func (g *group) grow(ed edit) {
	g.cost += len(ed.removed) + len(ed.added) + 48
	if n := len(g.edits); n > 0 && g.kind != single {
		last := &g.edits[n-1]
		switch {
		case g.kind == typing && ed.removed == "" && last.removed == "" && len(last.added) < runLength && advance(last.at, last.added) == ed.at:
			last.added += ed.added
			return
		case g.kind == erasing && ed.added == "" && last.added == "" && len(last.removed) < runLength && advance(ed.at, ed.removed) == last.at:
			last.at, last.removed = ed.at, ed.removed+last.removed
			return
		case g.kind == cutting && ed.added == "" && last.added == "" && len(last.removed) < runLength && ed.at == last.at:
			last.removed += ed.removed
			return
		}
	}
	g.edits = append(g.edits, ed)
}
