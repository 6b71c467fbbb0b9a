package builds

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
)

// selected shows the detail of the build of the cursor.
func (s *Screen) selected() {
	b := s.current()
	if b == s.shown && b != nil {
		return
	}
	if b == nil || s.shown == nil || b.Key() != s.shown.Key() {
		s.detail.table.SetFilter("")
		s.detail.table.MoveTo(0)
	}
	s.shown = b
	switch d := s.currentDeleted(); {
	case b != nil:
		s.detail.set(s.detailLines(b))
	case d != nil:
		s.detail.set(deletedLines(d))
	default:
		s.detail.set([]line{{name: "What is in a build stands here:"}, {name: "artifacts, checks, changes, logs."}})
	}
	if s.content.kind == contentChanges {
		s.showChanges()
	}
}

func field(name, text string) line {
	return line{name: name, text: text, textAs: theme.Text, role: theme.Muted}
}

func deletedLines(d *workspace.Deleted) []line {
	lines := []line{
		field("Build", d.ID), field("Deleted", workspace.Timestamp(d.Deleted)), field("Until", workspace.Timestamp(d.Expires)),
		field("On disk", long(d.Bytes)),
	}
	for _, t := range d.Tags {
		lines = append(lines, field("Tag", t.Name))
	}
	return append(lines, line{name: "u brings it back until then."})
}

// again shows the detail once more: what is known beside the build has changed.
func (s *Screen) again() {
	if b := s.current(); b != nil && b == s.shown {
		s.detail.set(s.detailLines(b))
	}
}

// takeHistory takes how long steps took in the past.
func (s *Screen) takeHistory(h workspace.History) {
	if n := len(h); n == len(s.history) && (n == 0 || h[n-1] == s.history[n-1]) {
		return
	}
	s.history = h
	s.again()
}

// detailLines is all that is known of a build.
func (s *Screen) detailLines(b *feed.Build) []line {
	lines := []line{field("Build", strings.Join(append([]string{b.ID, b.Arch}, marksOf(b)...), "  "))}
	switch {
	case b.Problem != "":
		return append(lines, problemLines(b, s.wrapAt(paneDetail))...)
	case !b.Local:
		return append(lines, line{name: "Its files are not here: only the index has it."})
	}
	lines = append(lines, summary(b)...)
	lines = append(lines, artifactLines(b)...)
	lines = append(lines, s.checkLines(b)...)
	lines = append(lines, changeLines(b.Changes, "Packages against the build before")...)
	lines = append(lines, s.logLines(b)...)
	return lines
}

func marksOf(b *feed.Build) []string {
	var words []string
	if b.Latest {
		words = append(words, "latest")
	}
	for _, t := range b.Tags {
		words = append(words, "#"+t)
	}
	return words
}

func problemLines(b *feed.Build, w int) []line {
	lines := []line{{name: "Its record cannot be read:", sign: signFail, role: theme.Failure}}
	text := b.Problem
	if dir := filepath.Dir(filepath.Dir(filepath.Dir(b.Dir))); b.Dir != "" {
		text = strings.ReplaceAll(text, dir+"/", "")
	}
	for _, part := range widget.Wrap(text, w) {
		lines = append(lines, line{name: part})
	}
	return append(lines, line{}, line{name: "I shows the file, D deletes the build."})
}

func summary(b *feed.Build) []line {
	made := field("Made", b.Timestamp)
	made.when = b.Time
	lines := []line{made}
	if m := b.Meta; m != nil {
		by := strings.TrimSpace("nosa " + m.NosaVersion)
		if m.NosaVersion == "" {
			by = "another tool"
		}
		for _, word := range []string{m.Engine, m.Rootfs} {
			if word != "" {
				by += ", " + word
			}
		}
		lines = append(lines, field("By", by))
		if m.Version != "" && m.Version != b.ID {
			lines = append(lines, field("Version", m.Version))
		}
	}
	lines = append(lines, field("Commit", b.Commit))
	if c := b.Config; c != nil {
		text := strings.TrimSpace(c.Branch + " " + shortSum(c.Commit))
		if b.Dirty() {
			text += "  with changes that no commit has"
		}
		lines = append(lines, field("Config", text))
	}
	if b.Packages > 0 {
		text := fmt.Sprint(b.Packages)
		switch words := changesText(b.Changes); {
		case words != "":
			text += "  " + words
		case b.Changes.Known:
			text += "  the same as before"
		}
		lines = append(lines, field("Packages", text))
	}
	for _, busy := range b.Busy {
		lines = append(lines, line{name: busy.Type, text: "in work: " + busy.Holder, sign: signRunning, role: theme.Running})
	}
	return lines
}

// artifactOf is what a line of an artifact is about.
type artifactOf struct{ workspace.ListedArtifact }

func artifactLines(b *feed.Build) []line {
	lines := []line{{heading: true, name: "Artifacts", text: long(b.Size) + ", " + long(b.Disk) + " on disk"}}
	for _, a := range b.Artifacts {
		l := line{name: a.Type, text: shortSum(a.Checksum), number: short(a.Size), what: artifactOf{a}}
		switch {
		case a.Remade:
			l.text, l.role, l.sign = "not here; m makes it again", theme.Disabled, signWarn
		case a.Missing:
			l.text, l.role, l.sign = "gone", theme.Failure, signFail
		case a.Changed:
			l.text, l.role, l.sign = "its size is not the recorded one", theme.Failure, signFail
		case b.Compressed(a.Type):
			l.text += "  compressed, " + short(b.Meta.Images[a.Type].UncompressedSize) + " unpacked"
		case a.Disk < a.Size*9/10:
			l.text += "  " + short(a.Disk) + " on disk"
		}
		lines = append(lines, l)
	}
	return lines
}

func (s *Screen) checkLines(b *feed.Build) []line {
	if len(b.Checks) == 0 {
		if !b.Detailed {
			return nil
		}
		text := "none: B boots it and looks"
		if s.images.known && len(s.images.disks(b)) == 0 {
			text = "none: it has no disk image to boot, m makes one"
		}
		return []line{{heading: true, name: "Checks", text: text}}
	}
	lines := []line{{heading: true, name: "Checks"}}
	for _, c := range b.Checks {
		l := line{name: c.Name, number: clock(c.MS), sign: signOK, text: c.Problem}
		switch {
		case !c.OK:
			l.sign, l.role = signFail, theme.Failure
		case c.Stale:
			l.sign, l.role, l.text = signWarn, theme.Warning, "of another commit"
		}
		lines = append(lines, l)
		for _, run := range c.Runs {
			r := line{indent: 1, name: run.Name, text: run.Text, number: clock(run.MS), sign: signOK}
			if run.Of > 0 {
				r.text = strings.TrimSpace(fmt.Sprintf("%d of %d  %s", run.Passed, run.Of, run.Text))
			}
			if !run.OK {
				r.sign, r.role = signFail, theme.Failure
			}
			lines = append(lines, r)
		}
	}
	return lines
}

// changeLines lists packages that changed; nothing where that is not known.
func changeLines(c feed.PackageChanges, title string) []line {
	if !c.Known {
		return nil
	}
	lines := []line{{heading: true, name: title, text: changesText(c)}}
	if len(lines[0].text) == 0 {
		lines[0].text = "the same"
	}
	for _, p := range c.Added {
		lines = append(lines, line{name: p.Name, text: p.To, sign: signAdded, role: theme.Added})
	}
	for _, p := range c.Removed {
		lines = append(lines, line{name: p.Name, text: p.From, sign: signRemoved, role: theme.Removed})
	}
	for _, p := range c.Changed {
		lines = append(lines, line{name: p.Name, text: p.From + " -> " + p.To, sign: signChanged, role: theme.Changed})
	}
	return lines
}

// logLines lists the jobs that made a build, with what their steps took and what that usually is.
func (s *Screen) logLines(b *feed.Build) []line {
	var lines []line
	for _, l := range b.Logs {
		head := line{heading: true, name: "Job " + l.Stage, text: l.Job, number: clock(l.MS), what: l}
		if l.State == "" {
			head.number = ""
			head.text = "no end: " + l.Job
		} else if usual := s.usual(l.Stage, ran(l)...); usual != "" {
			head.text = usual + "  " + l.Job
		}
		lines = append(lines, head, line{name: "log", text: "enter shows it", number: short(l.Size), what: l, role: theme.Link})
		for _, step := range l.Steps {
			one := line{name: step.Name, text: step.Title, number: clock(step.MS), bar: share(step.MS, l.MS)}
			if step.Skipped {
				one.number, one.role, one.bar = "skipped", theme.Skipped, 0
			} else if usual := s.usual(l.Stage, step.Name); usual != "" && usual != usually(step.MS) {
				one.text = strings.TrimSpace(one.text + "  " + usual)
			}
			lines = append(lines, one)
		}
	}
	return lines
}

// ran are the steps of a job that were not skipped.
func ran(l feed.BuildLog) []string {
	var names []string
	for _, step := range l.Steps {
		if !step.Skipped {
			names = append(names, step.Name)
		}
	}
	return names
}

// usual says how long steps of a stage take together; "" where that has happened only once.
func (s *Screen) usual(stage string, steps ...string) string {
	if e := s.history.Usual(stage, steps...); e != nil && e.Runs > 1 {
		return usually(e.MS)
	}
	return ""
}

func usually(ms int64) string { return "usually " + clock(ms) }

func share(part, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(part) / float64(of)
}
