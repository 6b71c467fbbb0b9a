package tui

import (
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/workspace/job"
	"github.com/nestos/nosa/workspace/person"
)

const manifest = "src/config/manifest.yaml"

// meets has others be here, as the feed would say.
func (d *driver) meets(others ...person.State) {
	d.t.Helper()
	d.send(frameMsg{[]screen.Event{feed.People{List: others}}})
}

// said are the notices since the last time.
func (d *driver) said() string {
	var all []string
	for _, n := range d.notices.all {
		all = append(all, n.Text)
	}
	d.notices = notices{}
	return strings.Join(all, "\n")
}

func ann() person.State {
	return person.State{
		ID: "ann1", User: "ann", Host: "h", Pid: 7, Since: time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC),
		Screen: "source", Pane: "editor", File: manifest, Line: 3, Shown: time.Date(2026, 11, 22, 11, 30, 0, 0, time.UTC),
	}
}

// alone is a workbench that does not see the real others of its workspace (there are none).
func alone(t *testing.T, w, h int) *driver {
	t.Helper()
	d := newDriver(t, Options{Dir: sample(t), Nosa: nosa(t)}, w, h)
	d.until("the first look at people", func() bool { return d.people.known })
	d.said()
	return d
}

// The header says who else is here as long as there is room.
func TestHeaderSaysWhoIsHere(t *testing.T) {
	d := alone(t, 80, 24)
	d.model.o.Dir = "/home/ada/nestos"
	bob := person.State{ID: "bob1", User: "bob", Screen: "builds", Build: "12.0"}
	edits := ann()
	edits.Unsaved = []person.Unsaved{{File: manifest}}
	follows := bob
	follows.Following = d.people.id
	self := person.State{ID: "self", User: "tester", Host: d.people.host, Pid: 9, Screen: "stages", Job: "20261122T120358Z-build-7f3a"}
	away := self
	away.ID, away.Host = "away", "far"
	header := func(w int, others ...person.State) string {
		d.meets(others...)
		d.send(tea.WindowSizeMsg{Width: w, Height: 24})
		line, _, _ := strings.Cut(d.text(), "\n")
		return strings.TrimRight(line, " ")
	}
	tabs := map[bool]string{true: "[1 Source]  2 Stages   3 Builds   4 Console", false: "[1 Source]  2   3   4"}
	for _, tt := range []struct {
		w      int
		others []person.State
		want   string
	}{
		{120, nil, " nosa (local) /home/ada/nestos"},
		{120, []person.State{ann()}, "with ann: Source manifest.yaml:3"},
		{120, []person.State{edits}, "with ann: Source manifest.yaml:3 ●"},
		{80, []person.State{ann()}, " nosa /home/ada/nestos   with ann  ["},
		{60, []person.State{ann()}, " nosa /home/ada/nestos"},
		{40, []person.State{ann()}, " nosa "},
		{120, []person.State{bob, ann()}, "with bob, ann"},
		{60, []person.State{bob, ann(), self}, "with 3 others"},
		{120, []person.State{bob}, "with bob: Builds 12.0"},
		{120, []person.State{follows}, "with bob, who follows you"},
		{120, []person.State{self}, "with tester (pid 9): Stages build since"},
		{120, []person.State{away}, "with tester@far: Stages build since"},
	} {
		got := header(tt.w, tt.others...)
		if !strings.Contains(got, tt.want) || !strings.HasSuffix(got, tabs[tt.w > 60]) || len([]rune(got)) > tt.w {
			t.Errorf("%d columns: %q, want %q", tt.w, got, tt.want)
		}
	}
}

// Who comes and goes is said, and once who else works on the file that is edited here.
func TestPeopleAreTold(t *testing.T) {
	d := alone(t, 120, 40)
	d.run(batch(d.perform(d.screen().Open(screen.Target{File: manifest}))))
	d.settle()
	at := func(tm time.Time) string { return tm.Local().Format("15:04") }
	var told []string
	next := func(others ...person.State) {
		d.meets(others...)
		told = append(told, d.said())
	}
	other := ann()
	next(other)
	d.keys("enter")
	d.types("# mine")
	told = append(told, d.said())
	next(other)
	other.Line = 9
	other.Unsaved = []person.Unsaved{{File: manifest, Since: ann().Since}}
	next(other)
	other.Line = 10
	next(other)
	other.Unsaved = []person.Unsaved{{File: "src/config/other.yaml", Since: ann().Since}}
	next(other)
	other.Unsaved = []person.Unsaved{{File: manifest, Since: ann().Shown}} // saved, and begun again
	next(other)
	next()
	want := []string{
		"ann is here, too: Source manifest.yaml:3",
		"ann has manifest.yaml open, too, since " + at(ann().Shown),
		"",
		"ann edits manifest.yaml since " + at(ann().Since) + "; it is not saved yet",
		"",
		"",
		"ann edits manifest.yaml since " + at(ann().Shown) + "; it is not saved yet",
		"ann has left",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

// What others start is told with their names, what this user has started elsewhere is not.
func TestJobsOfOthersAreTold(t *testing.T) {
	d := alone(t, 120, 40)
	began := d.clock.Add(-time.Minute)
	one := func(id, user string, state job.State) feed.Job {
		return feed.Job{Info: job.Info{ID: job.ID(id), Stage: "build", User: user}, State: state, Started: began, Ended: d.clock}
	}
	jobs := func(list ...feed.Job) string {
		d.send(frameMsg{[]screen.Event{feed.Jobs{List: list}}})
		return d.said()
	}
	jobs()
	got := []string{
		jobs(one("1", "ann", job.Running), one("2", "tester", job.Running)),
		jobs(one("1", "ann", job.Running), one("2", "tester", job.Running)),
	}
	d.want("● build of ann")
	got = append(got, jobs(one("1", "ann", job.Finished), one("2", "tester", job.Finished)))
	want := []string{"build of ann was started", "", "build of ann done in 1:00\nbuild done in 1:00"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What is looked at and edited is shown to others.
func TestIsSeen(t *testing.T) {
	d := alone(t, 120, 40)
	d.run(batch(d.perform(d.screen().Open(screen.Target{File: manifest, Line: 4}))))
	d.settle()
	d.keys("enter")
	d.types("# mine")
	d.until("to be seen", func() bool {
		list, err := person.List(d.ws.Dir)
		return err == nil && len(list) == 1 && len(list[0].Unsaved) == 1
	})
	list, err := person.List(d.ws.Dir)
	if err != nil {
		t.Fatal(err)
	}
	got := list[0]
	since := got.Unsaved[0].Since
	if got.ID != d.people.id || !got.Since.Equal(d.people.since) || since.Before(got.Shown) || got.Shown.Before(got.Since) {
		t.Errorf("%+v", got)
	}
	want := person.State{
		V: person.Version, ID: got.ID, User: "tester", Host: d.people.host, Pid: got.Pid, Since: got.Since, Screen: "source", Pane: "editor",
		File: manifest, Line: 4, Shown: got.Shown, Unsaved: []person.Unsaved{{File: manifest, Since: since}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	d.keys("esc 3")
	d.until("the other screen to be seen", func() bool {
		list, err := person.List(d.ws.Dir)
		return err == nil && len(list) == 1 && list[0].Screen == "builds" && list[0].File == "" && len(list[0].Unsaved) == 1
	})
}

// follows has ann be here and begins to follow her.
func (d *driver) follows() {
	d.t.Helper()
	d.meets(ann())
	d.keys(":")
	d.types("Follow: show")
	d.keys("enter")
	d.want("Follow", "ann: Source manifest.yaml:3")
	d.keys("enter")
	d.want("following ann: Source manifest.yaml:3 (esc ends)")
	if got := where(d.look()); got != "Source manifest.yaml:3" || d.screen().Focus() != "editor" {
		d.t.Fatalf("at %s", got)
	}
	d.said()
}

// Following shows what the other looks at; it waits while a palette is open, and ends when the other leaves.
func TestFollow(t *testing.T) {
	d := alone(t, 120, 40)
	d.follows()
	other := ann()
	other.Line = 7
	d.meets(other)
	if got := where(d.look()); got != "Source manifest.yaml:7" {
		t.Errorf("at %s", got)
	}
	other.Screen, other.Pane, other.File, other.Line = "builds", "list", "", 0
	d.meets(other)
	d.want("[3 Builds]", "following ann: Builds (esc ends)")
	d.keys(":")
	other = ann()
	other.Unsaved = []person.Unsaved{{File: manifest}}
	d.meets(other)
	d.want("[3 Builds]", "Palette")
	d.keys("esc")
	d.want("[1 Source]", "following ann: Source manifest.yaml:3 ● (esc ends)")
	if d.people.lead.id == "" || d.people.mine.Following != "ann1" {
		t.Error("esc of the palette has ended it")
	}
	d.said()
	d.meets()
	if got := d.said(); got != "ann has left: you follow nobody now" {
		t.Errorf("said %q", got)
	}
	d.wantNot("following")
	d.follows()
	bob := person.State{ID: "bob1", User: "bob", Screen: "source", Following: d.people.id}
	other.Following = "bob1"
	d.meets(other, bob)
	if got := d.said(); !strings.Contains(got, "you cannot follow each other") || d.people.lead.id != "" {
		t.Errorf("said %q", got)
	}
}

// What the user does himself ends the following, what only shows something does not.
func TestFollowEnds(t *testing.T) {
	d := alone(t, 120, 40)
	for _, tt := range []struct {
		name string
		do   func()
		ends bool
	}{
		{"zoom", func() { d.keys("z z") }, false},
		{"help", func() { d.keys("? esc") }, false},
		{"redraw", func() { d.keys("ctrl+l") }, false},
		{"esc", func() { d.keys("esc") }, true},
		{"a motion", func() { d.keys("j") }, true},
		{"a screen", func() { d.keys("2") }, true},
		{"a pane", func() { d.keys("tab") }, true},
		{"typing", func() { d.keys("enter") }, true},
		{"ctrl+c", func() { d.keys("ctrl+c") }, true},
		{"a paste", func() { d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("x"), Paste: true}) }, true},
		{"a click", func() { d.send(term.Mouse{Kind: term.Press, Button: 1, X: 50, Y: 5}) }, true},
		{"the wheel", func() { d.send(term.Mouse{Kind: term.WheelDown, Lines: 1, X: 50, Y: 5}) }, false},
		{"a file", func() {
			d.keys("@")
			d.types("image.yaml")
			d.keys("enter")
		}, true},
		{"the action", func() {
			d.keys(":")
			d.types("Follow: show")
			d.keys("enter")
		}, true},
	} {
		d.keys("esc esc")
		d.follows()
		tt.do()
		ended := d.people.lead.id == ""
		if said := strings.Contains(d.said(), "you no longer follow ann"); said != tt.ends || ended != tt.ends {
			t.Errorf("%s: ended %v, said %v", tt.name, ended, said)
		}
		d.ownWay()
	}
	at := where(d.look())
	other := ann()
	other.Screen, other.File = "builds", ""
	d.meets(other)
	if got := where(d.look()); got != at {
		t.Errorf("led away to %s", got)
	}
}

// The list of people goes where somebody is.
func TestPeopleList(t *testing.T) {
	d := alone(t, 120, 40)
	d.keys(":")
	d.types("People")
	d.want("nobody else is here")
	d.keys("esc")
	other := ann()
	other.Unsaved, other.Following = []person.Unsaved{{File: "src/config/x"}}, d.people.id
	d.meets(person.State{ID: "bob1", User: "bob", Screen: "builds", Host: d.people.host}, other)
	d.keys(":")
	d.types("People")
	d.keys("enter")
	d.want("bob: Builds", "ann: Source manifest.yaml:3", "on h, 1 not saved, follows you")
	d.types("ann")
	d.keys("enter")
	if got := where(d.look()); got != "Source manifest.yaml:3" {
		t.Errorf("at %s", got)
	}
}

// Whom --follow names is looked for before the terminal is taken.
func TestFindLead(t *testing.T) {
	dir := t.TempDir()
	find := func(name string) string {
		l, err := findLead(Options{Dir: dir, Follow: name})
		if err != nil {
			return err.Error()
		}
		return l.id
	}
	if got := find("bob"); got != "--follow bob: nobody has a workbench open in "+dir {
		t.Error(got)
	}
	for _, id := range []string{"1", "2"} {
		seat, err := person.Sit(dir, id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(seat.Leave)
		st := ann()
		st.Since = st.Since.Add(time.Duration(len(id)) * time.Minute)
		if err := seat.Show(st); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{find(""), find("Ann"), find("1")}
	if diff := cmp.Diff([]string{"", "2", "1"}, got); diff != "" {
		t.Error(diff)
	}
	if got := find("bob"); !strings.HasPrefix(got, "--follow bob: nobody of that name is here; there are ann (Source manifest.yaml:3, since ") {
		t.Error(got)
	}
}
