package logview

import "slices"

// unfollow lets the log go on without the view, which stays where it is.
func (v *View) unfollow() {
	if !v.follow {
		return
	}
	v.top, v.sub = v.endTop()
	v.follow, v.seen = false, v.news.count()
	v.line = max(v.news.lineAt(v.seen-1), 0)
}

// endTop is the line with which the screen begins that shows the end, and the rows of it above the screen.
func (v *View) endTop() (line, sub int) {
	k := v.news.count() - 1
	rows := 0
	for ; k >= 0; k-- {
		if rows += v.height(k); rows >= v.h {
			break
		}
	}
	return max(v.news.lineAt(max(k, 0)), 0), max(rows-v.h, 0)
}

// height is how many rows of the screen a row of the log takes. Of one that has not been read it is not known: 1.
func (v *View) height(k int) int {
	if !v.wrap {
		return 1
	}
	r := v.row(k)
	if r == nil {
		return 1
	}
	return v.breaks.count(r, v.textWidth())
}

// row is what has been read of a row of the log; nil where it has not.
func (v *View) row(k int) *row {
	if i := k - v.news.from; !v.news.loose && i >= 0 && i < len(v.news.rows) {
		return &v.news.rows[i]
	}
	return nil
}

// MoveBy moves the cursor by rows of the log. Upwards it ends following.
func (v *View) MoveBy(n int) {
	if v.follow && n >= 0 {
		return
	}
	v.unfollow()
	v.cursorTo(v.news.rowOf(v.line) + n)
}

// cursorTo puts the cursor on a row of the log, or the nearest.
func (v *View) cursorTo(k int) {
	v.unfollow()
	was := v.line
	v.line = max(v.news.lineAt(max(min(k, v.news.count()-1), 0)), 0)
	if v.line == v.top && v.line != was {
		v.sub = 0
	}
	v.show()
}

// show scrolls until the cursor is in sight.
func (v *View) show() {
	if v.follow {
		v.request()
		return
	}
	k, top := v.news.rowOf(v.line), v.news.rowOf(v.top)
	if last, sub := v.endTop(); top > v.news.rowOf(last) && v.news.lineAt(k) == v.line {
		v.top, v.sub, top = last, sub, v.news.rowOf(last) // no empty rows below the end
	}
	if k <= top {
		if k < top {
			v.top, v.sub = v.line, 0
		}
		v.request()
		return
	}
	rows, first := v.height(k), k
	for first > 0 && rows+v.height(first-1) <= v.h {
		first--
		rows += v.height(first)
	}
	if first > top {
		v.top, v.sub = max(v.news.lineAt(first), 0), 0
	}
	for i := max(first-1, 0); i <= k && v.wrap; i++ {
		v.refit = v.refit || v.row(i) == nil // its height was a guess
	}
	v.request()
}

// goTo shows a line, in the middle where it is out of sight. A line that is not shown gives way to the next one that is.
func (v *View) goTo(line int) {
	if line < 0 {
		return
	}
	v.unfollow()
	k := max(min(v.news.rowOf(line), v.news.count()-1), 0)
	v.line = max(v.news.lineAt(k), 0)
	if top := v.news.rowOf(v.top); k < top || k >= top+v.h {
		v.top, v.sub = max(v.news.lineAt(max(k-v.h/2, 0)), 0), 0
	}
	v.show()
}

// PageBy moves by halves of the screen, the cursor too.
func (v *View) PageBy(halves int) {
	if v.follow && halves >= 0 {
		return
	}
	most := max(v.h-1, 1)
	rows := max(min(v.h*halves/2, most), -most)
	was := v.line
	v.ScrollBy(rows)
	if !v.wrap {
		v.cursorTo(v.news.rowOf(was) + rows)
	} else if v.line == was { // nothing left to scroll
		v.cursorTo(v.news.rowOf(was) + halves)
	}
}

// ScrollBy moves what is shown by rows of the screen; the cursor comes along where it would be out of sight.
// Upwards it ends following.
func (v *View) ScrollBy(rows int) {
	if v.follow && rows >= 0 {
		return
	}
	v.unfollow()
	k := v.news.rowOf(v.top)
	sub := v.sub + rows
	for sub < 0 && k > 0 {
		k--
		sub += v.height(k)
	}
	for k < v.news.count()-1 && sub >= v.height(k) {
		sub -= v.height(k)
		k++
	}
	last, lastSub := v.endTop()
	if lastRow := v.news.rowOf(last); k > lastRow || k == lastRow && sub > lastSub {
		k, sub = lastRow, lastSub
	}
	v.top, v.sub = max(v.news.lineAt(k), 0), max(sub, 0)
	v.inSight()
	v.request()
}

// inSight brings the cursor to what is shown.
func (v *View) inSight() {
	top := v.news.rowOf(v.top)
	last, rows := top, v.height(top)-v.sub
	for last < v.news.count()-1 && rows+v.height(last+1) <= v.h {
		last++
		rows += v.height(last)
	}
	k := max(min(v.news.rowOf(v.line), last), top)
	v.line = max(v.news.lineAt(k), 0)
}

// Top goes to the first line.
func (v *View) Top() {
	v.unfollow()
	v.cursorTo(0)
}

// Bottom goes to the last line and follows.
func (v *View) Bottom() {
	v.follow, v.hunt = true, huntNone
	v.line = max(v.news.lineAt(v.news.count()-1), 0)
	v.request()
}

// ScrollColumns moves long lines that are not wrapped by columns, to the right with n > 0.
func (v *View) ScrollColumns(n int) {
	if !v.wrap {
		v.left = max(v.left+n, 0)
	}
}

// FirstColumn undoes ScrollColumns.
func (v *View) FirstColumn() { v.left = 0 }

// NextError goes to the next line that tells an error; false when there is none.
func (v *View) NextError() bool { return v.jump(v.next(v.news.log.Errors.Next)) }

// PrevError goes to the one before.
func (v *View) PrevError() bool { return v.jump(v.next(v.news.log.Errors.Prev)) }

// NextWarning goes to the next line that tells a warning; false when there is none.
func (v *View) NextWarning() bool { return v.jump(v.next(v.news.log.Warnings.Next)) }

// PrevWarning goes to the one before.
func (v *View) PrevWarning() bool { return v.jump(v.next(v.news.log.Warnings.Prev)) }

// next looks for a line from the cursor on, that is shown.
func (v *View) next(step func(int) int) int {
	line := step(v.line)
	for range 1 << 16 { // of many hidden lines in a row one is passed by
		if line < 0 || v.news.keep.All() || v.news.kept.Has(line) {
			return line
		}
		line = step(line)
	}
	return line
}

func (v *View) jump(line int) bool {
	v.goTo(line)
	return line >= 0
}

// FirstError goes to the first real error, as soon as the log has been read so far: the one
// that End's event tells, else what looks like it.
func (v *View) FirstError() {
	v.ask.cause++
	v.request()
}

// ToggleMark marks the line of the cursor, or no longer.
func (v *View) ToggleMark() {
	i, found := slices.BinarySearch(v.marks, v.line)
	if found {
		v.marks = slices.Delete(v.marks, i, i+1)
		return
	}
	v.marks = slices.Insert(v.marks, i, v.line)
}

// Marks are the lines that are marked.
func (v *View) Marks() []int { return slices.Clone(v.marks) }

// NextMark goes to the next marked line, after the last to the first; false when there is none.
func (v *View) NextMark() bool {
	if len(v.marks) == 0 {
		return false
	}
	i, found := slices.BinarySearch(v.marks, v.line)
	if found {
		i++
	}
	return v.jump(v.marks[i%len(v.marks)])
}

// ToggleSelect begins a selection of lines at the cursor, or gives it up.
func (v *View) ToggleSelect() {
	if v.anchor >= 0 {
		v.anchor = -1
		return
	}
	v.unfollow()
	v.anchor = v.line
}

// SelectBy moves the cursor and takes the lines into the selection.
func (v *View) SelectBy(n int) {
	if v.anchor < 0 {
		v.ToggleSelect()
	}
	v.MoveBy(n)
}

// selection is the lines that are selected, both ends included.
func (v *View) selection() (from, to int, ok bool) {
	return min(v.anchor, v.line), max(v.anchor, v.line), v.anchor >= 0
}
