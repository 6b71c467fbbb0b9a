package builds

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/logpane"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
)

// contentKind is what the content pane shows.
type contentKind int

// The kinds.
const (
	contentChanges contentKind = iota // what changed against the build before: shown where there is room
	contentCompare
	contentPrune
	contentText
	contentLog
)

// content is the third pane: a comparison, what prune would do, a text.
type content struct {
	kind    contentKind
	title   string
	note    string // at the lower stroke
	outline outline
	waiting string    // what goes on; "" is nothing
	since   time.Time // when that began
	want    int       // number of the last request; answers of others are dropped

	prune *prunePlan   // of contentPrune
	log   logpane.Pane // of contentLog
}

// open says if the user has something open in it.
func (c *content) open() bool { return c.kind != contentChanges || c.waiting != "" }

// begin shows that something is being read, and gives the number of the request.
func (s *Screen) begin(kind contentKind, title, waiting string) int {
	c := &s.content
	c.want++
	c.kind, c.title, c.note, c.waiting, c.since, c.prune = kind, title, "", waiting, s.env.Now(), nil
	c.log.Forget() // who follows it is told by unfollow
	c.outline = newOutline(formSections)
	if kind == contentText {
		c.outline = newOutline(formText)
	}
	s.focus = paneContent
	return c.want
}

// closeContent leaves what is open; what is still being read is given up.
func (s *Screen) closeContent() []screen.Effect {
	effects := s.unfollow()
	if s.content.waiting != "" {
		effects = append(effects, screen.Work{Key: contentWork, Do: func(context.Context) screen.Event { return nil }}) // takes its place
	}
	s.content.want++
	s.content.kind, s.content.title, s.content.note, s.content.waiting, s.content.prune = contentChanges, "", "", "", nil
	s.content.outline = newOutline(formSections)
	s.showChanges()
	if s.focus == paneContent || s.focus == paneLog {
		s.focus = paneList
	}
	return effects
}

// unfollow ends the following of a log that is open; it never gives nil.
func (s *Screen) unfollow() []screen.Effect {
	return s.content.log.Close()
}

// contentWork is the Key of what reads for the content pane.
const contentWork = "builds.content"

// showChanges is what the pane shows when nothing else is open in it.
func (s *Screen) showChanges() {
	b := s.current()
	if b == nil {
		s.content.title = "Changes"
		s.content.outline.set(nil)
		return
	}
	s.content.title = "Changes of " + b.ID
	lines := changeLines(b.Changes, "Packages")
	if lines == nil && b.Detailed {
		lines = []line{{name: "There is no build before it to compare with."}}
	}
	s.content.outline.set(lines)
}

// textRead is a text for the content pane.
type textRead struct {
	want int
	text string
	note string
	err  error
}

func (s *Screen) handleText(e textRead) []screen.Effect {
	if e.want != s.content.want {
		return nil
	}
	s.content.waiting = ""
	if e.err != nil {
		return s.contentFailed(e.err)
	}
	s.content.note = e.note
	s.content.outline.set(textLines(e.text))
	return nil
}

// contentFailed says in the pane why there is nothing in it.
func (s *Screen) contentFailed(err error) []screen.Effect {
	text, hint, command := err.Error(), "", ""
	if q, ok := errors.AsType[*screen.QueryError](err); ok {
		text, hint, command = q.Text, q.Hint, "nosa "+screen.CommandLine(q.Args)
	}
	w := s.wrapAt(paneContent)
	lines := []line{{name: "That did not work:", sign: signFail, role: theme.Failure}}
	for _, part := range slices.Concat(widget.Wrap(text, w), widget.Wrap(hint, w)) {
		lines = append(lines, line{name: part})
	}
	if command != "" {
		lines = append(lines, line{})
		for _, part := range widget.Wrap(command, w) {
			lines = append(lines, line{name: part, role: theme.Muted})
		}
	}
	s.content.outline = newOutline(formSections)
	s.content.outline.set(lines)
	return nil
}

// textLines are the lines of a text; those of a difference look like it.
func textLines(text string) []line {
	var lines []line
	diff := strings.HasPrefix(text, "diff ") || strings.Contains(text, "\ndiff --git ")
	for l := range strings.Lines(text) {
		out := line{name: strings.ReplaceAll(strings.TrimRight(l, "\r\n"), "\t", "    ")}
		if diff {
			switch {
			case strings.HasPrefix(l, "+"):
				out.role = theme.Added
			case strings.HasPrefix(l, "-"):
				out.role = theme.Removed
			case strings.HasPrefix(l, "@@"), strings.HasPrefix(l, "diff "):
				out.role = theme.Title
			}
		}
		lines = append(lines, out)
	}
	return lines
}

// indented is JSON for people, or the text as it is.
func indented(data []byte) string {
	var v json.RawMessage
	if json.Unmarshal(data, &v) != nil {
		return string(data)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return string(data)
	}
	return string(out)
}
