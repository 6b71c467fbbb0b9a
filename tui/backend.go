package tui

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/workspace/event"
)

// The backends that can be asked for, as nosa's --backend knows them.
const (
	backendAuto  = "auto"
	backendLocal = "local"
)

// backendChoices are all of them, in the order in which they are offered.
func backendChoices() []string { return []string{backendAuto, backendLocal, "podman", "docker"} }

// What nosa backend says of the image, where not all is well.
const (
	imageStale   = "stale"
	imageMissing = "missing"
)

// backendSays is what nosa backend says of a choice. It is an Event. Engines have written parts of it: all of it is cleaned.
type backendSays struct {
	Choice     string `json:"-"`       // what was asked about
	Backend    string `json:"backend"` // where programs run by that choice; "" is nowhere, and Error says why
	Why        string `json:"why"`
	Engine     string `json:"engine"` // that answers, used or not
	Version    string `json:"version"`
	Rootless   bool   `json:"rootless"`
	Image      string `json:"image"`
	ImageState string `json:"image_state"`
	Error      string `json:"error"`
}

// label is where programs run, in a word or two: "podman rootless".
func (s *backendSays) label() string {
	switch {
	case s.Backend == "":
		return "no backend"
	case s.Rootless && s.Backend != backendLocal:
		return s.Backend + " rootless"
	}
	return s.Backend
}

// wantsImage says if the choice takes an image that is not there, or is not what it should be.
func (s *backendSays) wantsImage() bool {
	switch s.ImageState {
	case imageMissing:
		return s.Engine != "" && s.Backend == "" // else there is another way, and it was asked for
	case imageStale:
		return s.Engine != "" && s.Backend == s.Engine
	}
	return false
}

// backends is where the programs of what this workbench starts run. What runs already is not touched.
type backends struct {
	choice string                 // of backendChoices
	usual  string                 // what nosa does without being told: NOSA_BACKEND, else auto
	given  bool                   // said for this run: the workspace's own does not count
	kept   string                 // what is remembered for the workspace; "" is nothing
	base   string                 // of the image that was made last; "" is the usual
	image  string                 // --image; "" is nosa's own
	inside bool                   // this is nosa's container: everything is local
	says   map[string]backendSays // by choice
	picked bool                   // the user has just chosen, and is told what comes of it
	told   string                 // the trouble that was told last
	asked  time.Time              // when it was asked about last
	at     canvas.Rect            // of it in the header
}

func newBackends(o Options) backends {
	usual := cmp.Or(o.Env("NOSA_BACKEND"), backendAuto)
	return backends{
		choice: cmp.Or(o.Backend, usual), usual: usual, given: o.Backend != "" || o.Env("NOSA_BACKEND") != "", image: o.Image,
		inside: o.Env("NOSA_IN_CONTAINER") != "", says: map[string]backendSays{},
	}
}

// flags are those that every nosa gets.
func (b *backends) flags() []string {
	var list []string
	if b.choice != b.usual {
		list = append(list, "--backend", b.choice)
	}
	if b.image != "" {
		list = append(list, "--image", b.image)
	}
	return list
}

// setBackend makes a choice that counts for what is started from now on.
func (m *model) setBackend(choice string) {
	m.where.choice = choice
	flags := m.where.flags()
	m.commands.globals.Store(&flags)
}

// remembered takes what an earlier session has chosen, unless this one was told.
func (m *model) remembered(choice, base string) {
	m.where.base = base
	if slices.Contains(backendChoices(), choice) {
		m.where.kept = choice
		if !m.where.given {
			m.setBackend(choice)
		}
	}
}

// backendWait is how long an engine may take for an answer.
const backendWait = 20 * time.Second

// askBackend asks where a choice leads, beside what else goes on.
func (m *model) askBackend(choice string, after time.Duration) tea.Cmd {
	m.where.asked = m.o.now()
	ask := m.o.askBackend
	if ask == nil {
		env := m.env()
		ask = func(ctx context.Context, choice string) backendSays { return queryBackend(ctx, env, choice) }
	}
	return m.works.do(screen.Work{Key: "tui.backend " + choice, After: after, Do: func(ctx context.Context) screen.Event {
		ctx, stop := context.WithTimeout(ctx, backendWait)
		defer stop()
		s := ask(ctx, choice)
		s.Choice = choice
		return s
	}})
}

// queryBackend asks nosa. That there is nowhere to run is an answer, too.
func queryBackend(ctx context.Context, env screen.Env, choice string) backendSays {
	out, err := env.Query(ctx, "--backend", choice, "backend")
	return readBackend(out, err)
}

// readBackend reads an answer; err is how the command ended.
func readBackend(out []byte, err error) backendSays {
	var s backendSays
	if json.Unmarshal(out, &s) != nil || s.Backend == "" && s.Error == "" {
		s = backendSays{Error: "nosa backend gave no answer"}
		if err != nil {
			s.Error = err.Error()
		}
	}
	for _, text := range []*string{&s.Backend, &s.Why, &s.Engine, &s.Version, &s.Image, &s.ImageState, &s.Error} {
		*text = oneLine(*text)
	}
	if s.Error != "" {
		s.Backend = ""
	}
	return s
}

// oneLine is a text without its line breaks and what a terminal would obey.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(event.Clean(line)); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// backendAnswered takes an answer, and tells what is wrong once, or what came of a choice.
func (m *model) backendAnswered(s backendSays) []tea.Cmd {
	b := &m.where
	b.says[s.Choice] = s
	for _, o := range m.overlays {
		if p, ok := o.(*palette); ok && p.live {
			p.refresh()
		}
	}
	if s.Choice != b.choice {
		return nil
	}
	picked, trouble, where := b.picked, m.backendTrouble(&s), "by "+s.label()
	if s.Backend == backendLocal {
		where = "on this machine"
	}
	b.picked = false
	switch {
	case trouble != "" && (picked || trouble != b.told):
		m.notices.add(screen.Notice{Level: screen.Warn, Text: trouble}, m.o.now())
	case trouble == "" && picked:
		m.notices.add(screen.Notice{Level: screen.Good, Text: "what is started from now on runs " + where + ": " + s.Why}, m.o.now())
	}
	b.told = trouble
	if picked && s.wantsImage() && len(m.overlays) == 0 && m.raw() == nil && m.imageOff() == "" {
		m.askImage()
	}
	return nil
}

// backendTrouble is what is wrong with where programs run, and what to do; "" is nothing.
func (m *model) backendTrouble(s *backendSays) string {
	if why := s.imageLacks(); why != "" {
		return why + ": " + imageTitle + " in the palette makes it"
	}
	return s.Error
}

// imageLacks is what is wrong with the image that the choice takes; "" is nothing.
func (s *backendSays) imageLacks() string {
	switch {
	case !s.wantsImage():
		return ""
	case s.ImageState == imageStale:
		return "the image " + s.Image + " was made from other lists of programs than this nosa has"
	}
	return s.Engine + " has no image " + s.Image
}

// backendAgain asks anew after what may have changed it.
func (m *model) backendAgain() []tea.Cmd {
	if m.ws == nil || m.w == 0 {
		return nil
	}
	return []tea.Cmd{m.askBackend(m.where.choice, 0)}
}

// backendOld is the age of an answer that is asked for anew when the user comes back.
const backendOld = 30 * time.Second

// backendBack asks anew when the user comes back from where an image may have been made.
func (m *model) backendBack() []tea.Cmd {
	if m.o.now().Sub(m.where.asked) < backendOld {
		return nil
	}
	return m.backendAgain()
}

// changesBackend says if the end of a job may have changed where programs run.
func changesBackend(j *feed.Job) bool {
	return j.Info.Stage == stageImage || j.Fail != nil && j.Fail.Code == exitMissing
}

// exitMissing is the exit code of a command that has nowhere to run, or lacks a program.
const exitMissing = 12

// drawBackend says in the header, from column x on, where programs run, as long as left columns for the path are
// left before right. It gives the column after it.
func (m *model) drawBackend(a canvas.Area, x, right int) int {
	m.where.at = canvas.Rect{}
	texts, role := m.backendTexts()
	left := min(leastPath, canvas.Width(shortPath(m.o.Dir, m.o.home)))
	for _, text := range texts {
		if w := canvas.Width(text); x+w+left+2 <= right {
			m.where.at = canvas.Rect{X: x, W: w, H: 1}
			return a.Put(x, 0, text, m.theme.Style(role)) + 1
		}
	}
	return x
}

// backendTexts is what the header can say of it, the longest first; none while nothing is known.
func (m *model) backendTexts() ([]string, theme.Role) {
	b := &m.where
	s, known := b.says[b.choice]
	if !known {
		if b.choice == backendAuto {
			return nil, ""
		}
		return []string{"(" + b.choice + ")"}, theme.Muted
	}
	sign, role := "", theme.Muted
	if s.wantsImage() || s.Error != "" {
		sign, role = " "+m.theme.Glyphs.Warn, theme.Warning
	}
	texts := []string{"(" + s.label() + sign + ")"}
	if short := cmp.Or(s.Backend, "none"); short != s.label() {
		texts = append(texts, "("+short+sign+")")
	}
	return texts, role
}
