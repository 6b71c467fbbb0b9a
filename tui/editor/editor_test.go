package editor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/term"
)

// at gives the text with the selection in brackets, "|" where nothing is selected.
func (r *rig) at() string {
	from, to := r.e.selected()
	b := r.e.buf
	head, tail := b.between(pos{}, from, "\n"), b.between(to, b.end(), "\n")
	if from == to {
		return head + "|" + tail
	}
	return head + "<" + b.between(from, to, "\n") + ">" + tail
}

// rigAt makes an editor of a text in which "|" or "<>" is the cursor or the selection.
func rigAt(name, text string) *rig {
	i := strings.IndexAny(text, "|<")
	plainText := strings.NewReplacer("|", "", "<", "", ">", "").Replace(text)
	r := newRig(name, []byte(plainText), 60, 12)
	from := advance(pos{}, text[:i])
	to := from
	if j := strings.IndexByte(text, '>'); j > 0 {
		to = advance(pos{}, text[:i]+text[i+1:j])
	}
	r.e.spot = spot{cursor: to, anchor: from}
	return r
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct{ name, file, text, keys, want string }{
		{"words", "a.txt", "|one.two  three", "ctrl+right ctrl+right ctrl+right", "one.two|  three"},
		{"words back", "a.txt", "one.two  three|\n", "ctrl+left ctrl+left", "one.|two  three\n"},
		{"select words", "a.txt", "|one two", "ctrl+shift+right", "<one> two"},
		{"smart home", "a.yaml", "  a: b|", "home", "  |a: b"},
		{"smart home twice", "a.yaml", "  a: b|", "home home", "|  a: b"},
		{"column is kept", "a.txt", "long line|\nx\nlong line", "down down", "long line\nx\nlong line|"},
		{"wide column", "a.txt", "日本|\nabcdef", "down", "日本\nabcd|ef"},
		{"word back", "a.txt", "one two|", "ctrl+w", "one |"},
		{"to line end", "a.txt", "one| two\nx", "ctrl+k", "one|\nx"},
		{"line end", "a.txt", "one|\nx", "ctrl+k", "one|x"},
		{"delete word", "a.txt", "one| two", "ctrl+delete", "one|"},
		{"replace selection", "a.txt", "a<bc>d", "x", "ax|d"},
		{"collapse left", "a.txt", "a<bc>d", "left", "a|bcd"},
		{"escape", "a.txt", "a<bc>d", "esc", "abc|d"},
		{"below a key", "a.yaml", "a:\n  b: c\nd:|", "enter", "a:\n  b: c\nd:\n  |"},
		{"beside a value", "a.yaml", "a:\n  b: c|", "enter", "a:\n  b: c\n  |"},
		{"beside an item", "a.yaml", "a:\n  - b|", "enter", "a:\n  - b\n  |"},
		{"below an item's key", "a.yaml", "a:\n  - b: c|", "enter", "a:\n  - b: c\n    |"},
		{"below an item's empty key", "a.yaml", "a:\n  - b:|", "enter", "a:\n  - b:\n      |"},
		{"below a block", "a.yaml", "a: |||", "enter", "a: ||\n  |"},
		{"in a comment", "a.yaml", "  # a:|", "enter", "  # a:\n  |"},
		{"brackets", "a.json", "{|}", "enter", "{\n  |\n}"},
		{"then", "a.sh", "  if x; then|", "enter", "  if x; then\n    |"},
		{"indent is taken along", "a.yaml", "  a:|  b", "enter", "  a:\n    |b"},
		{"tab", "a.yaml", "a:\n  b:\n|", "tab", "a:\n  b:\n  |"},
		{"tab indents lines", "a.yaml", "<a:\nb>:\n", "tab", "<  a:\n  b>:\n"},
		{"shift tab", "a.yaml", "    a|:", "shift+tab", "a|:"},
		{"tabs of the file", "a.sh", "f() {\n\techo\n|}", "tab", "f() {\n\techo\n\t|}"},
		{"backspace in the indent", "a.yaml", "a:\n  b:\n    |", "backspace", "a:\n  b:\n  |"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			r := rigAt(tt.file, text)
			if tt.name == "below a block" {
				r = newRig(tt.file, []byte("a: |"), 60, 12)
				r.e.GoTo(1, 5)
				tt.want = "a: |\n  |"
			}
			r.keys(strings.Fields(tt.keys)...)
			if got := r.at(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		name, file, text string
		do               func(e *Editor)
		want             string
	}{
		{"comment", "a.yaml", "a:\n  <b: c\n\n    d: e>\n", func(e *Editor) { e.ToggleComment() }, "a:\n  # <b: c\n\n  #   d: e>\n"},
		{"uncomment", "a.yaml", "<# a\n  #b>\n", func(e *Editor) { e.ToggleComment() }, "<a\n  b>\n"},
		{"no comments in JSON", "a.json", "{|}", func(e *Editor) { e.ToggleComment() }, "{|}"},
		{"move down", "a.txt", "o|ne\ntwo\nthree", func(e *Editor) { e.MoveLines(1) }, "two\no|ne\nthree"},
		{"move up", "a.txt", "one\n<two\nth>ree", func(e *Editor) { e.MoveLines(-5) }, "<two\nth>ree\none"},
		{"move to the end", "a.txt", "o|ne\ntwo\nthree", func(e *Editor) { e.MoveLines(9) }, "two\nthree\no|ne"},
		{"duplicate", "a.txt", "one\nt|wo", func(e *Editor) { e.DuplicateLines() }, "one\ntwo\nt|wo"},
		{"delete a line", "a.txt", "one\nt|wo\nthree", func(e *Editor) { e.DeleteLines() }, "one\nt|hree"},
		{"delete the last line", "a.txt", "one\nt|wo", func(e *Editor) { e.DeleteLines() }, "o|ne"},
		{"delete all lines", "a.txt", "<one\ntwo>", func(e *Editor) { e.DeleteLines() }, "|"},
		{"join", "a.txt", "on|e \n   two\nthree", func(e *Editor) { e.JoinLines() }, "one| two\nthree"},
		{"join a selection", "a.txt", "<one\ntwo\nthr>ee", func(e *Editor) { e.JoinLines() }, "one two| three"},
		{"edit", "a.txt", "|日本 x\ny", func(e *Editor) { e.Edit(Range{1, 2, 2, 1}, "-") }, "日-|y"},
		{"insert", "a.yaml", "  a:|", func(e *Editor) { e.Insert("\r\n  b:\r\nc") }, "  a:\n  b:\nc|"},
		{"select", "a.txt", "|one\ntwo", func(e *Editor) { e.Select(Range{1, 2, 2, 3}) }, "o<ne\ntw>o"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rigAt(tt.file, tt.text)
			before := r.at()
			tt.do(r.e)
			if got := r.at(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			changed := r.e.Modified()
			if changed && (!r.e.Undo() || r.at() != before || r.e.Modified() || !r.e.Redo() || r.at() != tt.want) {
				t.Errorf("undo and redo: %q", r.at())
			}
			r.e.Undo()
			r.e.ReadOnly = true
			if tt.do(r.e); r.e.Modified() {
				t.Errorf("changed though read-only: %q", r.at())
			}
		})
	}
}

func TestUndoGroups(t *testing.T) {
	r := rigAt("a.txt", "|")
	r.keys("a", "b")
	r.now = r.now.Add(2 * time.Second)
	r.keys("c", "d", "left", "e", "enter", "f", "backspace", "backspace")
	r.e.Key(term.Key{Name: term.Paste, Text: "x\ny"}, r.now)
	var got []string
	for r.e.Undo() {
		got = append(got, r.e.Text())
	}
	want := []string{"abced", "abce\nfd", "abce\nd", "abced", "abcd", "ab", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The text that was saved is known again by what it is, whatever way leads there.
func TestModified(t *testing.T) {
	r := rigAt("a.txt", "ab|")
	r.keys("c")
	r.e.MarkSaved()
	r.keys("d", "backspace")
	if r.e.Modified() {
		t.Error("modified after typing and erasing")
	}
	for range 3 {
		r.e.Undo()
	}
	if r.e.Text() != "ab" || !r.e.Modified() {
		t.Errorf("%q, modified %v, after undo of what was saved", r.e.Text(), r.e.Modified())
	}
	r.e.MarkSavedAs([]byte("abc"))
	if r.e.Redo(); r.e.Modified() {
		t.Error("modified though it is what is on disk")
	}
}

func TestReload(t *testing.T) {
	r := rigAt("a.txt", "one\ntwo\nthr|ee\n")
	r.e.SetMarks([]Mark{{Line: 3, Column: 1, Severity: Error}})
	r.e.Reload([]byte("zero\r\none\r\ntwo\r\nthree\r\n"))
	if got := r.at(); got != "zero\none\ntwo\nthr|ee\n" || r.e.Modified() || !r.e.CRLF() {
		t.Errorf("%q, modified %v", got, r.e.Modified())
	}
	if m, _ := r.e.MarkAt(4); m.Line != 4 {
		t.Errorf("the mark is gone: %+v", r.e.Marks())
	}
	if r.e.Undo(); r.e.Text() != "one\ntwo\nthree\n" || !r.e.Modified() {
		t.Errorf("undone: %q", r.e.Text())
	}
}

func TestMarksMove(t *testing.T) {
	r := newRig("a.yaml", []byte("a: b\nc: dd\ne: f\n"), 40, 8)
	r.e.SetMarks([]Mark{{Line: 2, Column: 4, Severity: Warning, Text: "w"}, {Line: 2, Column: 1, Length: 1, Severity: Error, Text: "e"}, {Line: 3, Severity: Info, Text: "i"}})
	r.e.SetChanges(map[int]Change{1: Added, 3: Changed})
	r.e.GoTo(1, 1)
	r.keys("#", "enter")
	r.e.GoTo(3, 4)
	r.keys("x")
	want := []Mark{{3, 1, 1, Error, "e"}, {3, 5, 0, Warning, "w"}, {4, 0, 0, Info, "i"}}
	if diff := cmp.Diff(want, r.e.Marks()); diff != "" {
		t.Error(diff)
	}
	if got := []Change{r.e.changeOf(0), r.e.changeOf(3)}; got[0] != Added || got[1] != Changed {
		t.Errorf("changes %q of %v", got, r.e.changes)
	}
	if m, ok := r.e.MarkAt(3); !ok || m.Text != "w" {
		t.Errorf("under the cursor: %+v", m)
	}
	var seen []string
	for range 3 {
		m, _ := r.e.NextMark(1)
		seen = append(seen, m.Text)
	}
	m, _ := r.e.NextMark(-1)
	if got := strings.Join(append(seen, m.Text), " "); got != "i e w e" && got != "w i e i" {
		t.Errorf("around the marks: %s", got)
	}
}

// What can be undone is bounded in bytes; the newest step always can be.
func TestHistoryIsBounded(t *testing.T) {
	e := New("a.txt", nil)
	large := strings.Repeat("x", historyLimit/8)
	for range 20 {
		e.SelectAll()
		e.Insert(large)
	}
	n := 0
	for e.Undo() {
		n++
	}
	if n < 2 || n > 8 || e.hist.size > historyLimit {
		t.Errorf("%d steps could be undone, %d bytes", n, e.hist.size)
	}
}

// What a mark underlines: so many characters, the word there, the place behind the line.
func TestMarkSpans(t *testing.T) {
	for _, tt := range []struct {
		mark Mark
		want string
	}{
		{Mark{Line: 1, Column: 3}, "..uuuu"},
		{Mark{Line: 1, Column: 3, Length: 2}, "..uu"},
		{Mark{Line: 1, Column: 8}, ".......u"},
		{Mark{Line: 1}, "..uuuuuuuuuu"},
		{Mark{Line: 1, Column: 99}, "............u"},
		{Mark{Line: 2, Column: 1}, "uuuu"},
		{Mark{Line: 9, Column: 9}, "u"},
	} {
		r := newRig("a.yaml", []byte("  name: a, b\n日本 x\n"), 40, 3)
		tt.mark.Severity = Warning
		r.e.SetMarks([]Mark{tt.mark})
		row := min(tt.mark.Line, 3) - 1
		if got := strings.Split(r.styles(), "\n")[row][5:]; got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.mark, got, tt.want)
		}
	}
}

// A snapshot does not change with the editor.
func TestSnapshot(t *testing.T) {
	r := rigAt("a.txt", "a\r\nb|\r\n")
	s := r.e.Snapshot()
	r.keys("x", "enter")
	r.e.MoveLines(-1)
	if s.Text() != "a\r\nb\r\n" || s.Revision == r.e.Revision() {
		t.Errorf("%d %q", s.Revision, s.Text())
	}
}
