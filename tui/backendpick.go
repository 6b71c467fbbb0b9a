package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/widget"
)

// The job that makes the image, as nosa calls it, and what its dialog and its start are known by.
const (
	stageImage = "image"
	tagImage   = "tui.image"
	imageTitle = "Build the container image"
)

// backendActions is what can be done about where programs run.
func (m *model) backendActions() []screen.Action {
	return []screen.Action{
		{ID: "app.backend", Title: "Backend: where builds run, and why", Keys: []string{"H"}, Off: m.backendOff, Command: func() []string { return []string{"backend"} }, Run: m.pickBackend},
		{ID: "app.image", Title: imageTitle, Off: m.imageOff, Command: func() []string { return m.imageArgs(nil) }, Run: m.do(m.askImage)},
	}
}

func (m *model) backendOff() string {
	switch {
	case m.ws == nil:
		return "there is no workspace yet"
	case m.where.inside:
		return "this is nosa's container: everything runs in it"
	}
	return ""
}

// imageOff is why no image can be made now.
func (m *model) imageOff() string {
	if why := m.backendOff(); why != "" {
		return why
	}
	s, known := m.where.says[m.where.choice]
	switch {
	case strings.HasPrefix(s.Image, rootfsImage):
		return s.Image + " is a directory, not an image"
	case known && s.Engine == "" && s.Choice != backendLocal:
		return "no engine: " + cmp.Or(s.Error, s.Why)
	case slices.ContainsFunc(m.jobs.Running(), func(j feed.Job) bool { return j.Info.Stage == stageImage }):
		return "it is being built"
	}
	return ""
}

// rootfsImage begins what nosa takes for a directory in place of an image.
const rootfsImage = "rootfs:"

// pickBackend offers the backends, with how each stands: what is not known yet comes while the list is open.
func (m *model) pickBackend() []screen.Effect {
	p := &palette{m: m, title: "Backend", keys: "enter choose   esc close", input: widget.NewInput("> ", ""), live: true}
	p.reload = func(filter string) ([]entry, string) { return m.backendEntries(), filter }
	p.filter()
	p.at = max(slices.Index(backendChoices(), m.where.choice), 0)
	m.open(p)
	for _, choice := range backendChoices() {
		m.extra = append(m.extra, m.askBackend(choice, 0))
	}
	return nil
}

// backendEntries are the lines of that list.
func (m *model) backendEntries() []entry {
	var out []entry
	for _, choice := range backendChoices() {
		s, known := m.where.says[choice]
		e := entry{title: fmt.Sprintf("%-6s", choice), detail: m.backendState(&s), note: cmp.Or(s.Error, s.Why), choose: func() []tea.Cmd { return m.chooseBackend(choice) }}
		switch {
		case !known:
			e.detail = "asking" + m.theme.Glyphs.Ellipsis
		case choice != backendAuto && choice != backendLocal && s.Engine == "":
			e.off = s.Error
		}
		if choice == m.where.choice {
			e.keys = "chosen"
		}
		out = append(out, e)
	}
	return out
}

// backendState is how a choice stands, in a few words.
func (m *model) backendState(s *backendSays) string {
	switch {
	case s.Choice == backendLocal:
		return "this machine"
	case s.Choice == backendAuto && s.Backend == "":
		return "neither a container nor this machine is ready"
	case s.Choice == backendAuto:
		return m.theme.Glyphs.Arrow + " " + s.label()
	}
	parts := []string{cmp.Or(s.Version, "?")}
	if s.Rootless {
		parts = append(parts, "rootless")
	}
	switch s.ImageState {
	case imageMissing:
		parts = append(parts, "no image yet")
	case imageStale:
		parts = append(parts, "its image is old")
	}
	return strings.Join(parts, ", ")
}

// chooseBackend takes a backend for what is started from now on, and keeps it for the workspace.
func (m *model) chooseBackend(choice string) []tea.Cmd {
	m.setBackend(choice)
	m.where.kept, m.where.picked = choice, true
	return append(m.backendAgain(), m.keepSession())
}

// imageBase is an image to begin with.
type imageBase struct{ title, ref string }

// imageBases are those that are offered; the first is the Containerfile's own, the last what nosa image base makes.
func imageBases() []imageBase {
	return []imageBase{
		{"openEuler 24.03 LTS", ""},
		{"Fedora 35", "registry.fedoraproject.org/fedora:35"},
		{"Debian 12", "docker.io/library/debian:12"},
		{"local Debian 12", "localhost/nosa-base:bookworm"},
	}
}

// askImage asks from what the image is to be made.
func (m *model) askImage() {
	var titles []string
	value, other := imageBases()[0].title, m.where.base
	for _, b := range imageBases() {
		titles = append(titles, b.title)
		if b.ref == m.where.base {
			value, other = b.title, ""
		}
	}
	var text []string
	if s := m.where.says[m.where.choice]; s.wantsImage() {
		text = []string{s.imageLacks() + "."}
	}
	m.ask(screen.Ask{
		Tag: tagImage, Title: imageTitle, Text: append(text, "The first time takes minutes and some hundred MiB from the network. The job goes on when the workbench is left."),
		Fields: []screen.Field{
			{Name: "base", Title: "Base", Kind: screen.FieldChoice, Options: titles, Value: value, Help: "the local one takes no registry; Make local base makes it first"},
			{Name: "other", Title: "Other base", Kind: screen.FieldText, Value: other, Help: "an image of openEuler, Fedora with dnf 4, or Debian, in place of that", Check: oneWord},
			{Name: "repo", Title: "Repositories", Kind: screen.FieldText, Help: "path of a .repo, .list or .sources file in place of the base's own; Fedora 35 needs one"},
		},
		Choices: []screen.Choice{{ID: "build", Title: "Build"}, {ID: "base", Title: "Make local base"}, {ID: "copy", Title: "Copy command"}, {ID: "cancel", Title: "Cancel"}},
	})
}

func oneWord(value string) string {
	if strings.ContainsAny(strings.TrimSpace(value), " \t") || strings.HasPrefix(strings.TrimSpace(value), "-") {
		return "want the name of an image"
	}
	return ""
}

// imageArgs is the command that the filled-in form stands for.
func (m *model) imageArgs(values map[string]string) []string {
	args := []string{"image", "build"}
	base := strings.TrimSpace(values["other"])
	for _, b := range imageBases() {
		if base == "" && b.title == values["base"] {
			base = b.ref
		}
	}
	if base != "" {
		args = append(args, "--base", base)
	}
	if repo := strings.TrimSpace(values["repo"]); repo != "" {
		args = append(args, "--repo", repo)
	}
	if m.where.image != "" {
		args = append(args, "--tag", m.where.image)
	}
	return args
}

// imageAnswered starts what was asked for.
func (m *model) imageAnswered(a screen.Answer) []tea.Cmd {
	args := m.imageArgs(a.Values)
	switch a.Choice {
	case "build":
		if i := slices.Index(args, "--base"); i >= 0 {
			m.where.base = args[i+1]
		} else {
			m.where.base = ""
		}
		return []tea.Cmd{m.start(screen.Start{Args: args, Tag: tagImage}), m.keepSession()}
	case "base":
		return []tea.Cmd{m.start(screen.Start{Args: []string{"image", "base"}, Tag: tagImage})}
	case "copy":
		return []tea.Cmd{m.copy(screen.Copy{Text: m.commands.line(args), What: "the command"})}
	}
	return nil
}

// imageStarted shows the job.
func (m *model) imageStarted(e screen.Started) []tea.Cmd {
	if e.Tag != tagImage || e.Job == "" {
		return nil
	}
	return m.goTo(screen.Go{Screen: screen.Stages, Target: screen.Target{Job: e.Job}})
}
