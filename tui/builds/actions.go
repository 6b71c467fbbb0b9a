package builds

import (
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/logpane"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// table is the one table of what can be done here.
func (s *Screen) table() []screen.Action {
	return slices.Concat(s.lookActions(), s.changeActions(), s.listActions(), s.content.log.Actions(logpane.Options{
		ID: "builds.log.", Pane: paneLog, None: "no log is open; L opens one", Focus: func() { s.focus = paneLog },
	}))
}

// lookActions change nothing.
func (s *Screen) lookActions() []screen.Action {
	return []screen.Action{
		{ID: "builds.open", Title: "Open: details, a section, a log", Short: "open", Keys: []string{"enter"}, Off: s.anyRow, Run: s.open},
		{
			ID: "builds.compare", Title: "Compare the two marked builds, or with the build before", Short: "diff", Keys: []string{"d"},
			Off: func() string { _, _, why := s.pair(); return why },
			Command: func() []string {
				from, to, why := s.pair()
				if why != "" {
					return nil
				}
				return diffArgs(from, to)
			},
			Run: s.compare,
		},
		{ID: "builds.log", Title: "Show the log of the job that made it", Short: "log", Keys: []string{"L"}, Off: s.logOff, Run: s.showLog},
		{ID: "builds.metadata", Title: "Show its metadata as JSON", Keys: []string{"I"}, Off: s.here, Command: s.of("meta", "--dump", "--build"), Run: s.showMetadata},
		{ID: "builds.config", Title: "Show the config it was built from, and what changed there since", Keys: []string{"o"}, Off: s.configOff, Run: s.showConfig},
		{ID: "builds.shell", Title: "Open a shell in its tree", Short: "shell", Keys: []string{"!"}, Off: s.archive, Command: s.of("shell"), Run: s.shell},
		{ID: "builds.copy", Title: "Copy its path, id, checksum or commit", Short: "copy", Keys: []string{"y"}, Off: s.anyBuild, Run: s.pickCopy},
		{ID: "builds.build", Title: "Build", Keys: []string{"b"}, Command: func() []string { return []string{"build"} }, Run: s.start("build")},
	}
}

// changeActions change builds.
func (s *Screen) changeActions() []screen.Action {
	return []screen.Action{
		{ID: "builds.check", Title: "Boot it and check", Short: "check", Keys: []string{"B"}, Off: s.checkOff, Command: s.checkArgs, Run: func() []screen.Effect { return s.job(s.checkArgs()) }},
		{ID: "builds.boot", Title: "Boot it and be on its console: how is asked", Short: "run", Keys: []string{"r"}, Off: s.bootOff, Command: s.bootArgs, Run: func() []screen.Effect { return s.boot(true) }},
		{ID: "builds.boot-again", Title: "Boot it at once, as one was booted last", Keys: []string{"R"}, Off: s.bootOff, Command: s.bootArgs, Run: func() []screen.Effect { return s.boot(false) }},
		s.eachJob(screen.Action{ID: "builds.verify", Title: "Verify the files against the record", Short: "verify", Keys: []string{"v"}}, unhealthy, "verify", "--build"),
		{ID: "builds.make", Title: "Make a missing image", Short: "make", Keys: []string{"m"}, Off: s.makeOff, Command: s.makeArgs, Run: s.makeImage},
		{ID: "builds.tag", Title: "Give it a tag, which keeps it", Short: "tag", Keys: []string{"t"}, Off: s.tagOff, Command: s.tagArgs, Run: s.askTag},
		{ID: "builds.untag", Title: "Remove a tag", Keys: []string{"T"}, Off: s.untagOff, Command: s.untagArgs, Run: s.untag},
		s.eachJob(screen.Action{ID: "builds.compress", Title: "Compress the images", Keys: []string{"c"}}, notCompressible, "compress", "--build"),
		s.eachJob(screen.Action{ID: "builds.decompress", Title: "Decompress the images", Keys: []string{"C"}}, notCompressed, "decompress", "--build"),
		{ID: "builds.delete", Title: "Delete it; for a day it can be had back", Short: "delete", Keys: []string{"D"}, Off: s.deleteOff, Command: s.deleteArgs, Run: s.askDelete},
		{ID: "builds.undelete", Title: "Bring the last deleted build back, or the one selected", Short: "undo", Keys: []string{"u"}, Off: s.undeleteOff, Command: s.undeleteArgs, Run: s.undelete},
		{ID: "builds.prune", Title: "Prune: remove old builds, after a look at what would go", Short: "prune", Keys: []string{"P"}, Command: s.pruneCommand, Run: s.prune},
	}
}

// listActions are about what is shown and how.
func (s *Screen) listActions() []screen.Action {
	return []screen.Action{
		{ID: "builds.mark", Title: "Mark, or take the mark away", Short: "mark", Keys: []string{"space"}, Pane: paneList, Off: s.anyBuild, Run: func() []screen.Effect {
			s.list.ToggleMark()
			s.selected()
			return nil
		}},
		{ID: "builds.unmark", Title: "Take all marks away", Keys: []string{"U"}, Off: func() string {
			if len(s.list.Marks()) == 0 {
				return "nothing is marked"
			}
			return ""
		}, Run: func() []screen.Effect {
			s.list.SetMarks(nil)
			return nil
		}},
		{ID: "builds.filter", Title: "Filter", Short: "filter", Keys: []string{"/"}, Run: func() []screen.Effect {
			s.focused().StartFilter()
			return nil
		}},
		{ID: "builds.tags", Title: "Show only the builds with a tag", Keys: []string{"#"}, Off: s.tagsOff, Run: s.pickTag},
		{ID: "builds.sort", Title: "Sort by the next column", Keys: []string{"s"}, Pane: paneList, Run: func() []screen.Effect {
			s.list.SortNext()
			return nil
		}},
		{ID: "builds.reverse", Title: "Turn the order round", Keys: []string{"S"}, Pane: paneList, Off: func() string {
			if s.list.Order().Column == 0 {
				return "sort by a column first: s"
			}
			return ""
		}, Run: func() []screen.Effect {
			s.list.Reverse()
			return nil
		}},
		{ID: "builds.fold", Title: "Fold or unfold all sections", Keys: []string{"Z"}, Run: func() []screen.Effect {
			if s.focus == paneContent {
				s.content.outline.foldAll()
			} else {
				s.detail.foldAll()
			}
			return nil
		}},
	}
}

// focused is the table of the pane that has the keys.
func (s *Screen) focused() *widget.Table {
	switch s.focus {
	case paneDetail:
		return &s.detail.table
	case paneContent:
		return &s.content.outline.table
	}
	return &s.list
}

// current is the build of the cursor; nil when it is on none.
func (s *Screen) current() *feed.Build {
	i, ok := s.list.Current()
	if !ok {
		return nil
	}
	return s.rows.list[i].build
}

func (s *Screen) currentDeleted() *workspace.Deleted {
	i, ok := s.list.Current()
	if !ok {
		return nil
	}
	return s.rows.list[i].deleted
}

// of gives the command line that ends in the current build's ID.
func (s *Screen) of(words ...string) func() []string {
	return func() []string { return s.withBuild(words...) }
}

func (s *Screen) withBuild(words ...string) []string {
	b := s.current()
	if b == nil {
		return nil
	}
	return append(strings.Fields(strings.Join(words, " ")), b.ID)
}
