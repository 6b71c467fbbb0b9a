package widget

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// numbers are rows that are made when they are asked for.
type numbers struct {
	n     int
	from  int // of the first
	asked *int
}

func (r numbers) Len() int           { return r.n }
func (r numbers) Key(row int) string { return fmt.Sprint("k", row+r.from) }
func (r numbers) Cell(row, column int) Cell {
	if r.asked != nil {
		*r.asked++
	}
	n := row + r.from
	switch column {
	case 0:
		return Cell{Text: fmt.Sprintf("build-%d", n)}
	case 1:
		return Cell{Text: fmt.Sprint(n * 7919 % 1000), Role: theme.Muted}
	}
	return Cell{Text: []string{"ostree", "ostree qemu", "ostree qemu metal 日本語"}[n%3]}
}

func (r numbers) Compare(column, a, b int) int {
	if column == 1 {
		return cmp.Compare((a+r.from)*7919%1000, (b+r.from)*7919%1000)
	}
	return cmp.Compare(a, b)
}

func newTable(n int) *Table {
	t := &Table{
		Columns: []Column{
			{Title: "ID", Width: 9, Grow: 1, Max: 14, Filter: true, Sortable: true},
			{Title: "SIZE", Width: 6, Right: true, Priority: 2, Sortable: true},
			{Title: "ARTIFACTS", Width: 12, Grow: 2, Priority: 1, Filter: true},
		},
		Empty: []string{"No builds yet.", "b builds one"},
	}
	t.SetRows(numbers{n: n})
	return t
}

func keys(t *Table, list string) {
	for k := range strings.FieldsSeq(list) {
		key := term.Key{Name: k}
		if len(k) == 1 {
			key.Text = k
		}
		t.Key(key)
	}
}

func draw(t *Table, w, h int) *canvas.Canvas {
	c := canvas.New(w, h)
	t.Draw(c.Area(), theme.New(theme.Options{Mono: true}), Focused)
	return c
}

func TestTableGolden(t *testing.T) {
	var b strings.Builder
	show := func(title string, table *Table, w, h int) {
		fmt.Fprintf(&b, "== %s\n%s", title, text(draw(table, w, h)))
	}
	table := newTable(40)
	show("wide", table, 60, 6)
	show("the column with the highest priority goes", table, 30, 4)
	show("then the next", table, 20, 4)
	show("narrower than what must stay", table, 8, 4)
	table.ToggleMark()
	keys(table, "G")
	show("the end", table, 60, 6)
	table.Sort(Order{Column: 2, Descending: true})
	show("sorted: the cursor stays on its row", table, 60, 6)
	table.StartFilter()
	keys(table, "m e t")
	show("filtered", table, 60, 6)
	keys(table, "z")
	show("nothing matches", table, 60, 4)
	show("empty", newTable(0), 60, 4)
	list := newTable(3)
	list.Headless = true
	show("a list", list, 40, 4)
	golden(t, "table", b.String())
}

// What is not seen costs nothing: the same rows are asked for, and as little is allocated.
func TestTableAsksOnlyForWhatIsSeen(t *testing.T) {
	measure := func(n int) (asked int, allocs float64) {
		table := newTable(n)
		table.SetRows(numbers{n: n, asked: &asked})
		draw(table, 80, 24)
		asked = 0
		c, th := canvas.New(80, 24), theme.New(theme.Options{Mono: true})
		table.Draw(c.Area(), th, Focused)
		once := asked
		return once, testing.AllocsPerRun(10, func() {
			c.Reset(80, 24)
			table.Draw(c.Area(), th, Focused)
		})
	}
	few, fewAllocs := measure(100)
	many, manyAllocs := measure(100_000)
	if few != many || few > 24*3 {
		t.Errorf("cells asked for: %d of 100 rows, %d of 100000", few, many)
	}
	if manyAllocs > 1.2*fewAllocs { // race tests drop some of what is pooled
		t.Errorf("allocations: %v of 100 rows, %v of 100000", fewAllocs, manyAllocs)
	}
}

func TestTableMotions(t *testing.T) {
	for _, tt := range []struct {
		keys string
		want string
	}{
		{"j j k", "k1"},
		{"G", "k39"},
		{"G g g", "k0"},
		{"G home", "k0"},
		{"pgdown", "k5"},
		{"ctrl+d j", "k3"},
		{"end pgup", "k34"},
		{"g j", "k1"}, // a lone g is nothing
	} {
		table := newTable(40)
		draw(table, 60, 6)
		keys(table, tt.keys)
		if got := table.CurrentKey(); got != tt.want {
			t.Errorf("%s: at %s, want %s", tt.keys, got, tt.want)
		}
	}
}

// The cursor and the marks belong to rows, not to places.
func TestTableKeepsRows(t *testing.T) {
	table := newTable(40)
	draw(table, 60, 11)
	keys(table, "j j")
	table.ToggleMark()
	table.SetRows(numbers{n: 43, from: -3})
	if got := table.CurrentKey(); got != "k3" || table.Cursor() != 6 {
		t.Errorf("rows came before it: at %s, place %d", got, table.Cursor())
	}
	if diff := gocmp.Diff([]string{"k2"}, table.Marks()); diff != "" {
		t.Error(diff)
	}
	table.SetRows(numbers{n: 10, from: 10})
	if got := table.CurrentKey(); got != "k16" || len(table.Marks()) != 0 {
		t.Errorf("its row is gone: at %s, marks %v", got, table.Marks())
	}
	table.SetRows(numbers{})
	if _, ok := table.Current(); ok || table.CurrentKey() != "" {
		t.Error("an empty table has a row")
	}
	keys(table, "j G g g pgup pgdown ctrl+d ctrl+u")
	table.ToggleMark()
	draw(table, 60, 11)
}

// A filter keeps the row as long as it matches, and finds it again without it.
func TestTableFilter(t *testing.T) {
	table := newTable(40)
	table.Select("k11")
	table.SetFilter("met b1")
	if table.Len() == 0 || table.Len() >= table.Total() || table.CurrentKey() != "k11" {
		t.Errorf("%d of %d, at %s", table.Len(), table.Total(), table.CurrentKey())
	}
	for i := range table.Len() {
		table.MoveTo(i)
		row, _ := table.Current()
		if row%3 != 2 || !strings.Contains(fmt.Sprint(row), "1") {
			t.Errorf("row %d does not match", row)
		}
	}
	table.Ranked = true
	table.SetFilter("build-7")
	table.MoveTo(0)
	if got := table.CurrentKey(); got != "k7" {
		t.Errorf("the best match is %s", got)
	}
	table.StartFilter()
	keys(table, "esc")
	if table.Typing() || table.Len() != 40 {
		t.Error("esc did not drop the filter")
	}
}

func TestTableMouse(t *testing.T) {
	table := newTable(40)
	draw(table, 60, 6)
	press := func(x, y, clicks int) Done {
		return table.Mouse(term.Mouse{Kind: term.Press, Button: 1, X: x, Y: y, Clicks: clicks})
	}
	if d := press(5, 3, 1); d != Used || table.CurrentKey() != "k2" {
		t.Errorf("a click: %q, at %s", d, table.CurrentKey())
	}
	if d := press(5, 3, 2); d != Opened {
		t.Errorf("a double click: %q", d)
	}
	table.Mouse(term.Mouse{Kind: term.WheelDown, Lines: 10})
	if got := table.CurrentKey(); got != "k10" {
		t.Errorf("the wheel left the cursor out of sight: %s", got)
	}
	if got := draw(table, 60, 6).Text(1); !strings.Contains(got, "build-10") {
		t.Errorf("the wheel scrolled to %q", got)
	}
	if d := press(59, 5, 1); d != Used || table.CurrentKey() != "k35" {
		t.Errorf("the end of the bar: %q, at %s", d, table.CurrentKey())
	}
	if d := press(20, 0, 1); d != Ordered || table.Order() != (Order{Column: 2}) {
		t.Errorf("a click on a title: %q, %+v", d, table.Order())
	}
	press(20, 0, 1)
	if table.Order() != (Order{Column: 2, Descending: true}) {
		t.Errorf("a second: %+v", table.Order())
	}
	if d := press(30, 0, 1); d != Ignored {
		t.Errorf("a title that does not sort: %q", d)
	}
}

// The thumb is at an end only when there is nothing beyond it, and always in the bar.
func TestScrollThumb(t *testing.T) {
	for h := 1; h < 12; h++ {
		for n := h + 1; n < 60; n++ {
			for top := 0; top+h <= n; top++ {
				s := Scroll{Top: top, Page: h, Len: n}
				from, to := s.thumb(h)
				if from < 0 || to > h || from >= to {
					t.Fatalf("%+v: %d to %d", s, from, to)
				}
				if h > 2 && to-from <= h-2 && ((from == 0) != (top == 0) || (to == h) != (top+h == n)) {
					t.Fatalf("%+v: %d to %d of %d", s, from, to, h)
				}
			}
		}
	}
}

func BenchmarkTableFilter(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newTable(n)
			for b.Loop() {
				table.SetFilter("")
				table.SetFilter("met")
			}
		})
	}
}
