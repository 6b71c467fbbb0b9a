package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
)

// failEvent is how an error of a stage of the workspace in dir ends its
// journal. Every problem of a configuration has an event of its own before it.
func failEvent(err error, sink event.Sink, dir string) event.Event {
	why := builder.Explain(err, os.DirFS(cmp.Or(dir, ".")))
	e := event.Event{Kind: event.Fail, Code: exitCode(err), Text: cleanText(err.Error()), Reason: why.Reason, Path: why.Path, Hint: hintOf(err)}
	if step, ok := errors.AsType[*builder.StepError](err); ok {
		e.Step = step.Step
	}
	if missing, ok := errors.AsType[*tool.MissingError](err); ok {
		e.Hint = cmp.Or(missing.Install(), e.Hint)
	}
	if problems, ok := errors.AsType[doc.Diagnostics](err); ok {
		n, first := sayDiagnostics(problems, sink)
		e.Text, e.Hint, e.Path = "1 problem in the configuration: "+first.Message, "", first.Origin.String()
		if n > 1 {
			e.Text = fmt.Sprintf("%d problems in the configuration, the first: %s", n, first.Message)
		}
	} else if place := inlinePlaces().FindStringSubmatch(e.Text); place != nil && e.Reason == "" {
		e.Path = place[1]
	}
	if e.Code == exitCancelled {
		e.Text, e.Reason, e.Hint, e.Path = "cancelled", "", "", ""
	}
	return e
}

// cleanText makes an error's text, which may quote a program, fit for a
// terminal, line by line.
func cleanText(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = event.Clean(line)
	}
	return strings.Join(lines, "\n")
}

// sayDiagnostics makes events of diagnostics, their codes as reasons, and gives
// the number of errors and the first of them.
func sayDiagnostics(list doc.Diagnostics, sink event.Sink) (errs int, first doc.Diagnostic) {
	for _, d := range list {
		if d.Severity == doc.Error {
			if errs++; errs == 1 {
				first = d
			}
		}
		sink.Emit(builder.DiagnosticEvent(d))
	}
	return errs, first
}

// A failure is to be seen on one screen.
const (
	maxMisfits  = 8 // places of an error's text that are shown with their lines
	maxFailText = 8 // further lines of its text
	lastLines   = 6 // of the step's programs
)

// fail shows how a job failed: the step and the cause, the lines that it is
// about, what the programs said last, what to do next and where the rest is.
func (r *renderer) fail(e event.Event) {
	head := "nosa: "
	if r.stage != "" {
		head += r.stage + ": "
	}
	if e.Step != "" && !r.a.flags.quiet {
		r.line(r.a.stderr, r.paint(red, "✗")+" "+r.title(e.Step))
	} else if e.Step != "" {
		head += r.title(e.Step) + ": "
	}
	var found []misfit
	rest := strings.Split(e.Text, "\n")
	if e.Reason == "" {
		found, rest = misfits(e.Text)
	}
	for _, m := range found[:min(len(found), maxMisfits)] {
		r.misfit(m)
	}
	excerpt := ""
	switch {
	case len(found) > 0:
		sum := count(len(found), "error") + map[bool]string{true: " in the configuration"}[e.Code == exitConfig]
		if len(found) > maxMisfits {
			sum += fmt.Sprintf(", %d shown", maxMisfits)
		}
		rest = slices.Insert(rest, 0, sum)
	case e.Path != "" && !r.said[e.Path]:
		if excerpt = r.excerpt(e.Path); excerpt == "" {
			head += e.Path + ": "
		}
	}
	r.failText(head, rest)
	if excerpt != "" {
		r.line(r.a.stderr, excerpt)
	}
	r.lastOutput(e)
	label := "  next: "
	for hint := range strings.Lines(e.Hint) {
		r.say(label, strings.TrimSuffix(hint, "\n"))
		label = "        "
	}
	if log := r.logFile(); log != "" && e.Reason != "" && !r.a.flags.quiet {
		r.line(r.a.stderr, "  log:  "+log)
	}
}

// failText shows the lines of an error's text, the first behind head.
func (r *renderer) failText(head string, lines []string) {
	for i, line := range lines {
		switch {
		case i == 0:
			for j, part := range r.fold(head + line) {
				plain := ""
				if j == 0 && strings.HasPrefix(part, head) {
					plain = head
				}
				r.line(r.a.stderr, plain+r.paint(red, part[len(plain):]))
			}
		case i > maxFailText:
			r.line(r.a.stderr, "  "+r.paint(dim, fmt.Sprintf("… and %d lines more", len(lines)-i)))
			return
		default:
			r.say("  ", line)
		}
	}
}

// say shows a text behind a label, further lines below the first.
func (r *renderer) say(label, text string) {
	for i, part := range r.fold(label + text) {
		if i > 0 {
			part = strings.Repeat(" ", len(label)-2) + part
		}
		r.line(r.a.stderr, part)
	}
}

// fold breaks a line for a terminal, further lines indented; elsewhere a line
// stays one.
func (r *renderer) fold(text string) []string {
	if !r.a.tty || ansi.StringWidth(text) <= r.a.width {
		return []string{text}
	}
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	parts := fold(text, r.a.width-8)
	for i := range parts {
		parts[i] = indent + parts[i]
		if i > 0 {
			parts[i] = "  " + parts[i]
		}
	}
	return parts
}

// excerpt is the line at a place of the configuration with its mark, or "".
func (r *renderer) excerpt(path string) string {
	d := doc.Diagnostic{Origin: origin(path)}
	source := r.source(d.File)
	if source == nil || d.Line == 0 {
		return ""
	}
	_, text, _ := strings.Cut(excerptOf(d, source), "\n")
	if d.Column == 0 { // there is no word to mark
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		text = strings.Join(lines[:max(1, len(lines)-1)], "\n")
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// lastOutput shows what the programs of the failed step wrote last, unless it
// was shown already.
func (r *renderer) lastOutput(e event.Event) {
	if e.Reason == "" || r.tail != nil || r.job == "" || r.a.flags.quiet {
		return
	}
	lines := lastOf(filepath.Join(r.job, "log"), e.Step)
	if !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(e.Text, strings.TrimSpace(line)) }) {
		return
	}
	r.line(r.a.stderr, "  last output:")
	for _, line := range lines {
		if r.a.tty {
			line = ansi.Truncate(line, r.a.width-5, "…")
		}
		r.line(r.a.stderr, r.paint(dim, "  | "+line))
	}
}

// lastOf gives the last lines that a step's programs wrote to a job's log.
func lastOf(log, step string) []string {
	f, err := os.Open(log)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	const end = 64 << 10
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-end), end))
	if err != nil {
		return nil
	}
	if info.Size() > end { // it begins inside a line
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(line, "\t", 3)
		if len(parts) < 3 || parts[1] != step {
			continue
		}
		if text := event.Clean(ansi.Strip(parts[2])); text != "" {
			lines = append(lines, text)
		}
	}
	return lines[max(0, len(lines)-lastLines):]
}

// logFile names the log of the job that is shown, as short as it can be
// opened from here; "" when there is none.
func (r *renderer) logFile() string {
	if r.job == "" {
		return ""
	}
	log := filepath.Join(r.job, "log")
	if info, err := os.Stat(log); err != nil || info.Size() == 0 {
		return ""
	}
	here, err := os.Getwd()
	if err != nil {
		return log
	}
	if rel, err := filepath.Rel(here, log); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return log
}

// workspace is the directory of the workspace that the job lies in.
func (w *worker) workspace() string { return filepath.Dir(filepath.Dir(filepath.Dir(w.dir))) } // DIR/tmp/jobs/ID
