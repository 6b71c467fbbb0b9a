package tui

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/person"
)

// showEvery is the least time between two states that are shown to others.
const showEvery = 500 * time.Millisecond

// people is who else works here, and what this workbench shows to them.
type people struct {
	id      string    // of this workbench
	host    string    // its name
	since   time.Time // when it was started
	others  []person.State
	known   bool // who is here was read
	mine    person.State
	unsaved map[string]time.Time // since when
	told    map[string]bool      // notices of the same file that were given
	out     chan person.State    // to the goroutine that shows it; holds the latest only
	lead    lead
}

func newPeople(now time.Time) people {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return people{
		id: person.NewID(), host: host, since: now.UTC(), unsaved: map[string]time.Time{}, told: map[string]bool{},
		out: make(chan person.State, 1),
	}
}

// shower is a screen whose Chosen is not what the user looks at.
type shower interface{ Shows() screen.Target }

// writer is a screen on which files are written.
type writer interface{ Unsaved() []string }

// meet shows this workbench to others and follows who else is there.
func (m *model) meet() {
	ws, id, out := m.ws, m.people.id, m.people.out
	m.works.follow(screen.Follow{Key: "tui.seat", Do: func(ctx context.Context, post func(screen.Event)) {
		if err := showSelf(ctx, ws.Dir, id, out); err != nil {
			post(screen.Notice{Level: screen.Warn, Text: err.Error()})
		}
	}})
	m.works.follow(screen.Follow{Key: "feed.people", Do: func(ctx context.Context, post func(screen.Event)) {
		followOthers(ctx, ws, id, post)
	}})
}

// followOthers posts who is here but this workbench itself.
func followOthers(ctx context.Context, ws *workspace.Workspace, id string, post func(screen.Event)) {
	posted, last := false, feed.People{}
	feed.FollowPeople(ctx, ws, func(e any) {
		all, ok := e.(feed.People)
		if !ok {
			return
		}
		var others feed.People
		for _, p := range all.List {
			if p.ID != id {
				others.List = append(others.List, p)
			}
		}
		if posted && reflect.DeepEqual(others, last) {
			return // it is this one that has changed
		}
		posted, last = true, others
		post(others)
	})
}

// showSelf shows the states that come out, not too many, until ctx ends.
func showSelf(ctx context.Context, dir, id string, out <-chan person.State) error {
	seat, err := person.Sit(dir, id)
	if err != nil {
		return err
	}
	defer seat.Leave()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case st := <-out:
			if err := seat.Show(st); err != nil {
				return err
			}
		}
		pause.Reset(showEvery)
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// look is what the user looks at now.
func (m *model) look() person.State {
	p := &m.people
	s := m.screen()
	st := person.State{
		User: m.o.User, Host: p.host, Since: p.since, Screen: string(s.Name()), Pane: s.Focus(), Following: p.lead.id,
	}
	var t screen.Target
	if from, ok := s.(shower); ok {
		t = from.Shows()
	} else if from, ok := s.(chooser); ok {
		t = from.Chosen()
	}
	st.File, st.Line, st.Build, st.Job, st.VM = t.File, t.Line, t.Build, t.Job, t.Machine
	if st.File != "" {
		if st.Shown = p.mine.Shown; st.File != p.mine.File {
			st.Shown = m.o.now().UTC()
		}
	}
	for _, s := range m.screens {
		if w, ok := s.(writer); ok {
			st.Unsaved = append(st.Unsaved, p.sinceWhen(w.Unsaved(), m.o.now())...)
		}
	}
	return st
}

// sinceWhen adds to files with unsaved text since when they have it.
func (p *people) sinceWhen(files []string, now time.Time) []person.Unsaved {
	for file := range p.unsaved {
		if !slices.Contains(files, file) {
			delete(p.unsaved, file)
		}
	}
	var list []person.Unsaved
	for _, file := range files {
		if p.unsaved[file].IsZero() {
			p.unsaved[file] = now.UTC()
		}
		list = append(list, person.Unsaved{File: file, Since: p.unsaved[file]})
	}
	return list
}

// beSeen shows others what has changed of what the user looks at, and says which of it they edit, too.
func (m *model) beSeen() {
	if m.ws == nil {
		return
	}
	now := m.look()
	if reflect.DeepEqual(now, m.people.mine) {
		return
	}
	m.people.mine = now
	select {
	case <-m.people.out: // it was not the latest any more
	default:
	}
	m.people.out <- now
	m.sayShared()
}

// peopleChanged takes who else is here, and says who has come and gone.
func (m *model) peopleChanged(now feed.People) {
	p := &m.people
	was := p.others
	p.others, p.known = now.List, true
	here := func(list []person.State, id string) bool {
		return slices.ContainsFunc(list, func(st person.State) bool { return st.ID == id })
	}
	for _, st := range was {
		if !here(now.List, st.ID) && st.ID != p.lead.id {
			m.notices.add(screen.Notice{Text: m.whoAmong(was, st) + " has left"}, m.o.now())
		}
	}
	for _, st := range now.List {
		if !here(was, st.ID) {
			m.notices.add(screen.Notice{Text: m.who(st) + " is here, too: " + where(st)}, m.o.now())
		}
	}
	m.sayShared()
}

// sayShared says, once each, which file that is shown or edited here somebody else edits, or shows while it is edited here.
func (m *model) sayShared() {
	p := &m.people
	for _, st := range p.others {
		for _, u := range st.Unsaved {
			if u.File == p.mine.File || p.mine.Edits(u.File) {
				m.sayOnce("edits "+st.ID+" "+u.File+" "+u.Since.String(), screen.Notice{
					Level: screen.Warn, Text: m.who(st) + " edits " + filepath.Base(u.File) + " since " + hour(u.Since) + "; it is not saved yet",
				})
			}
		}
		if p.mine.Edits(st.File) && !st.Edits(st.File) {
			m.sayOnce("shows "+st.ID+" "+st.File+" "+p.unsaved[st.File].String(), screen.Notice{
				Text: m.who(st) + " has " + filepath.Base(st.File) + " open, too, since " + hour(st.Shown),
			})
		}
	}
}

// sayOnce says something that was not said before.
func (m *model) sayOnce(key string, n screen.Notice) {
	if !m.people.told[key] {
		m.people.told[key] = true
		m.notices.add(n, m.o.now())
	}
}

func hour(t time.Time) string { return t.Local().Format("15:04") }

// who is what somebody else is called: with where he is when another here has the same name.
func (m *model) who(st person.State) string { return m.whoAmong(m.people.others, st) }

func (m *model) whoAmong(list []person.State, st person.State) string {
	same := func(other person.State) bool { return other.User == st.User && other.ID != st.ID }
	if st.User != m.o.User && !slices.ContainsFunc(list, same) {
		return st.User
	}
	if st.Host != m.people.host {
		return st.User + "@" + st.Host
	}
	return st.User + " (pid " + strconv.Itoa(st.Pid) + ")"
}

// stageOf names a job by its stage, and who started it where that is somebody else.
func (m *model) stageOf(j feed.Job) string {
	if user := person.Clean(j.Info.User); user != "" && user != m.o.User {
		return j.Info.Stage + " of " + user
	}
	return j.Info.Stage
}

// where says what somebody looks at: "Source manifest.yaml:12".
func where(st person.State) string {
	name := map[screen.Name]string{screen.Source: "Source", screen.Stages: "Stages", screen.Builds: "Builds", screen.Console: "Console"}[screen.Name(st.Screen)]
	if name == "" {
		name = st.Screen
	}
	switch {
	case st.File != "":
		name += " " + filepath.Base(st.File)
		if st.Line > 0 {
			name += ":" + strconv.Itoa(st.Line)
		}
	case st.VM != "":
		name += " " + st.VM
	case st.Job != "":
		text, _, _ := strings.Cut(job.Describe(st.Job), " (")
		name += " " + text
	case st.Build != "":
		name += " " + st.Build
	}
	return name
}
