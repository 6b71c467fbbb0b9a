package builds

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
)

// The tags of dialogs and lists.
const (
	askTag    = "builds.tag"
	askDelete = "builds.delete"
	pickCopy  = "builds.copy"
	pickMake  = "builds.make"
	pickTag   = "builds.tags"
	pickUntag = "builds.untag"
)

// job starts a command that becomes a job. It never answers nil: the key was taken.
func (s *Screen) job(args []string) []screen.Effect {
	if len(args) == 0 {
		return nil
	}
	return []screen.Effect{screen.Start{Args: args, Tag: "builds." + args[0]}}
}

func (s *Screen) start(args ...string) func() []screen.Effect {
	return func() []screen.Effect { return s.job(args) }
}

// quick runs a command that answers at once and says what came of it.
func (s *Screen) quick(done string, args ...string) []screen.Effect {
	env := s.env
	return []screen.Effect{screen.Work{Do: func(ctx context.Context) screen.Event {
		if _, err := env.Query(ctx, append([]string{"--no-wait"}, args...)...); err != nil {
			text := err.Error()
			if hint := hintOf(err); hint != "" {
				text += ": " + hint
			}
			return screen.Notice{Level: screen.Bad, Text: text}
		}
		return screen.Notice{Level: screen.Good, Text: done}
	}}}
}

// open is enter: the detail of the build, a section, a log.
func (s *Screen) open() []screen.Effect {
	switch s.focus {
	case paneList:
		s.focus = paneDetail
	case paneContent:
		s.content.outline.toggle()
	case paneDetail:
		l, _ := s.detail.current()
		if log, ok := l.what.(feed.BuildLog); ok && !l.heading {
			return s.readLog(log)
		}
		s.detail.toggle()
	}
	return nil
}

// makeArgs makes the image under the cursor of the detail, else the first that is missing.
func (s *Screen) makeArgs() []string {
	b, why := s.one(s.noneMissing)
	if why != "" {
		return nil
	}
	types := s.images.missing(b)
	kind := types[0]
	if a, ok := s.artifact(); ok && slices.Contains(types, a.Type) {
		kind = a.Type
	}
	return s.images.command(kind, b.ID)
}

func (s *Screen) makeImage() []screen.Effect {
	b, _ := s.one(s.noneMissing)
	types := s.images.missing(b)
	if a, ok := s.artifact(); len(types) == 1 || ok && slices.Contains(types, a.Type) {
		return s.job(s.makeArgs())
	}
	pick := screen.Pick{Tag: pickMake + " " + b.ID, Title: "Make which image of " + b.ID}
	for _, t := range types {
		pick.Items = append(pick.Items, screen.PickItem{ID: t, Title: t, Detail: s.env.CommandLine(s.images.command(t, b.ID))})
	}
	return []screen.Effect{pick}
}

func (s *Screen) tagArgs() []string {
	b, why := s.one(never)
	if why != "" {
		return nil
	}
	return []string{"tag", "NAME", b.ID}
}

func (s *Screen) askTag() []screen.Effect {
	b, _ := s.one(never)
	return []screen.Effect{screen.Ask{
		Tag: askTag + " " + b.ID, Title: "Tag " + b.ID,
		Text: []string{"A tagged build is neither pruned nor deleted by mistake. A tag of that name that another build has moves here."},
		Fields: []screen.Field{
			{Name: "name", Title: "Tag", Kind: screen.FieldText, Check: s.checkTag},
			{Name: "description", Title: "What it is about", Kind: screen.FieldText},
		},
	}}
}

func (s *Screen) checkTag(name string) string {
	switch {
	case name == "" || strings.ContainsAny(name, " \t\n"):
		return "want a name without blanks"
	case name == "latest":
		return "that is always the newest build"
	case strings.HasPrefix(name, "-"):
		return "want a name that does not begin with -"
	case slices.ContainsFunc(s.builds.List, func(b *feed.Build) bool { return b.ID == name }):
		return "a build has that id"
	}
	return ""
}

// tagsOf are the tags of the builds that untag is about, and which build has each.
func (s *Screen) tagsOf() (tags []string, builds map[string]string) {
	list, _ := s.able(untagged)
	builds = map[string]string{}
	for _, b := range list {
		for _, t := range b.Tags {
			if builds[t] == "" {
				tags = append(tags, t)
			}
			builds[t] = b.ID
		}
	}
	return tags, builds
}

func (s *Screen) untagArgs() []string {
	tags, _ := s.tagsOf()
	if len(tags) == 0 {
		return nil
	}
	return []string{"tag", "delete", "--tag", tags[0]}
}

func (s *Screen) untag() []screen.Effect {
	tags, builds := s.tagsOf()
	if len(tags) == 1 {
		return s.quick("the tag "+tags[0]+" is gone", s.untagArgs()...)
	}
	pick := screen.Pick{Tag: pickUntag, Title: "Remove which tag"}
	for _, t := range tags {
		pick.Items = append(pick.Items, screen.PickItem{ID: t, Title: t, Detail: "of " + builds[t]})
	}
	return []screen.Effect{pick}
}

func (s *Screen) deleteArgs() []string {
	list, why := s.able(notDeletable)
	if why != "" {
		return nil
	}
	args := append([]string{"delete"}, ids(list)...)
	if slices.ContainsFunc(list, func(b *feed.Build) bool { return len(b.Tags) > 0 }) {
		args = append(args, "--force")
	}
	return args
}

func (s *Screen) askDelete() []screen.Effect {
	list, _ := s.able(notDeletable)
	names := ids(list)
	ask := screen.Ask{
		Tag: askDelete + " " + strings.Join(s.deleteArgs()[1:], " "), Title: "Delete " + names[0], Danger: true, Typed: names[0],
		Choices: []screen.Choice{{ID: "delete", Title: "Delete"}, {ID: "cancel", Title: "Cancel"}},
	}
	var disk int64
	for _, b := range list {
		disk += b.Disk
		if len(b.Tags) > 0 {
			ask.Text = append(ask.Text, b.ID+" is tagged: "+strings.Join(b.Tags, ", ")+". The tags go with it and come back with it.")
		}
	}
	if len(names) > 1 {
		ask.Title = "Delete " + widget.Count(len(names), "build", "builds")
		ask.Typed = fmt.Sprint(len(names))
		ask.Text = append(ask.Text, strings.Join(names, ", "))
	}
	if left := len(s.targets()) - len(list); left > 0 {
		ask.Text = append(ask.Text, widget.Count(left, "marked one stays: it is not here, or in work.", "marked ones stay: they are not here, or in work."))
	}
	ask.Text = append(ask.Text, long(disk)+" on disk. For a day u brings it back; then it is gone.")
	return []screen.Effect{ask}
}

// undeleteArgs bring back the deleted build of the cursor, else the last that was deleted.
func (s *Screen) undeleteArgs() []string {
	if d := s.currentDeleted(); d != nil {
		return []string{"undelete", d.ID}
	}
	if len(s.builds.Deleted) == 0 {
		return nil
	}
	return []string{"undelete", s.builds.Deleted[0].ID}
}

func (s *Screen) undelete() []screen.Effect {
	args := s.undeleteArgs()
	s.rows.wanted = "" // the cursor goes where the build is again
	if b := s.currentDeleted(); b != nil && len(b.Arches) > 0 {
		s.rows.wanted = b.ID + "/" + b.Arches[0]
	}
	return s.quick(args[1]+" is back", args...)
}

func (s *Screen) pruneCommand() []string {
	if p := s.content.prune; p != nil {
		return p.args
	}
	return []string{"prune", "--dry-run"}
}

func (s *Screen) prune() []screen.Effect {
	if p := s.content.prune; p != nil && len(p.Victims) > 0 {
		return s.confirmPrune()
	}
	return s.askPrune()
}

func (s *Screen) pickCopy() []screen.Effect {
	pick := screen.Pick{Tag: pickCopy, Title: "Copy"}
	add := func(what, text string) {
		if text != "" {
			pick.Items = append(pick.Items, screen.PickItem{ID: what + "\x00" + text, Title: what, Detail: text})
		}
	}
	b := s.current()
	if a, ok := s.artifact(); ok {
		add("path of "+a.Type, filepath.Join(s.env.WS.Dir, a.Path))
		add("checksum of "+a.Type, a.Checksum)
	}
	add("id", b.ID)
	add("path", b.Dir)
	add("commit", b.Commit)
	if b.Config != nil {
		add("commit of the config", b.Config.Commit)
	}
	for _, a := range b.Artifacts {
		add("path of "+a.Type, filepath.Join(s.env.WS.Dir, a.Path))
	}
	for _, a := range b.Artifacts {
		add("checksum of "+a.Type, a.Checksum)
	}
	return []screen.Effect{pick}
}

// tags are those of all builds.
func (s *Screen) tags() []string {
	var all []string
	for _, b := range s.builds.List {
		all = append(all, b.Tags...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *Screen) pickTag() []screen.Effect {
	pick := screen.Pick{Tag: pickTag, Title: "Show the builds with the tag"}
	for _, t := range s.tags() {
		pick.Items = append(pick.Items, screen.PickItem{ID: t, Title: t})
	}
	return []screen.Effect{pick}
}

func (s *Screen) shell() []screen.Effect {
	return []screen.Effect{screen.Exec{Argv: s.env.Argv("shell", s.current().ID), Tag: "builds.shell"}}
}
