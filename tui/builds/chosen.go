package builds

import (
	"fmt"
	"slices"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
)

// Chosen is the build of the cursor, for the user's own commands.
func (s *Screen) Chosen() screen.Target {
	if b := s.current(); b != nil {
		return screen.Target{Build: b.ID}
	}
	return screen.Target{}
}

// targets are the builds that an action changes: the marked ones, else the current one. In the detail
// it is the one that is shown there, whatever is marked.
func (s *Screen) targets() []*feed.Build {
	var list []*feed.Build
	if s.focus != paneDetail {
		for _, key := range s.list.Marks() {
			if b := s.builds.Find(key); b != nil {
				list = append(list, b)
			}
		}
	}
	if b := s.current(); len(list) == 0 && b != nil {
		list = append(list, b)
	}
	return list
}

// able are those of the targets with which a thing can be done; where there are none, why.
func (s *Screen) able(off func(*feed.Build) string) (list []*feed.Build, why string) {
	targets := s.targets()
	if len(targets) == 0 {
		return nil, s.anyBuild()
	}
	for _, b := range targets {
		switch no := off(b); {
		case no == "":
			list = append(list, b)
		case why == "":
			why = no
		}
	}
	switch {
	case len(list) > 0:
		return list, ""
	case len(targets) > 1:
		return nil, "none of the marked: " + why
	}
	return nil, why
}

// one is the build of an action that is about a single one.
func (s *Screen) one(off func(*feed.Build) string) (b *feed.Build, why string) {
	targets := s.targets()
	switch {
	case len(targets) == 0:
		return nil, s.anyBuild()
	case len(targets) > 1:
		return nil, fmt.Sprintf("for one build at a time, %d are marked; U takes the marks away", len(targets))
	}
	return targets[0], off(targets[0])
}

// ids names builds, each once whatever architectures there are.
func ids(list []*feed.Build) []string {
	var names []string
	for _, b := range list {
		if !slices.Contains(names, b.ID) {
			names = append(names, b.ID)
		}
	}
	return names
}

// eachJob is an action that starts a job for each of the builds that it is about: the command line
// that ends in the build's ID. Command is that of a single one; for several there is none.
func (s *Screen) eachJob(a screen.Action, off func(*feed.Build) string, words ...string) screen.Action {
	a.Off = func() string {
		_, why := s.able(off)
		return why
	}
	command := func(id string) []string { return append(slices.Clone(words), id) }
	a.Command = func() []string {
		list, _ := s.able(off)
		if names := ids(list); len(names) == 1 {
			return command(names[0])
		}
		return nil
	}
	a.Run = func() []screen.Effect {
		list, _ := s.able(off)
		effects := []screen.Effect{}
		for _, id := range ids(list) {
			effects = append(effects, s.job(command(id))...)
		}
		return effects
	}
	return a
}
