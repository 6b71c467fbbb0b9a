package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/proc"
)

// renderer shows a job's events: a line for each finished step and one live
// line below on a terminal, plain lines elsewhere, the events themselves with
// --output json.
type renderer struct {
	history workspace.History // of the workspace's stages, for estimates
	a       *app
	stage   string
	started time.Time
	color   bool
	live    bool // a live line is on the screen
	titles  map[string]string
	running []*running
	ticker  *time.Ticker
	dir     string          // the workspace's: where the files of problems lie
	said    map[string]bool // places, and places with their text, that were shown
	tail    *logTail        // nil: the programs' output is not shown
	job     string          // directory of the job that is shown; empty is none
}

// running is a step that has begun and not ended.
type running struct {
	step  string
	since time.Time
	last  event.Event
}

// liveEvery is how often the live line is drawn anew: its clock shows seconds.
const liveEvery = 200 * time.Millisecond

func newRenderer(a *app, stage string) *renderer {
	r := &renderer{a: a, stage: stage, started: a.now(), titles: map[string]string{}, said: map[string]bool{}, dir: a.flags.dir, ticker: time.NewTicker(liveEvery)}
	r.color = a.flags.color == "always" || (a.flags.color == "auto" && a.tty && os.Getenv("NO_COLOR") == "")
	return r
}

func (r *renderer) tick() <-chan time.Time { return r.ticker.C }

func (r *renderer) close() {
	r.ticker.Stop()
	r.programs()
	r.erase()
}

func (r *renderer) json() bool { return r.a.flags.output == "json" }

// fence says when the job is kept together less well than it could be.
func (r *renderer) fence(f proc.Fence) {
	if f != proc.FenceUser && !r.json() {
		r.line(r.a.stderr, r.paint(yellow, "note")+"  kept together by "+string(f)+", the strongest that this host grants")
	}
}

func (r *renderer) note(text string) {
	if !r.json() {
		r.line(r.a.stderr, text)
	}
}

// show handles one event.
func (r *renderer) show(e event.Event) {
	if r.json() {
		if e.V == 0 { // of this process, not from a journal
			e.V, e.Time = event.Version, r.a.now().UTC()
		}
		_ = json.NewEncoder(r.a.stdout).Encode(e)
		return
	}
	r.programs()
	switch e.Kind {
	case event.Plan:
		r.titles[e.Step] = e.Title
	case event.Step:
		r.step(e)
	case event.Progress:
		if s := r.find(e.Step); s != nil {
			s.last = e
			r.redraw()
		}
	case event.Log:
		r.log(e)
	case event.Artifact:
		r.line(r.a.stdout, e.Path)
	case event.Finish:
		r.finish(e)
	case event.Fail:
		r.fail(e)
	case event.Start:
	}
}

func (r *renderer) step(e event.Event) {
	switch e.State {
	case event.Run:
		r.running = append(r.running, &running{step: e.Step, since: e.Time})
		if !r.a.tty && !r.a.flags.quiet {
			r.line(r.a.stderr, "· "+r.title(e.Step))
		}
		r.redraw()
	case event.Skip:
		if !r.a.flags.quiet {
			r.line(r.a.stderr, r.paint(dim, "- "+r.title(e.Step)+"  "+e.Reason))
		}
	case event.Done:
		r.drop(e.Step)
		if !r.a.flags.quiet {
			mark := r.paint(green, "✓")
			if e.Level == event.Error {
				mark = r.paint(red, "✗")
			}
			r.line(r.a.stderr, mark+" "+r.columns(r.title(e.Step), e.Text, duration(e.MS)))
		}
	case event.Unknown:
	}
}

// columns aligns a step's title, what it came to and how long it took.
func (r *renderer) columns(title, text, took string) string {
	pad := func(s string, w int) string { return s + strings.Repeat(" ", max(0, w-ansi.StringWidth(s))) }
	return strings.TrimRight(pad(title, 27)+" "+strings.Repeat(" ", max(0, 6-len(took)))+took+"  "+text, " ")
}

// log shows what a person should see: problems once, whoever repeats them.
func (r *renderer) log(e event.Event) {
	key := e.Path + "\n" + e.Text
	if r.a.flags.quiet && e.Level != event.Error || e.Path != "" && r.said[key] {
		return
	}
	if e.Path != "" && e.Level != event.Info {
		r.said[key], r.said[e.Path] = true, true
		severity := map[event.Level]doc.Severity{event.Warn: doc.Warning, event.Error: doc.Error}[e.Level]
		at := origin(e.Path)
		at.Chain = e.Chain
		r.problem(doc.Diagnostic{Severity: severity, Code: e.Reason, Origin: at, Message: e.Text, Why: e.Why, Hint: e.Hint})
		r.line(r.a.stderr, "")
		return
	}
	label := map[event.Level]string{event.Info: "", event.Warn: r.paint(yellow, "warning") + "  ", event.Error: r.paint(red, "error") + "  "}[e.Level]
	if e.Path != "" {
		label += e.Path + ": "
	}
	r.line(r.a.stderr, "  "+label+e.Text)
	if e.Hint != "" {
		r.line(r.a.stderr, "         "+e.Hint)
	}
}

func (r *renderer) finish(e event.Event) {
	if r.a.flags.quiet {
		return
	}
	text := r.stage + " done in " + duration(e.MS)
	if e.Text != "" {
		text = e.Text + " (" + duration(e.MS) + ")"
	}
	r.line(r.a.stderr, r.paint(green, text))
}

// redraw draws the live line: what runs, how far, since when.
func (r *renderer) redraw() {
	r.programs()
	if !r.a.tty || r.a.flags.quiet || r.json() || len(r.running) == 0 {
		return
	}
	now := r.a.now()
	var parts []string
	for _, s := range r.running {
		parts = append(parts, strings.TrimSpace(r.title(s.step)+" "+amount(s.last))+" "+clock(now.Sub(s.since))+r.usual(s.step))
	}
	text := "· " + strings.Join(parts, "  |  ")
	r.erase()
	fmt.Fprint(r.a.stderr, ansi.Truncate(r.paint(dim, text), r.a.width-1, "…"))
	r.live = true
}

// usual is how long a step took the last times, " of ~0:12"; empty when it never ran.
func (r *renderer) usual(step string) string {
	if d, ok := r.history.Estimate(r.stage, step); ok && d >= time.Second {
		return " of ~" + clock(d)
	}
	return ""
}

// erase takes the live line off the screen.
func (r *renderer) erase() {
	if r.live {
		fmt.Fprint(r.a.stderr, "\r"+ansi.EraseEntireLine)
		r.live = false
	}
}

// line prints a line that stays, and the live line below it again.
func (r *renderer) line(to io.Writer, text string) {
	r.erase()
	fmt.Fprintln(to, text)
}

func (r *renderer) title(step string) string {
	if t := r.titles[step]; t != "" {
		return t
	}
	return step
}

func (r *renderer) find(step string) *running {
	for _, s := range r.running {
		if s.step == step {
			return s
		}
	}
	return nil
}

func (r *renderer) drop(step string) {
	for i, s := range r.running {
		if s.step == step {
			r.running = append(r.running[:i], r.running[i+1:]...)
			return
		}
	}
}

// amount is how far a step is: "12 of 214 packages", "3.1 of 90.0 MiB", "kernel 7.2 s", "".
func amount(e event.Event) string {
	one := func(n int64) string { return fmt.Sprintf("%d", n) }
	if e.Unit == event.UnitBytes {
		one = func(n int64) string { return event.Bytes(n).String() }
	}
	switch {
	case e.Kind != event.Progress:
		return ""
	case e.Text != "":
		return e.Text
	case e.Unit == event.UnitBytes && e.Total > 0:
		return one(e.Done) + " of " + one(e.Total)
	case e.Unit == event.UnitBytes:
		return one(e.Done)
	case e.Total > 0:
		return one(e.Done) + " of " + one(e.Total) + " " + string(e.Unit)
	}
	return one(e.Done) + " " + string(e.Unit)
}

// duration is how long something took, in at most seven characters below ten
// hours: "1.2s", "2m5s".
func duration(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// The colours of the CLI: four of the sixteen, never the only sign.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

func (r *renderer) paint(sgr, text string) string {
	if !r.color || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}
