package tuitest_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/tuitest"
)

// A picture is well-formed whatever is on the screen, and the same each time.
func TestSVG(t *testing.T) {
	th := theme.New(theme.Options{})
	c := drawn(th)
	c.Area().Put(0, 3, `<&"'> ┌─┐┃`, th.Style(theme.Selected))
	got := tuitest.SVG(c)
	if !bytes.Equal(got, tuitest.SVG(c)) {
		t.Error("two pictures of one screen differ")
	}
	d := xml.NewDecoder(bytes.NewReader(got))
	var text strings.Builder
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := tok.(xml.CharData); ok {
			text.Write(bytes.TrimSpace(data))
			text.WriteByte('|')
		}
	}
	for _, want := range []string{`Builds 日本`, `<&"'>`, "✓ ok", "muted"} {
		if !strings.Contains(text.String(), "|"+want+"|") {
			t.Errorf("no %q in %q", want, text.String())
		}
	}
	if strings.ContainsAny(text.String(), "┌─┐┃") {
		t.Error("frames must be lines: as text they have gaps")
	}
}

func FuzzSVG(f *testing.F) {
	f.Add("a]]><日\x00", uint32(1<<24|200), uint8(255))
	f.Fuzz(func(t *testing.T, text string, fg uint32, attr uint8) {
		c := canvas.New(9, 1)
		c.Area().Put(0, 0, text, canvas.Style{FG: canvas.Color(fg), Attr: canvas.Attr(attr)})
		d := xml.NewDecoder(bytes.NewReader(tuitest.SVG(c)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}
