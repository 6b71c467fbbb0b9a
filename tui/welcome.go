package tui

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/tui/canvas"
	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/tui/term"
	"github.com/nestos/nosa/tui/theme"
	"github.com/nestos/nosa/tui/widget"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/job"
)

// welcomeName is the screen of a directory that is no workspace yet.
const welcomeName screen.Name = "welcome"

// welcome offers ways to a workspace: the sample, a config's repository, another directory.
type welcome struct {
	dir     string
	problem string // why the directory cannot be opened, where that is not that nothing is there
	at      int
	rows    []canvas.Rect // where the ways were drawn
	tag     string        // of the job that was started
	job     string        // its ID
	state   feed.Job
	failed  []string // what the last one said
}

// way is one of the ways.
type way struct{ key, title, text string }

func ways() []way {
	return []way{
		{"s", "The sample", "a small system from Debian's packages: all that is needed to try nosa"},
		{"g", "A config repository", "a git URL, or the path of a checkout"},
		{"d", "Another directory", "one that is a workspace already"},
	}
}

func newWelcome(o Options, err error) *welcome {
	w := &welcome{dir: o.Dir}
	if !errors.Is(err, workspace.ErrNoWorkspace) {
		w.problem = err.Error()
	}
	return w
}

// Name implements screen.Screen.
func (w *welcome) Name() screen.Name { return welcomeName }

// Title implements screen.Screen.
func (w *welcome) Title() string { return "Welcome" }

// Actions implements screen.Screen.
func (w *welcome) Actions() []screen.Action {
	var out []screen.Action
	for i, one := range ways() {
		out = append(out, screen.Action{
			ID: "welcome." + one.key, Title: one.title, Short: strings.ToLower(one.title), Keys: []string{one.key}, Off: w.busy,
			Run: func() []screen.Effect { return w.take(i) },
		})
	}
	return append(out,
		screen.Action{ID: "welcome.choose", Title: "Take the chosen way", Short: "choose", Keys: []string{"enter"}, Off: w.busy, Run: func() []screen.Effect { return w.take(w.at) }},
		screen.Action{ID: "welcome.up", Title: "Up", Keys: []string{"up", "k"}, Run: func() []screen.Effect { w.at = max(w.at-1, 0); return nil }},
		screen.Action{ID: "welcome.down", Title: "Down", Keys: []string{"down", "j"}, Run: func() []screen.Effect { w.at = min(w.at+1, len(ways())-1); return nil }},
		screen.Action{ID: "welcome.cancel", Title: "Cancel", Short: "cancel", Keys: []string{"x"}, Off: func() string {
			if w.busy() == "" {
				return "nothing goes on"
			}
			return ""
		}, Run: func() []screen.Effect { return []screen.Effect{screen.Cancel{Job: w.job}} }},
	)
}

// busy is why no way can be taken now.
func (w *welcome) busy() string {
	if w.tag != "" {
		return "a workspace is being made"
	}
	return ""
}

const (
	tagSample = "welcome.sample"
	tagGit    = "welcome.git"
	tagDir    = "welcome.dir"
)

func (w *welcome) take(i int) []screen.Effect {
	w.at = i
	switch ways()[i].key {
	case "s":
		return w.start(tagSample, "init", "--sample")
	case "g":
		return []screen.Effect{screen.Ask{Tag: tagGit, Title: "A config repository", Fields: []screen.Field{
			{Name: "source", Title: "URL or path", Kind: screen.FieldText, Help: "https://…, git@…, or the absolute path of a checkout", Check: wanted},
			{Name: "subdir", Title: "Directory in it", Kind: screen.FieldText, Help: "where the manifest.yaml is; NestOS-For-Container in released NestOS configs; else empty"},
			{Name: "branch", Title: "Branch", Kind: screen.FieldText, Help: "empty is the repository's default"},
		}}}
	}
	return []screen.Effect{screen.Ask{Tag: tagDir, Title: "Another directory", Fields: []screen.Field{
		{Name: "dir", Title: "Directory", Kind: screen.FieldText, Value: w.dir, Help: "a workspace has src/ and builds/ in it", Check: wanted},
	}}}
}

func wanted(value string) string {
	if strings.TrimSpace(value) == "" {
		return "is wanted"
	}
	return ""
}

// start makes the workspace and follows the job that does it.
func (w *welcome) start(tag string, args ...string) []screen.Effect {
	w.tag, w.job, w.failed, w.state = tag, "", nil, feed.Job{}
	ws := &workspace.Workspace{Dir: w.dir}
	return []screen.Effect{
		screen.Start{Args: args, Tag: tag},
		screen.Follow{Key: "feed.jobs", Do: func(ctx context.Context, post func(screen.Event)) {
			feed.FollowJobs(ctx, ws, func(e any) { post(e) })
		}},
	}
}

// Handle implements screen.Screen.
func (w *welcome) Handle(e screen.Event) []screen.Effect {
	switch e := e.(type) {
	case screen.Answer:
		return w.answered(e)
	case screen.Started:
		if e.Tag != w.tag {
			return nil
		}
		w.job = e.Job
		if e.Job == "" {
			w.fail(e.Err.Error())
		}
	case feed.Jobs:
		return w.look(e)
	}
	return nil
}

func (w *welcome) answered(a screen.Answer) []screen.Effect {
	switch a.Tag {
	case tagGit:
		args := []string{"init"}
		if b := strings.TrimSpace(a.Values["branch"]); b != "" {
			args = append(args, "--branch", b)
		}
		args = append(args, "--", strings.TrimSpace(a.Values["source"]))
		if d := strings.TrimSpace(a.Values["subdir"]); d != "" {
			args = append(args, d)
		}
		return w.start(tagGit, args...)
	case tagDir:
		return []screen.Effect{open(strings.TrimSpace(a.Values["dir"]))}
	}
	return nil
}

// open opens a workspace; the model goes there.
func open(dir string) screen.Effect {
	return screen.Work{Key: "welcome.open", Do: func(context.Context) screen.Event {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return opened{err: err}
		}
		ws, err := workspace.Open(abs)
		return opened{ws, err}
	}}
}

// look sees how the job stands.
func (w *welcome) look(jobs feed.Jobs) []screen.Effect {
	if w.job == "" {
		return nil
	}
	for _, j := range jobs.List {
		if string(j.Info.ID) != w.job {
			continue
		}
		w.state = j
		switch {
		case j.Running():
		case j.State == job.Finished:
			w.tag = ""
			return []screen.Effect{open(w.dir)}
		case j.Fail != nil:
			w.fail(j.Fail.Text, j.Fail.Hint)
		default:
			w.fail("the job was lost: its process is gone and wrote no end")
		}
	}
	return nil
}

func (w *welcome) fail(lines ...string) {
	w.tag, w.job = "", ""
	w.failed = lines
}

// Draw implements screen.Screen.
func (w *welcome) Draw(a canvas.Area, f screen.Frame) {
	width, height := a.Size()
	t := f.Theme
	box := canvas.Rect{W: min(width-2, 84), H: height}
	box.X = (width - box.W) / 2
	in := a.Sub(box)
	y := max((height-14)/3, 0)
	in.PutIn(0, y, box.W, "No workspace here yet", t.Style(theme.TitleFocus))
	in.PutIn(0, y+1, box.W, w.dir, t.Style(theme.Muted))
	if w.problem != "" {
		in.PutIn(0, y+1, box.W, w.problem, t.Style(theme.Failure))
	}
	y += 3
	w.rows = w.rows[:0]
	for i, one := range ways() {
		row := canvas.Rect{Y: y, W: box.W, H: 1}
		style, muted := t.Style(theme.Text), t.Style(theme.Muted)
		if i == w.at {
			in.Put(0, y, t.Glyphs.Pointer, t.Style(theme.Running))
			style = t.Style(theme.TitleFocus)
		}
		in.Put(2, y, one.key, t.Style(theme.Key))
		x := in.Put(5, y, one.title, style)
		if box.W >= 60 {
			in.PutIn(max(x+2, 27), y, box.W-max(x+2, 27), one.text, muted)
		}
		row.X, row.Y = box.X, y
		w.rows = append(w.rows, row)
		y += 2
	}
	w.drawState(in.Sub(canvas.Rect{Y: y, W: box.W, H: max(height-y, 0)}), f)
}

// drawState says how the job goes, or what the last one said.
func (w *welcome) drawState(a canvas.Area, f screen.Frame) {
	width, _ := a.Size()
	t := f.Theme
	if w.tag != "" {
		text := t.Glyphs.Running + " making the workspace"
		if i := slices.IndexFunc(w.state.Steps, func(s feed.Step) bool { return s.State == feed.StepRunning }); i >= 0 {
			text += ": " + w.state.Steps[i].Title
		}
		if w.job != "" {
			text += "  " + widget.Stopwatch(w.state.Elapsed(f.Now).Round(time.Second))
		}
		a.PutIn(0, 0, width, text, t.Style(theme.Running))
		return
	}
	y := 0
	for i, line := range w.failed {
		s := t.Style(theme.Muted)
		if i == 0 {
			s = t.Style(theme.Failure)
			line = t.Glyphs.Fail + " " + line
		}
		for _, l := range widget.Wrap(line, width) {
			a.Put(0, y, l, s)
			y++
		}
	}
}

// Panes implements screen.Screen.
func (w *welcome) Panes(width, height int) []screen.Pane {
	return []screen.Pane{{ID: "ways", Rect: canvas.Rect{W: width, H: height}}}
}

// Mouse implements screen.Screen.
func (w *welcome) Mouse(m term.Mouse) []screen.Effect {
	if m.Kind != term.Press || w.busy() != "" {
		return nil
	}
	for i, r := range w.rows {
		if r.Contains(m.X, m.Y) {
			return w.take(i)
		}
	}
	return nil
}

// Focus implements screen.Screen.
func (w *welcome) Focus() string { return "ways" }

// SetFocus implements screen.Screen.
func (w *welcome) SetFocus(string) {}

// Zoomed implements screen.Screen.
func (w *welcome) Zoomed() bool { return false }

// SetZoomed implements screen.Screen.
func (w *welcome) SetZoomed(bool) {}

// Key implements screen.Screen.
func (w *welcome) Key(term.Key) []screen.Effect { return nil }

// Typing implements screen.Screen.
func (w *welcome) Typing() bool { return false }

// Dirty implements screen.Screen.
func (w *welcome) Dirty() []string { return nil }

// Open implements screen.Screen.
func (w *welcome) Open(screen.Target) []screen.Effect { return nil }

// Hint implements screen.Screen.
func (w *welcome) Hint() string { return "" }

// Save implements screen.Screen.
func (w *welcome) Save() json.RawMessage { return nil }

// Restore implements screen.Screen.
func (w *welcome) Restore(json.RawMessage) []screen.Effect { return nil }
