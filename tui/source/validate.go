package source

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/nestos/nosa/tui/editor"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/lint"
	"github.com/nestos/nosa/workspace/manifest"
)

// Keys of the Works that look at the config.
const (
	workQuick = "source.validate"
	workFull  = "source.validate-full"
)

const (
	quickDelay = 150 * time.Millisecond
	fullDelay  = 400 * time.Millisecond
)

// checked is what a look at the config has found.
type checked struct {
	revision uint64 // of the screen's texts
	full     bool   // nosa validate has said it, of what is on disk
	found    doc.Diagnostics
	err      error
	outline  outline                          // of the quick one
	changes  map[string]map[int]editor.Change // lines that are not as on disk, by path
}

// look is a look at the config with unsaved texts in place of files.
type look struct {
	ws    *workspace.Workspace
	texts map[string]string // by path relative to the workspace
}

// draft is unsaved text as it was at a moment, and what is on disk.
type draft struct {
	text editor.Snapshot
	base []byte
}

func (l look) overlay() doc.Texts {
	if len(l.texts) == 0 {
		return nil
	}
	texts := doc.Texts{}
	for path, text := range l.texts {
		texts.Put(filepath.Join(l.ws.Dir, path), []byte(text))
	}
	return texts
}

// check loads all that can be loaded without other programs.
func (l look) check(ctx context.Context) (*manifest.Manifest, doc.Diagnostics, error) {
	arch, err := workspace.HostArch()
	if err != nil {
		return nil, nil, err
	}
	texts, ws := l.overlay(), l.ws
	m, found := manifest.Load(ws.Manifest(), manifest.Options{Arch: arch.Name, Root: ws.Dir, Texts: texts})
	if _, err := os.Stat(ws.Image()); !m.Container || err == nil {
		_, more := workspace.LoadImageTexts(ws.Image(), ws.Dir, texts)
		found = append(found, more...)
	}
	_, more := workspace.PlatformsFile{Path: ws.Platforms(), Arch: arch.Name, Root: ws.Dir, Texts: texts}.Load()
	found = append(found, more...)
	repos := []string{ws.Config()}
	if _, err := os.Stat(ws.YumRepos()); err == nil {
		repos = append(repos, ws.YumRepos())
	}
	found = append(found, lint.Check(ctx, lint.Config{
		Dir: ws.Config(), Root: ws.Dir, Manifest: m, RepoDirs: repos, Overlays: overlays(ws, m),
		Image: ws.Image(), Platforms: ws.Platforms(), Texts: texts,
	})...)
	return m, found.Sorted(), ctx.Err()
}

// lineChanges says how the lines of a text differ from what they were.
func lineChanges(before, after string) map[int]editor.Change {
	diff, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), 0)
	if err != nil {
		return nil
	}
	changes := map[int]editor.Change{}
	for _, h := range diff.Hunks {
		removed, line := 0, h.ToLine
		for _, l := range h.Lines {
			switch {
			case l.Kind == udiff.Delete:
				removed++
			case l.Kind == udiff.Insert && removed > 0:
				changes[line] = editor.Changed
				removed--
				line++
			case l.Kind == udiff.Insert:
				changes[line] = editor.Added
				line++
			default:
				line++
			}
		}
		if removed > 0 && changes[max(line, 1)] == "" {
			changes[max(line, 1)] = editor.Removed
		}
	}
	return changes
}

// overlays are the directories that are layers of the tree.
func overlays(ws *workspace.Workspace, m *manifest.Manifest) []string {
	const prefix = "overlay/"
	var dirs []string
	if m.Has("ostree-layers") {
		for _, item := range slices.Concat(m.Layers, m.OverrideLayers) {
			name, ok := strings.CutPrefix(item.Text, prefix)
			dir := filepath.Join(ws.Overlays(), name)
			if info, err := os.Stat(dir); ok && err == nil && info.IsDir() {
				dirs = append(dirs, dir)
			}
		}
	} else if entries, err := os.ReadDir(ws.Overlays()); err == nil {
		for _, e := range entries {
			if e.IsDir() {
				dirs = append(dirs, filepath.Join(ws.Overlays(), e.Name()))
			}
		}
	}
	if entries, err := os.ReadDir(ws.OverrideRootfs()); err == nil && len(entries) > 0 {
		dirs = append(dirs, ws.OverrideRootfs())
	}
	return dirs
}

// validate looks at the config with the texts as they are now.
func (s *Screen) validate(after time.Duration) []screen.Effect {
	s.revision++
	l, drafts, revision := look{ws: s.env.WS, texts: map[string]string{}}, s.unsaved(), s.revision
	s.checking = true
	return []screen.Effect{screen.Work{Key: workQuick, After: after, Do: func(ctx context.Context) screen.Event {
		for path, d := range drafts {
			l.texts[path] = d.text.Text()
		}
		m, found, err := l.check(ctx)
		c := checked{revision: revision, found: found, err: err, changes: map[string]map[int]editor.Change{}}
		for path, text := range l.texts {
			c.changes[path] = lineChanges(string(drafts[path].base), text)
		}
		if m != nil {
			c.outline = outlineOf(m, found)
		}
		return c
	}}}
}

// checked takes what a look has found, if the texts are still those that it saw.
func (s *Screen) checked(c checked) {
	if c.revision != s.revision {
		return
	}
	if !c.full {
		s.checking = false
	}
	if c.err != nil {
		s.checkErr = c.err.Error()
		return
	}
	s.checkErr = ""
	if c.full {
		s.remember(c.found)
		s.setProblems(c.found)
		return
	}
	for path, d := range s.docs {
		d.ed.SetChanges(c.changes[path])
	}
	s.outline = c.outline
	s.setOutline()
	s.setProblems(append(slices.Clone(c.found), s.fromMetadata()...).Sorted())
}
