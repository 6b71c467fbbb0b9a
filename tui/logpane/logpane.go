// Package logpane is a log as screens have it in a pane: a logview.View, the line that is typed below
// it, and what can be done with it as actions.
package logpane

import (
	"context"
	"fmt"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/logview"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// Pane is a log in a pane. Its zero value but for Key shows none.
type Pane struct {
	Key  string // of what follows the log, unlike all others'
	view *logview.View
	line *widget.Input // that is typed below the log; nil is none
	what purpose
}

// purpose is what a line that is typed is for: its prompt.
type purpose string

const (
	find purpose = "/"
	keep purpose = "&"
	goTo purpose = "@"
)

// View is the log that is shown; nil is none.
func (p *Pane) View() *logview.View { return p.view }

// Show shows a log, and gives what follows it.
func (p *Pane) Show(v *logview.View) []screen.Effect {
	p.view, p.line = v, nil
	return []screen.Effect{screen.Follow{Key: p.Key, Do: func(ctx context.Context, post func(screen.Event)) {
		v.Source().Follow(ctx, func(news any) { post(news) })
	}}}
}

// Forget shows none, whatever still follows.
func (p *Pane) Forget() { p.view, p.line = nil, nil }

// Close shows none, and gives what ends the following; it never gives nil.
func (p *Pane) Close() []screen.Effect {
	if p.view == nil {
		return []screen.Effect{}
	}
	p.Forget()
	return []screen.Effect{screen.Unfollow{Key: p.Key}}
}

// Typing says if a line is being typed.
func (p *Pane) Typing() bool { return p.line != nil }

// Leave gives a line up that is being typed.
func (p *Pane) Leave() { p.line = nil }

// Handle takes what came of the log; ok is false for all else.
func (p *Pane) Handle(e screen.Event) (effects []screen.Effect, ok bool) {
	switch e := e.(type) {
	case logview.News:
		if p.view != nil {
			p.view.Handle(e)
		}
		return nil, true
	case excerpt:
		if e.key != p.Key {
			return nil, false
		}
		return []screen.Effect{screen.Copy{Text: e.text, What: e.what}}, true
	}
	return nil, false
}

// OnKey is a key while the pane has the keys; nil means that it is not one of the log's.
func (p *Pane) OnKey(k term.Key) []screen.Effect {
	if p.view == nil {
		return nil
	}
	if p.line == nil {
		if p.view.Key(k) {
			return []screen.Effect{}
		}
		return nil
	}
	switch k.Name {
	case "esc":
		p.line = nil
	case "enter":
		text := p.line.Value()
		p.line = nil
		if err := p.typed(text); err != nil {
			return []screen.Effect{screen.Notice{Level: screen.Warn, Text: err.Error()}}
		}
	default:
		p.line.Key(k)
	}
	return []screen.Effect{}
}

func (p *Pane) typed(text string) error {
	switch p.what {
	case keep:
		return p.view.Keep(text)
	case goTo:
		return p.view.GoTo(text)
	}
	return p.view.Find(text)
}

// Draw draws the log, and the line that is typed as its last row.
func (p *Pane) Draw(a canvas.Area, t *theme.Theme, focus widget.Focus) {
	w, h := a.Size()
	body := canvas.Rect{W: w, H: h}
	if p.line != nil && h > 0 {
		var line canvas.Rect
		line, body = body.Bottom(1)
		defer p.line.Draw(a.Sub(line), t, focus)
	}
	p.view.Draw(a.Sub(body), t, bool(focus) && p.line == nil)
}

// excerpt is lines that were read to be copied.
type excerpt struct{ key, text, what string }

// lastLines is how many lines the copying of the end of a log takes.
const lastLines = 50

func (p *Pane) copy(lines logview.Excerpt) []screen.Effect {
	key := p.Key
	return []screen.Effect{screen.Work{Do: func(ctx context.Context) screen.Event {
		text, err := lines.Read(ctx)
		if err != nil {
			return screen.Notice{Level: screen.Bad, Text: err.Error()}
		}
		what := "1 line of the log"
		if lines.Lines != 1 {
			what = fmt.Sprintf("%d lines of the log", lines.Lines)
		}
		return excerpt{key, text, what}
	}}}
}
