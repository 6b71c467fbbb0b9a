package logview

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// rig is a View with a screen, whose Source is asked by hand.
type rig struct {
	t    testing.TB
	v    *View
	c    *canvas.Canvas
	th   *theme.Theme
	file string
}

func newRig(t testing.TB, w, h int, o Options) *rig {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "log")
	}
	o.Zone = time.UTC
	r := &rig{t: t, v: New(o), c: canvas.New(w, h), th: theme.New(theme.Options{Mono: true}), file: o.Path}
	t.Cleanup(func() { _ = r.v.src.r.index.Close() })
	r.draw()
	return r
}

// draw draws the view in its frame.
func (r *rig) draw() {
	r.c.Reset(r.c.Size())
	inner := widget.Frame{Title: "log", Right: r.v.Bar(r.th), Bottom: r.v.Note(r.th), Focused: true}.Draw(r.c.Area(), r.th)
	r.v.Draw(inner, r.th, true)
}

// settle reads until there is nothing more to read, and draws.
func (r *rig) settle() {
	r.t.Helper()
	for range 10_000 {
		w := r.v.src.wanted()
		more := r.v.src.r.advance(r.t.Context(), w)
		if r.v.src.r.err != nil {
			r.t.Fatal(r.v.src.r.err)
		}
		if more {
			continue
		}
		if !r.v.Handle(r.v.src.r.news(r.v.src, w)) {
			r.t.Fatal("its own news were refused")
		}
		r.draw()
		if r.v.src.wanted().rev == w.rev {
			return
		}
	}
	r.t.Fatal("it never comes to rest")
}

func (r *rig) keys(keys ...string) {
	r.t.Helper()
	for _, k := range keys {
		if !r.v.Key(term.Key{Name: k}) {
			r.t.Errorf("key %s was refused", k)
		}
	}
	r.settle()
}

func (r *rig) add(text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.settle()
}

// texts is what the rows inside the frame show.
func (r *rig) texts() []string {
	_, h := r.c.Size()
	var list []string
	for y := 1; y < h-1; y++ {
		list = append(list, strings.TrimSpace(strings.Trim(r.c.Text(y), "┃")))
	}
	return list
}

// jobLog makes lines of a job, a second apart.
func jobLog(from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		at := time.Date(2026, 11, 22, 12, 3, 58, 0, time.UTC).Add(time.Duration(i) * time.Second)
		step, text := "fetch", fmt.Sprintf("package-%d (62 MB)", i)
		switch i % 10 {
		case 4:
			step, text = "install", "Warning: retry 1/3 updates-archive"
		case 7:
			step, text = "install", fmt.Sprintf("error: package-%d is broken", i)
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\n", at.Format(time.RFC3339Nano), step, text)
	}
	return b.String()
}
