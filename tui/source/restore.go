package source

import (
	"context"
	"encoding/json"
	"os"
	"slices"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/doc"
)

// answerSwap does with a text that was left what the user wants.
func (s *Screen) answerSwap(path, choice string) []screen.Effect {
	at := slices.IndexFunc(s.swaps, func(left swap) bool { return left.Path == path })
	if at < 0 {
		return nil
	}
	left := s.swaps[at]
	if choice == "difference" {
		dir := s.env.WS.Dir
		return []screen.Effect{screen.Work{Do: func(context.Context) screen.Event {
			now, _ := readText(dir, left.Path) // what cannot be read is empty
			return swapDifference{left, now}
		}}}
	}
	s.swaps = slices.Delete(s.swaps, at, at+1)
	var effects []screen.Effect
	switch choice {
	case "restore":
		s.at, s.diff = left.Path, nil
		s.tree.Select(left.Path)
		s.SetFocus(paneEditor)
		effects = append(s.load(left.Path, nil, &left), s.adopt(left), screen.Go{Screen: screen.Source})
	case "discard":
		effects = append(effects, forget(left))
	}
	return append(effects, s.offerSwap()...)
}

// swapDifference is a text that was left and what its file has now.
type swapDifference struct {
	left swap
	now  []byte
}

func (s *Screen) swapDifference(e swapDifference) []screen.Effect {
	s.showDifference(e.left.Path+": on disk "+s.glyphs.Arrow+" left unsaved", string(e.now), e.left.Text)
	s.diff.then = s.offerSwap()
	return []screen.Effect{screen.Go{Screen: screen.Source}}
}

// forget removes the file of a text that was left.
func forget(left swap) screen.Effect {
	return screen.Work{Do: func(context.Context) screen.Event {
		_ = os.Remove(left.file)
		return nil
	}}
}

// adopt makes the file of a text that was left this session's.
func (s *Screen) adopt(left swap) screen.Effect {
	dir := s.env.WS.Dir
	return screen.Work{Do: func(context.Context) screen.Event {
		if err := left.write(dir); err != nil {
			return swapped{left.Path, 0, err}
		}
		_ = os.Remove(left.file)
		return nil
	}}
}

// state is what a later session finds again.
type state struct {
	Focus    string                  `json:"focus,omitempty"`
	At       string                  `json:"at,omitempty"`
	Open     []string                `json:"open,omitempty"`
	Editors  map[string]editor.State `json:"editors,omitempty"`
	Expanded []string                `json:"expanded,omitempty"`
	Cursor   string                  `json:"cursor,omitempty"`
	Filter   string                  `json:"filter,omitempty"`
	Side     sideView                `json:"side,omitempty"`
	Keys     []string                `json:"keys,omitempty"` // unfolded in the effective manifest
}

// Save gives what a later session finds again.
func (s *Screen) Save() json.RawMessage {
	st := state{
		Focus: s.focus, At: s.at, Open: s.open, Editors: map[string]editor.State{},
		Expanded: s.tree.Expanded(), Filter: s.tree.Filter(), Side: s.side, Keys: s.effective.Expanded(),
	}
	if item, ok := s.tree.Current(); ok {
		st.Cursor = item.ID
	}
	for path, d := range s.docs {
		if d.loaded {
			st.Editors[path] = d.ed.State()
		}
	}
	data, err := json.Marshal(st)
	if err != nil {
		return nil
	}
	return data
}

// Restore brings back what a session has saved, and asks for unsaved text that was left.
func (s *Screen) Restore(data json.RawMessage) []screen.Effect {
	dir, now := s.env.WS.Dir, s.env.Now()
	effects := []screen.Effect{screen.Work{Key: "source.swaps", Do: func(context.Context) screen.Event {
		pruneTrash(dir, now)
		pruneDrafts(dir, now)
		return swapsFound{readSwaps(dir)}
	}}}
	effects = append(effects, s.learnNames()...)
	var st state
	if json.Unmarshal(data, &st) != nil {
		return effects
	}
	s.tree.SetExpanded(st.Expanded)
	s.tree.SetFilter(st.Filter)
	s.wanted = st.Cursor
	s.effective.SetExpanded(st.Keys)
	if slices.Contains([]sideView{sideEffective, sidePlan}, st.Side) {
		s.side = st.Side
	}
	for _, path := range st.Open[:min(len(st.Open), 20)] {
		if rootOf(path) == "" {
			continue
		}
		e := st.Editors[path]
		effects = append(effects, s.load(path, &doc.Origin{File: path, Line: e.Line, Column: e.Column}, nil)...)
	}
	if s.docs[st.At] != nil {
		s.at = st.At
	}
	s.SetFocus(st.Focus)
	return effects
}
