package builds

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace/event"
)

// prunePlan is what nosa prune --dry-run --output json gives.
type prunePlan struct {
	Victims []struct {
		Kind  string `json:"kind"`
		Path  string `json:"path"`
		Build string `json:"build"`
		Bytes int64  `json:"bytes"`
	} `json:"victims"`
	Kept []struct {
		Build  string `json:"build"`
		Path   string `json:"path"`
		Reason string `json:"reason"`
	} `json:"kept"`
	Freed int64 `json:"freed"`
	Cache *struct {
		Bytes  event.Bytes `json:"bytes"`
		Limit  event.Bytes `json:"limit"`
		Needed bool        `json:"needed"`
	} `json:"cache"`

	args []string // of the command, without --dry-run
}

// The tags of the dialogs about prune.
const (
	askPrune    = "builds.prune"
	askPruneNow = "builds.prune.now"
)

// The choices of what prune removes.
const (
	pruneBuilds = "builds"
	pruneImages = "disk images that can be made again"
	pruneCache  = "what the cache has beyond its limit"
)

func (s *Screen) askPrune() []screen.Effect {
	return []screen.Effect{screen.Ask{
		Tag: askPrune, Title: "Prune", Text: []string{"What would go is shown first."},
		Fields: []screen.Field{
			{Name: "what", Title: "Remove", Kind: screen.FieldChoice, Value: pruneBuilds, Options: []string{pruneBuilds, pruneImages, pruneCache}},
			{Name: "keep", Title: "Keep the newest", Kind: screen.FieldText, Value: "3", Help: "of builds and images; tagged builds stay and do not count", Check: checkNumber},
		},
		Choices: []screen.Choice{{ID: "preview", Title: "Show what would go"}, {ID: "cancel", Title: "Cancel"}},
	}}
}

func checkNumber(text string) string {
	if text == "" || strings.Trim(text, "0123456789") != "" || len(text) > 6 {
		return "want a number"
	}
	return ""
}

// pruneArgs is the command for what was chosen in the dialog.
func pruneArgs(values map[string]string) []string {
	switch values["what"] {
	case pruneCache:
		return []string{"prune", "--cache"}
	case pruneImages:
		return []string{"prune", "--images", "--keep-last-n", values["keep"]}
	}
	return []string{"prune", "--keep-last-n", values["keep"]}
}

// planned is the answer of nosa prune --dry-run.
type planned struct {
	want int
	plan *prunePlan
	err  error
}

func (s *Screen) previewPrune(args []string) []screen.Effect {
	effects := s.unfollow()
	want := s.begin(contentPrune, strings.Join(args, " "), "Finding what would go")
	env := s.env
	return append(effects, screen.Work{Key: contentWork, Do: func(ctx context.Context) screen.Event {
		out, err := env.Query(ctx, append(slices.Clone(args), "--dry-run")...)
		e := planned{want: want, plan: &prunePlan{args: args}, err: err}
		if err == nil {
			e.err = json.Unmarshal(out, e.plan)
		}
		return e
	}})
}

func (s *Screen) handlePlanned(e planned) []screen.Effect {
	if e.want != s.content.want {
		return nil
	}
	s.content.waiting = ""
	if e.err != nil {
		return s.contentFailed(e.err)
	}
	s.content.prune = e.plan
	s.content.outline.set(pruneLines(e.plan))
	if len(e.plan.Victims) > 0 {
		s.content.note = "P removes them, esc does not"
	}
	return nil
}

func pruneLines(p *prunePlan) []line {
	text := "frees " + long(p.Freed)
	if len(p.Victims) == 0 {
		text = "nothing"
	}
	lines := []line{{heading: true, name: "Would go", text: text}}
	var most int64
	for _, v := range p.Victims {
		most = max(most, v.Bytes)
	}
	for _, v := range p.Victims {
		l := line{name: v.Path, text: v.Kind, sign: signRemoved, role: theme.Removed, bar: share(v.Bytes, most)}
		if v.Bytes > 0 {
			l.number = short(v.Bytes)
		}
		lines = append(lines, l)
	}
	if len(p.Kept) > 0 {
		lines = append(lines, line{heading: true, name: "Stays", text: fmt.Sprint(len(p.Kept))})
	}
	for _, k := range p.Kept {
		name := k.Path
		if name == "" {
			name = "builds/" + k.Build
		}
		lines = append(lines, line{name: name, text: k.Reason})
	}
	if c := p.Cache; c != nil {
		text := c.Bytes.String() + " of " + c.Limit.String()
		if c.Limit >= 1<<62 {
			text = c.Bytes.String() + ", no limit"
		}
		if c.Needed {
			text += "; the newest build needs what is above the limit"
		}
		lines = append(lines, line{heading: true, name: "Cache", text: text})
	}
	return lines
}

// confirmPrune asks once more, with what the preview has shown.
func (s *Screen) confirmPrune() []screen.Effect {
	p := s.content.prune
	return []screen.Effect{screen.Ask{
		Tag: askPruneNow, Title: "Prune", Danger: true,
		Text:    []string{fmt.Sprintf("Remove %s and free %s? This cannot be undone.", widget.Count(len(p.Victims), "thing", "things"), long(p.Freed))},
		Choices: []screen.Choice{{ID: "prune", Title: "Prune", Key: "p"}, {ID: "cancel", Title: "Cancel", Key: "c"}},
	}}
}
