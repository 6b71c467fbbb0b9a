package editor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/bubbles/textarea"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
)

// manifestOf is a manifest of that many lines.
func manifestOf(lines int) []byte {
	var b strings.Builder
	b.WriteString("packages:\n")
	for i := range lines - 2 {
		if i%50 == 49 {
			b.WriteString("  # another lot\n")
			continue
		}
		fmt.Fprintf(&b, "  - package-%d\n", i)
	}
	return []byte(b.String())
}

// rig is an editor with a screen of its own, as its owner would drive it.
type rig struct {
	e   *Editor
	c   *canvas.Canvas
	t   *theme.Theme
	now time.Time
}

func newRig(name string, text []byte, w, h int) *rig {
	r := &rig{New(name, text), canvas.New(w, h), theme.New(theme.Options{Mono: true}), time.Date(2026, 11, 22, 12, 4, 2, 0, time.UTC)}
	r.draw()
	return r
}

func (r *rig) draw() {
	w, h := r.c.Size()
	r.c.Reset(w, h)
	r.e.Draw(r.c.Area(), r.t, true)
}

// keys presses keys by name; a name that is no key is typed.
func (r *rig) keys(names ...string) {
	for _, n := range names {
		r.now = r.now.Add(10 * time.Millisecond)
		k := term.Key{Name: n}
		if len([]rune(n)) == 1 {
			k.Text = n
		}
		if n == "space" {
			k.Text = " "
		}
		r.e.Key(k, r.now)
	}
}

// echo is one typed character and its frame, in the middle of the text; then it is taken away again.
func (r *rig) echo() {
	r.keys("x")
	r.draw()
	r.keys("backspace")
	r.draw()
}

func (r *rig) middle() *rig {
	r.e.GoTo(r.e.Lines()/2+1, 5)
	r.draw()
	r.echo()
	return r
}

// What a key and its frame allocate must not depend on how long the file is.
func TestEchoAllocations(t *testing.T) {
	allocs := func(r *rig) float64 {
		r.middle()
		return testing.AllocsPerRun(200, r.echo) / 2
	}
	short, long := allocs(newRig("m.yaml", manifestOf(100), 100, 40)), allocs(newRig("m.yaml", manifestOf(20_000), 100, 40))
	t.Logf("key and frame: %.0f allocations at 100 lines, %.0f at 20,000", short, long)
	if long > 1.3*short || long > 150 {
		t.Errorf("%.0f allocations at 20,000 lines, %.0f at 100", long, short)
	}
	// Every key gives a line that was never coloured before.
	i := 0
	fresh := newRig("m.yaml", manifestOf(20_000), 100, 40).middle()
	got := testing.AllocsPerRun(200, func() {
		fresh.keys(string(rune('a' + i%26)))
		i++
		fresh.draw()
	})
	t.Logf("key and frame with fresh colours: %.0f allocations", got)
	if got > 150 {
		t.Errorf("%.0f allocations for a key with fresh colours", got)
	}
}

// BenchmarkEcho is a typed character and its frame, each time at another length of file; what the longest
// takes in relation to the shortest; and the textarea of bubbles, which others use, in relation to the editor.
func BenchmarkEcho(b *testing.B) {
	took := map[string]float64{}
	measure := func(name, base, unit string, do func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
			took[name] = float64(b.Elapsed()) / float64(b.N)
			if took[base] > 0 {
				b.ReportMetric(took[name]/took[base], unit)
			}
		})
	}
	for _, n := range []int{100, 5_000, 20_000} {
		measure(fmt.Sprintf("lines-%d", n), "lines-100", "x-of-100-lines", newRig("m.yaml", manifestOf(n), 100, 40).middle().echo)
	}
	long := newRig("m.json", []byte(strings.Repeat(`{"日": 1}, `, 200_000/12)), 100, 40)
	long.keys("end")
	long.echo()
	measure("line-of-200kB", "lines-100", "x-of-100-lines", long.echo)
	area := textarea.New()
	area.CharLimit, area.MaxHeight = 0, 0
	area.SetWidth(100)
	area.SetHeight(40)
	area.SetValue(string(manifestOf(5_000)))
	area.Focus()
	measure("textarea-5000", "lines-5000", "x-of-editor", func() {
		for _, k := range []tea.KeyMsg{{Type: tea.KeyRunes, Runes: []rune{'x'}}, {Type: tea.KeyBackspace}} {
			area, _ = area.Update(k)
			_ = area.View()
		}
	})
}

// BenchmarkEndOfText is the first frame at the end of a text of 20,000 lines, all colours included.
func BenchmarkEndOfText(b *testing.B) {
	text := manifestOf(20_000)
	for b.Loop() {
		b.StopTimer()
		r := newRig("m.yaml", text, 100, 40)
		r.keys("ctrl+end")
		b.StartTimer()
		r.draw()
	}
}

// BenchmarkFind is a query that grows by a key in a text of 20,000 lines, with its frame and the count: found
// far below, and not at all.
func BenchmarkFind(b *testing.B) {
	for _, query := range []string{"package-19950", "nowhere"} {
		for _, o := range []FindOptions{{}, {Regexp: true}} {
			b.Run(fmt.Sprintf("%s-regexp-%v", query, o.Regexp), func(b *testing.B) {
				r := newRig("m.yaml", manifestOf(20_000), 100, 40)
				for b.Loop() {
					r.e.GoTo(1, 1)
					_ = r.e.Find(query[:len(query)-1], o)
					_ = r.e.Find(query, o)
					r.e.Matches()
					r.draw()
				}
			})
		}
	}
}
